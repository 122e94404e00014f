"""Comparisons of trained networks, and the demo photo."""
