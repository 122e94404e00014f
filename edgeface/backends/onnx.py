"""Running ONNX files by ONNX Runtime."""

from __future__ import annotations

import importlib
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.backends.contents import model_bytes, read_contents
from edgeface.backends.processors import threads_within_limits
from edgeface.backends.protobuf import entry, fields, outside
from edgeface.errors import (
    BackendUnavailableError,
    InferenceError,
    ModelFormatError,
    why_broken,
)
from edgeface.metadata import FACE_MODEL_KEY, KEY, SIZE_STEP
from edgeface.types import Float32Array, ImageArray

CPU = "CPUExecutionProvider"
METADATA_PROPS = 14
"""The number of that field of ``ModelProto``."""
_EXTERNAL = re.compile(rb"(\x0a|\x8a\x80*\x00)(\x08|\x88\x80*\x00)location")
"""The key of ``TensorProto.external_data`` that names a file, for any spelling of its length."""


class OnnxBackend:
    """A session of ONNX Runtime; ``device`` names an execution provider, by default the CPU's.

    Calls from several threads run side by side. Operators that the provider cannot run go to the
    CPU; if all of them do, opening the file fails.
    """

    def __init__(self, path: Path, num_threads: int, device: str | None = None) -> None:
        self._runtime = _runtime()
        known = self._runtime.get_available_providers()
        if device is not None and device not in known:
            raise BackendUnavailableError(
                f"this ONNX Runtime has no execution provider {device!r}; it has {', '.join(known)}"
            )
        content, entries = _read(path)
        self.metadata, self.face_model = read_contents(
            path, entries.get(KEY), entries.get(FACE_MODEL_KEY), network_pieces(content)
        )
        self._session: Any = self._open(path, content, num_threads, device)
        self._check_signature(path)
        if device not in (None, CPU):
            self._check_device(path, content, device)

    def _open(
        self, path: Path, content: bytes, num_threads: int, device: str | None, profile: str = ""
    ) -> Any:
        """Open a session on a provider, which notes in ``profile`` what ran each operator."""
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = num_threads or threads_within_limits()
        options.log_severity_level = 3
        if self.metadata.precision == "w8":
            # weights of int8 become float32 once, when the file is opened, instead of in every run
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        providers = [CPU] if device in (None, CPU) else [device, CPU]
        try:
            session = self._runtime.InferenceSession(content, options, providers=providers)
        except Exception as error:  # ONNX Runtime raises a dozen private types
            if device not in (None, CPU):
                self._open(path, content, num_threads, None)  # is it the file?
                raise BackendUnavailableError(f"{device} cannot be used here: {error}") from error
            raise ModelFormatError(f"{path} is no readable ONNX model: {error}") from error
        got = session.get_providers()
        if got[0] != providers[0]:
            raise BackendUnavailableError(
                f"{device} was asked for, but ONNX Runtime fell back to {', '.join(got)}: a "
                "library or a driver that it needs is missing. Leave device out to run on the CPU"
            )
        return session

    def _check_device(self, path: Path, content: bytes, device: str) -> None:
        """Check by the profile of one run that the provider runs anything at all.

        Raises
        ------
        BackendUnavailableError
            If every operator was left to the CPU.
        """
        size = self.metadata.input_size
        with tempfile.TemporaryDirectory() as folder:
            session = self._open(path, content, 0, device, profile=str(Path(folder) / "profile"))
            session.run(None, {self._input_name: np.zeros((1, size, size, 3), np.uint8)})
            events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
        if not any(event.get("args", {}).get("provider") == device for event in events):
            raise BackendUnavailableError(
                f"{device} was asked for, but it runs no operator of {path.name}: all are left to "
                "the CPU. Leave device out to run there"
            )

    def _check_signature(self, path: Path) -> None:
        size = self.metadata.input_size
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)":
            raise ModelFormatError(f"{path}: expected one uint8 input")
        if not self._fits(inputs[0].shape[1:], (size, size, 3)):
            raise ModelFormatError(
                f"{path}: expected an input (batch, {size}, {size}, 3), got {inputs[0].shape}"
            )
        found = {o.name: (o.type, tuple(o.shape[1:])) for o in self._session.get_outputs()}
        for name in self.metadata.output_names:
            kind, shape = found.get(name, (None, ()))
            expected = self.metadata.output_shape(name)
            if kind != "tensor(float)" or not self._fits(shape, expected):
                raise ModelFormatError(
                    f"{path}: expected a float32 output {name!r} of shape {expected}, got "
                    f"{found.get(name)}"
                )
        self._input_name: str = inputs[0].name
        if self.metadata.any_size:
            self._check_free_shapes(path)

    def _check_free_shapes(self, path: Path) -> None:
        """Check shapes that the graph does not state by running a small input, in about 1 ms.

        Raises
        ------
        ModelFormatError
            If the outputs are not as the metadata says.
        """
        names, stride = list(self.metadata.output_names), self.metadata.stride
        height, width = SIZE_STEP, 2 * SIZE_STEP
        try:
            outputs = self._session.run(
                names, {self._input_name: np.zeros((1, height, width, 3), np.uint8)}
            )
        except Exception as error:  # ONNX Runtime raises a dozen private types
            raise ModelFormatError(
                f"{path} does not run on an input of {height} x {width} px: {error}"
            ) from error
        for name, output in zip(names, outputs, strict=True):
            channels = self.metadata.output_shape(name)[-1]
            expected = 1, height // stride, width // stride, channels
            if output.shape != expected:
                raise ModelFormatError(
                    f"{path}: expected of {height} x {width} px an output {name!r} of shape "
                    f"{expected}, got {output.shape}"
                )

    def _fits(self, shape: Sequence[int | str | None], expected: tuple[int, ...]) -> bool:
        """Whether a shape without the batch axis is as expected; a free size is no number."""
        free = self.metadata.any_size
        return len(shape) == len(expected) and all(
            found == wanted or (free and not isinstance(found, int))
            for found, wanted in zip(shape, expected, strict=True)
        )

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Compute the raw outputs of a batch, uint8 (B, S, S, 3), by name."""
        names = list(self.metadata.output_names)
        try:
            outputs = self._session.run(names, {self._input_name: input_tensor})
        except Exception as error:
            raise InferenceError(f"ONNX Runtime failed: {error}") from error
        return dict(zip(names, outputs, strict=True))


def network_pieces(content: bytes) -> list[memoryview]:
    """What a file's checksum is of: everything but its ``metadata_props``."""
    return outside(memoryview(content), (METADATA_PROPS,))


def _read(path: Path) -> tuple[bytes, dict[str, str]]:
    """Read a file and its ``metadata_props``; if its weights lie in other files, it is refused."""
    try:
        content = model_bytes(path)
        found = [part for n, _, _, part in fields(memoryview(content)) if n == METADATA_PROPS]
        entries = dict(entry(part) for part in found)
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{path} is no readable ONNX model: {error}") from error
    if b"location" in content and _EXTERNAL.search(content):
        raise ModelFormatError(
            f"{path} keeps weights in other files, which are never read; convert the checkpoint "
            "again, or save the model as one file"
        )
    return content, entries


def _runtime() -> Any:
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise BackendUnavailableError(
            "running .onnx files needs ONNX Runtime: pip install 'edgeface[onnx]'"
            f"{why_broken(error)}"
        ) from error
    runtime.disable_telemetry_events()  # some builds tell their makers of each session
    return runtime
