"""Converters from the PyTorch reference to files that the runtime runs."""

from __future__ import annotations

from edgeface.converters.pipeline import FORMATS, Written, convert, describe

__all__ = ["FORMATS", "Written", "convert", "describe"]
