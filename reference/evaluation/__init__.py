"""Measuring networks on labelled data sets."""
