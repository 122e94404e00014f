"""Holding a written file against the network it was made from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from edgeface.backends import threads_for
from edgeface.compare import Comparison, compare
from edgeface.converters.quiet import silenced
from edgeface.errors import ParityError
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.model import Model, load
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.types import Float32Array, ImageArray

Image = tuple[str, ImageArray]


class NetworkBackend:
    """The PyTorch network as a backend, so that both sides share the steps after it."""

    def __init__(self, trained: TrainedNetwork, metadata: Metadata) -> None:
        self.metadata: Metadata = metadata
        self.face_model: FaceModel = trained.face_model
        self._network = trained.network

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Compute the raw outputs of a batch, uint8 (B, S, S, 3), by name."""
        with torch.inference_mode():
            outputs = self._network(torch.tensor(input_tensor))
        names = self.metadata.output_names
        return {n: o.numpy() for n, o in zip(names, outputs, strict=True)}


def open_written(path: Path) -> Model:
    """Open a file by its own runtime, or a CoreML package off macOS by `mil_executor`."""
    if path.suffix == ".mlpackage" and sys.platform != "darwin":
        with silenced():  # coremltools reports what it lacks on other systems
            from edgeface.converters.mil_executor import MilBackend

        return Model(MilBackend(path))
    return load(path, num_threads=threads_for(path, 1))


def verify(trained: TrainedNetwork, path: Path, images: list[Image]) -> Comparison:
    """Compare a file with its network; the limits are those of the file's precision.

    Raises
    ------
    ModelFormatError
        If the file cannot be opened or does not describe itself.
    ParityError
        If a difference is over its limit; the message begins with the worst and its image.
    """
    written = open_written(path)
    precision = written.metadata.precision
    original = Model(NetworkBackend(trained, written.metadata))
    comparison = compare(original, written, images, precision)
    over = comparison.exceeded(precision)
    if over:
        raise ParityError(f"{path.name} differs from its network: {'; '.join(over)}")
    return comparison


def parity_entry(comparison: Comparison, images: list[Image]) -> dict[str, Any]:
    """What a file's metadata says of the comparison."""
    figures = {name: float(f"{value:.4g}") for name, value in comparison.values.items()}
    return {"images": len(images), **figures}
