"""Personalised face models (Chaudhuri et al. 2020): a person's own shapes, blendshapes and skin."""
