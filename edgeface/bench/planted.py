"""Planting exactly N faces in any picture: the network runs, and then its outputs are replaced.

How many faces a network finds in a picture depends on its weights. A benchmark of cost against the
number of faces must not, so known outputs take the place of those that were computed.
"""

from __future__ import annotations

import numpy as np

from edgeface.backends import Backend
from edgeface.errors import InvalidInputError
from edgeface.metadata import Metadata
from edgeface.types import Float32Array, ImageArray

RIVALS = 2
"""How many candidates beside each face's best suppression has to drop."""


class PlantedBackend:
    """A backend that computes its outputs and returns its ``heads`` instead, if these are set."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.metadata = backend.metadata
        self.face_model = backend.face_model
        self.heads: dict[str, Float32Array] = {}

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Run the wrapped backend, and return its outputs or the planted ones."""
        outputs = self.backend.infer(input_tensor)
        return self.heads or outputs


def plant_faces(metadata: Metadata, count: int) -> dict[str, Float32Array]:
    """Make raw outputs (1, S, S, ..) of an MFN that hold exactly ``count`` faces.

    Its cell's best anchor finds each face, and others find the same box less surely.
    """
    num_anchors = len(metadata.anchors)
    random = np.random.default_rng(count)
    heads: dict[str, Float32Array] = {}
    for name, width in metadata.outputs.items():
        shape = (1, *metadata.output_shape(name)[:2], num_anchors, width)
        heads[name] = random.normal(0, 0.3, shape).astype(np.float32)
    grid = heads["detection"][0]
    side = grid.shape[0]
    if count > side * side:
        raise InvalidInputError(f"at most {side * side} faces fit a {side} x {side} grid")
    grid[..., :4], grid[..., 4] = 0.0, -9.0
    heads["identity"][..., 0] = 1.0
    heads["pose"][..., 0] = 1.0
    anchors = np.array(metadata.anchors, np.float32)
    size = 0.7 * metadata.stride  # neighbours do not touch
    for rank, cell in enumerate(random.permutation(side * side)[:count]):
        row, column = divmod(int(cell), side)
        for anchor in range(min(1 + RIVALS, num_anchors)):
            grid[row, column, anchor, 2:4] = np.log(size / anchors[anchor])
            grid[row, column, anchor, 4] = 4.0 - anchor - rank / (side * side)
    return {n: h.reshape(*h.shape[:3], -1) for n, h in heads.items()}


def spread_boxes(count: int, width: int, height: int) -> Float32Array:
    """Spread ``count`` boxes (N, 4), image_px, on a lattice over an image."""
    columns = max(1, int(np.ceil(np.sqrt(count))))
    cell = np.array([width / columns, height / columns])
    row, column = np.divmod(np.arange(count), columns)
    low = np.stack([column, row], axis=1) * cell
    return np.concatenate([low, low + 0.8 * cell], axis=1).astype(np.float32)
