"""Comparisons of networks that are trained alike but for one thing."""
