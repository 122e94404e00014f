"""Converters from the PyTorch reference to files that the runtime runs."""

from __future__ import annotations

from edgeface.converters.formats import FORMATS
from edgeface.converters.metadata import network_metadata
from edgeface.converters.pipeline import convert
from edgeface.converters.writing import Written

__all__ = ["FORMATS", "Written", "convert", "network_metadata"]
