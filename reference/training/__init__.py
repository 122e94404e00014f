"""Training: recipes, labels, the training run and its log."""
