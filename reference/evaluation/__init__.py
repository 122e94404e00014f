"""Measuring networks on labelled sets."""
