"""Running ``.pt2`` programs by PyTorch; no code in them is executed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.backends.contents import read_contents
from edgeface.backends.pt2_archive import DESCRIPTION, FACE_MODEL, network_pieces, read_archive
from edgeface.backends.pt2_program import Program
from edgeface.errors import (
    BackendUnavailableError,
    InferenceError,
    MetadataError,
    why_broken,
)
from edgeface.types import Float32Array, ImageArray


class PytorchBackend:
    """An exported program; ``device`` is torch's name of a device, by default "cpu".

    ``num_threads`` sets torch's number of threads, which the whole process shares. Calls from
    several threads run side by side.
    """

    def __init__(self, path: Path, num_threads: int, device: str | None = None) -> None:
        self._torch = _torch()
        if num_threads:
            self._torch.set_num_threads(num_threads)
        entries = read_archive(path)
        self.metadata, self.face_model = read_contents(
            path,
            entries.get(DESCRIPTION),
            _text(entries.get(FACE_MODEL), path),
            network_pieces(entries),
        )
        self._program = Program(entries, self._torch, str(path))
        try:
            self._device = self._torch.device(device or "cpu")
            if self._device.type == "meta":  # which computes nothing
                raise RuntimeError("it holds no numbers")
            self._program.to(self._device)
        except (RuntimeError, AssertionError, ImportError) as error:
            raise BackendUnavailableError(f"torch has no device {device!r}: {error}") from error

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Compute the raw outputs of a batch, uint8 (B, S, S, 3), by name."""
        torch = self._torch
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(input_tensor)).to(self._device)
                outputs = self._program(batch)
        except (RuntimeError, TypeError, ValueError, IndexError, MemoryError) as error:
            raise InferenceError(f"PyTorch failed: {error}") from error
        shapes = [(len(batch), *self.metadata.output_shape(n)) for n in self.metadata.output_names]
        if [tuple(o.shape) for o in outputs] != shapes:
            raise InferenceError(f"PyTorch gave {[tuple(o.shape) for o in outputs]}, not {shapes}")
        return {
            name: output.cpu().numpy()
            for name, output in zip(self.metadata.output_names, outputs, strict=True)
        }


def _text(entry: bytes | None, path: Path) -> str | None:
    try:
        return None if entry is None else entry.decode("ascii")
    except UnicodeDecodeError as error:
        raise MetadataError(f"{path}: the face model inside is no base64: {error}") from error


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise BackendUnavailableError(
            f"running .pt2 files needs PyTorch: pip install 'edgeface[torch]'{why_broken(error)}"
        ) from error
