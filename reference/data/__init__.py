"""Readers and samplers for the training packs."""
