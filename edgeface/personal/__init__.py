"""Personal face models: one person's shapes, blendshapes and skin, used with numpy alone."""
