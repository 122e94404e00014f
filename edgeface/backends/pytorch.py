"""``.pt2`` programs by PyTorch; they need no network code."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.backends.contents import read_contents
from edgeface.errors import BackendUnavailableError, InferenceError, ModelFormatError
from edgeface.metadata import FACE_MODEL_KEY, KEY


class PytorchBackend:
    """An exported program; ``device`` is torch's name of one, by default "cpu".

    ``num_threads`` sets torch's number of threads, which the whole process shares. Calls from
    several threads run side by side.
    """

    def __init__(self, path: Path, num_threads: int, device: str | None = None) -> None:
        self._torch = _torch()
        if num_threads:
            self._torch.set_num_threads(num_threads)
        entries: dict[str, Any] = {KEY: "", FACE_MODEL_KEY: ""}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch about itself
                program = self._torch.export.load(path, extra_files=entries)
                self._module: Any = program.module()
        except Exception as error:  # whatever a damaged zip or graph makes torch raise
            raise ModelFormatError(f"{path} is no readable .pt2 program: {error}") from error
        self.metadata, self.face_model = read_contents(
            path, entries[KEY] or None, _text(entries[FACE_MODEL_KEY])
        )
        try:
            self._device = self._torch.device(device or "cpu")
            self._module.to(self._device)
        except (RuntimeError, AssertionError) as error:
            raise BackendUnavailableError(f"torch has no device {device!r}: {error}") from error

    def infer(self, input_tensor: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Raw outputs by name for a batch, uint8 (B, S, S, 3)."""
        torch = self._torch
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(input_tensor)).to(self._device)
                outputs = self._module(batch)
        except RuntimeError as error:
            raise InferenceError(f"PyTorch failed: {error}") from error
        names = self.metadata.output_names
        return {n: o.cpu().numpy() for n, o in zip(names, outputs, strict=True)}


def _text(entry: str | bytes) -> str | None:
    return (entry.decode() if isinstance(entry, bytes) else entry) or None


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise BackendUnavailableError(
            "running .pt2 files needs PyTorch: pip install 'edgeface[torch]'"
        ) from error
