"""Comparisons of networks that are trained alike except for one thing."""
