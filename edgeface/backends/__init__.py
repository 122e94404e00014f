"""One adapter per inference engine, all with the same verbs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata

BACKENDS = {".onnx": "edgeface.backends.onnx:OnnxBackend"}
"""Suffix of a model file to ``module:class`` of the backend that runs it."""


class Backend(Protocol):
    """A loaded network file."""

    metadata: Metadata
    face_model: FaceModel

    def __init__(self, path: Path, num_threads: int) -> None: ...

    def infer(self, input_tensor: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Raw outputs by name for a batch, uint8 (B, S, S, 3); see `Metadata.output_shape`."""
        ...


def open_backend(path: Path, num_threads: int) -> Backend:
    """The backend for a file, chosen by its suffix.

    Raises
    ------
    InvalidInputError
        If the file is absent.
    ModelFormatError
        If no backend runs this suffix, or the file is damaged or lacks metadata.
    BackendUnavailableError
        If the backend's library is not installed.
    """
    target = BACKENDS.get(path.suffix)
    if target is None:
        raise ModelFormatError(
            f"{path}: no backend runs {path.suffix or 'files without a suffix'}; "
            f"known are {', '.join(BACKENDS)}"
        )
    if not path.exists():
        raise InvalidInputError(f"no such model: {path}")
    module, name = target.split(":")
    backend: Any = getattr(importlib.import_module(module), name)
    return backend(path, num_threads)
