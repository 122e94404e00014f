"""Slow, plain implementations that import nothing from edgeface."""
