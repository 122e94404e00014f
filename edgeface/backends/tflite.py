"""Running TFLite files by LiteRT, or by TensorFlow Lite under its earlier names."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.backends.contents import model_bytes, read_contents
from edgeface.backends.tflite_metadata import network_pieces, read_metadata_buffers
from edgeface.errors import (
    BackendUnavailableError,
    InferenceError,
    ModelFormatError,
    why_broken,
)
from edgeface.metadata import FACE_MODEL_KEY, KEY
from edgeface.types import Float32Array, ImageArray

LIBRARIES = (
    "ai_edge_litert.interpreter",
    "tflite_runtime.interpreter",
    "tensorflow.lite.python.interpreter",
)


class TfliteBackend:
    """An interpreter; ``device`` is the shared library of a delegate (GPU, NNAPI, Edge TPU).

    The file has batch 1, so the images of a batch run one after another. So do calls from several
    threads, since an interpreter owns its tensors.
    """

    def __init__(self, path: Path, num_threads: int, device: str | None = None) -> None:
        library = import_library()
        try:
            content = model_bytes(path)
        except OSError as error:
            raise ModelFormatError(f"cannot read {path}: {error}") from error
        entries = read_metadata_buffers(content, str(path))
        self.metadata, self.face_model = read_contents(
            path, entries.get(KEY), entries.get(FACE_MODEL_KEY), network_pieces(content, str(path))
        )
        delegates = [] if device is None else [_delegate(library, device)]
        try:
            self._interpreter: Any = library.Interpreter(
                model_content=content,  # a file that it maps could change, which ends the process
                num_threads=num_threads or None,
                experimental_delegates=delegates,
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFormatError(f"{path} is no TFLite model that runs here: {error}") from error
        self._check_signature(path)
        if device is not None:
            _check_delegate(library, path.name, content, device)
        self._lock = threading.Lock()

    def _check_signature(self, path: Path) -> None:
        size = self.metadata.input_size
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1 or inputs[0]["dtype"] is not np.uint8:
            raise ModelFormatError(f"{path}: expected one uint8 input")
        if list(inputs[0]["shape"]) != [1, size, size, 3]:
            raise ModelFormatError(
                f"{path}: expected an input (1, {size}, {size}, 3), got {inputs[0]['shape']}"
            )
        outputs = {o["name"]: o for o in self._interpreter.get_output_details()}
        for name in self.metadata.output_names:
            expected = (1, *self.metadata.output_shape(name))
            got = outputs.get(name)
            if got is None or tuple(got["shape"]) != expected or got["dtype"] is not np.float32:
                raise ModelFormatError(
                    f"{path}: expected a float32 output {name!r} of shape {expected}, got "
                    f"{None if got is None else (got['dtype'].__name__, tuple(got['shape']))}"
                )
        self._input: int = inputs[0]["index"]
        self._outputs = {n: int(outputs[n]["index"]) for n in self.metadata.output_names}

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Compute the raw outputs of a batch, uint8 (B, S, S, 3), by name."""
        heads = {
            name: np.empty((len(input_tensor), *self.metadata.output_shape(name)), np.float32)
            for name in self._outputs
        }
        with self._lock:
            for i in range(len(input_tensor)):
                try:
                    self._interpreter.set_tensor(self._input, input_tensor[i : i + 1])
                    self._interpreter.invoke()
                except (ValueError, RuntimeError) as error:
                    raise InferenceError(f"TFLite failed: {error}") from error
                for name, index in self._outputs.items():
                    heads[name][i] = self._interpreter.get_tensor(index)[0]
        return heads


def import_library() -> Any:
    """Import LiteRT, or a predecessor that is installed; the error names the remedy."""
    broken = ""
    for name in LIBRARIES:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            broken = broken or why_broken(error)
    raise BackendUnavailableError(
        "running .tflite files needs LiteRT: pip install 'edgeface[tflite]' "
        f"(tflite-runtime or tensorflow do as well){broken}"
    )


def _check_delegate(library: Any, name: str, content: bytes, device: str) -> None:
    """Check that the delegate takes any operator, by loading it without the default one.

    Raises
    ------
    BackendUnavailableError
        If every operator was left to the CPU.
    """
    kinds: Any = getattr(library, "OpResolverType", None)
    if kinds is None:  # the earliest libraries cannot tell
        return
    alone = library.Interpreter(
        model_content=content,
        experimental_delegates=[_delegate(library, device)],
        experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    alone.allocate_tensors()
    if not any(op["op_name"] == "DELEGATE" for op in alone._get_ops_details()):
        raise BackendUnavailableError(
            f"the delegate {device!r} was asked for, but it runs no operator of {name}: all "
            "are left to the CPU. Leave device out to run there"
        )


def _delegate(library: Any, device: str) -> Any:
    try:
        return library.load_delegate(device)
    except (OSError, ValueError) as error:
        raise BackendUnavailableError(
            f"no TFLite delegate can be loaded from {device!r}: {error}; "
            "expected the path of its shared library"
        ) from error
