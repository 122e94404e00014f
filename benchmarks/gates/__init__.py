"""Ratios that must stay below their limits, and times that are recorded only."""
