"""ONNX files by ONNX Runtime."""

from __future__ import annotations

import base64
import binascii
import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import (
    BackendUnavailableError,
    InferenceError,
    MetadataError,
    ModelFormatError,
)
from edgeface.face_model import FaceModel
from edgeface.metadata import FACE_MODEL_KEY, KEY, Metadata


class OnnxBackend:
    """A session on the CPU."""

    def __init__(self, path: Path, num_threads: int) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3
        try:
            self._session: Any = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            entries = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # ONNX Runtime raises a dozen private types
            raise ModelFormatError(f"{path} is no readable ONNX model: {error}") from error
        self.metadata = Metadata.from_json(entries.get(KEY), str(path))
        self.face_model = _face_model(entries.get(FACE_MODEL_KEY), str(path))
        if self.face_model.sha256 != self.metadata.face_model_sha256:
            raise MetadataError(f"{path}: the face model inside is not the one it names")
        self._check_signature(path)

    def _check_signature(self, path: Path) -> None:
        size = self.metadata.input_size
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)":
            raise ModelFormatError(f"{path}: expected one uint8 input")
        if list(inputs[0].shape[1:]) != [size, size, 3]:
            raise ModelFormatError(
                f"{path}: expected an input (batch, {size}, {size}, 3), got {inputs[0].shape}"
            )
        shapes = {o.name: tuple(o.shape[1:]) for o in self._session.get_outputs()}
        for name in self.metadata.output_names:
            if shapes.get(name) != self.metadata.output_shape(name):
                raise ModelFormatError(
                    f"{path}: expected an output {name!r} of shape "
                    f"{self.metadata.output_shape(name)}, got {shapes.get(name)}"
                )
        self._input_name: str = inputs[0].name

    def infer(self, input_tensor: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Raw outputs by name for a batch, uint8 (B, S, S, 3)."""
        names = list(self.metadata.output_names)
        try:
            outputs = self._session.run(names, {self._input_name: input_tensor})
        except Exception as error:
            raise InferenceError(f"ONNX Runtime failed: {error}") from error
        return dict(zip(names, outputs, strict=True))


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise BackendUnavailableError(
            "running .onnx files needs ONNX Runtime: pip install onnxruntime"
        ) from error


def _face_model(text: str | None, source: str) -> FaceModel:
    if text is None:
        raise MetadataError(f"{source} carries no face model under the key {FACE_MODEL_KEY!r}")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MetadataError(f"{source}: the face model inside is no base64: {error}") from error
    return FaceModel.from_bytes(data, source=f"the face model in {source}")
