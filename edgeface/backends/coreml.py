"""Running CoreML packages on macOS."""

from __future__ import annotations

import importlib
import platform
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgeface.backends.contents import read_contents
from edgeface.backends.coreml_package import read_package
from edgeface.errors import (
    BackendUnavailableError,
    InferenceError,
    InvalidInputError,
    ModelFormatError,
)
from edgeface.metadata import FACE_MODEL_KEY, KEY
from edgeface.types import Float32Array, ImageArray

UNITS = ("ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE")


class CoremlBackend:
    """A CoreML package; ``device`` names the compute units, and by default all are used.

    The input is one RGB image, so the images of a batch run one after another, and so do calls from
    several threads. CoreML chooses its own threads, so ``num_threads`` is 0.
    """

    def __init__(self, path: Path, num_threads: int, device: str | None = None) -> None:
        if platform.system() != "Darwin":
            raise BackendUnavailableError(
                "CoreML runs on macOS only; elsewhere, check a package against the checkpoint it "
                "came from by 'edgeface convert CHECKPOINT --to coreml', which executes it "
                "operator by operator, and run the .onnx or .tflite file"
            )
        if device is not None and device not in UNITS:
            raise BackendUnavailableError(
                f"no compute units are called {device!r}; expected one of {', '.join(UNITS)}"
            )
        if num_threads:
            raise InvalidInputError(
                f"CoreML chooses its own threads: leave num_threads at 0, got {num_threads}"
            )
        tools = _tools()
        _check_units(tools, device)
        entries, pieces = read_package(path)
        self.metadata, self.face_model = read_contents(
            path, entries.get(KEY), entries.get(FACE_MODEL_KEY), pieces
        )
        try:
            self._model: Any = tools.models.MLModel(
                str(path), compute_units=tools.ComputeUnit[device or "ALL"]
            )
        except Exception as error:  # CoreML's own errors are untyped
            raise ModelFormatError(f"{path} is no readable CoreML package: {error}") from error
        self._lock = threading.Lock()

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Compute the raw outputs of a batch, uint8 (B, S, S, 3), by name."""
        heads = {
            name: np.empty((len(input_tensor), *self.metadata.output_shape(name)), np.float32)
            for name in self.metadata.output_names
        }
        with self._lock:
            for i, pixels in enumerate(input_tensor):
                try:
                    found = self._model.predict({"image": Image.fromarray(pixels)})
                    for name, head in heads.items():
                        head[i] = np.reshape(found[name], head[i].shape)
                except Exception as error:  # CoreML's own errors are untyped
                    raise InferenceError(f"CoreML failed: {error!r}") from error
        return heads


def _check_units(tools: Any, device: str | None) -> None:
    """Check that the processor is there, since CoreML would silently use the CPU instead.

    Raises
    ------
    BackendUnavailableError
        If the machine has no such processor, as far as coremltools can tell.
    """
    wanted = {"CPU_AND_GPU": "MLGPUComputeDevice", "CPU_AND_NE": "MLNeuralEngineComputeDevice"}
    known: Any = getattr(tools.models, "compute_device", None)
    if device not in wanted or known is None:
        return
    found = {type(unit).__name__ for unit in known.MLComputeDevice.get_all_compute_devices()}
    if wanted[device] not in found:
        raise BackendUnavailableError(
            f"{device} was asked for, but this machine has only {', '.join(sorted(found))}"
        )


def _tools() -> Any:
    try:
        return importlib.import_module("coremltools")
    except ImportError as error:
        raise BackendUnavailableError(
            "running .mlpackage files needs coremltools: pip install 'edgeface[coreml]'"
        ) from error
