"""The inference engines, each behind an adapter with the same verbs."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.types import Float32Array, ImageArray

BACKENDS = {
    ".onnx": "edgeface.backends.onnx:OnnxBackend",
    ".tflite": "edgeface.backends.tflite:TfliteBackend",
    ".mlpackage": "edgeface.backends.coreml:CoremlBackend",
    ".pt2": "edgeface.backends.pytorch:PytorchBackend",
}
"""For the suffix of a model file, ``module:class`` of the backend that runs it."""


class Backend(Protocol):
    """A loaded network file; `infer` may be called from several threads at once."""

    metadata: Metadata
    face_model: FaceModel

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Compute the raw outputs of a batch, uint8 (B, S, S, 3), by name.

        `Metadata.output_shape` tells their shapes.
        """
        ...


def open_backend(path: Path, num_threads: int, device: str | None = None) -> Backend:
    """Open a file by the backend of its suffix; ``device`` is that of `edgeface.load`.

    Raises
    ------
    InvalidInputError
        If the file is absent.
    ModelFormatError
        If no backend runs this suffix, or the file is damaged or lacks metadata.
    BackendUnavailableError
        If the backend's library or the device is missing.
    """
    target = BACKENDS.get(path.suffix.lower())
    if target is None:
        raise ModelFormatError(
            f"{path}: no backend runs {path.suffix or 'files without a suffix'}; "
            f"known are {', '.join(BACKENDS)}"
        )
    try:
        there = path.exists()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if not there:
        raise InvalidInputError(f"no such model: {path}")
    module, name = target.split(":")
    backend: Any = getattr(importlib.import_module(module), name)
    return backend(path, num_threads, device)


def threads_for(path: Path, wanted: int) -> int:
    """The ``num_threads`` to open a file with; CoreML chooses its own number."""
    return 0 if path.suffix.lower() == ".mlpackage" else wanted


@dataclass(frozen=True)
class BackendInfo:
    """Whether one kind of model file can be run here.

    Attributes
    ----------
    suffix : the suffix of the model files
    engine : the library that runs them
    version : the version of that library, empty where it is not installed
    available : whether `edgeface.load` can open such files here
    install : the command that makes it available
    """

    suffix: str
    engine: str
    version: str
    available: bool
    install: str


_ENGINES = {
    ".onnx": ("ONNX Runtime", ("onnxruntime",), "pip install 'edgeface[onnx]'"),
    ".tflite": (
        "LiteRT",
        ("ai_edge_litert", "tflite_runtime", "tensorflow"),
        "pip install 'edgeface[tflite]'",
    ),
    ".mlpackage": ("CoreML", ("coremltools",), "pip install 'edgeface[coreml]' on macOS"),
    ".pt2": ("PyTorch", ("torch",), "pip install 'edgeface[torch]'"),
}


def backends() -> tuple[BackendInfo, ...]:
    """Tell which engines can run here and which are missing, without importing any.

    Examples
    --------
    >>> [backend.suffix for backend in backends()]
    ['.onnx', '.tflite', '.mlpackage', '.pt2']
    """
    report: list[BackendInfo] = []
    for suffix, (engine, _, install) in _ENGINES.items():
        found = _library(suffix)
        version = _version(found) if found else ""
        report.append(BackendInfo(suffix, engine, version, can_run(suffix), install))
    return tuple(report)


def can_run(suffix: str) -> bool:
    """Whether an engine for the files with a suffix is installed, and runs on this system."""
    return bool(_library(suffix)) and (suffix != ".mlpackage" or platform.system() == "Darwin")


def _library(suffix: str) -> str | None:
    """The first installed module that runs the files with a suffix."""
    modules = _ENGINES[suffix][1]
    return next((m for m in modules if importlib.util.find_spec(m) is not None), None)


def _version(module: str) -> str:
    try:
        return importlib.metadata.version(module.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:  # another distribution provides the module
        return "unknown"


class _Callable(ModuleType):
    """Lets ``edgeface.backends()`` be called, although importing this package takes that name."""

    def __call__(self) -> tuple[BackendInfo, ...]:
        return backends()


sys.modules[__name__].__class__ = _Callable
