"""Calling every compiled kernel once, with the types that the wrappers pass."""

from __future__ import annotations

import numpy as np

from edgeface.kernels.decode import decode_candidates
from edgeface.kernels.detect import HEADS, find_faces
from edgeface.kernels.morphable import Basis, contract_shapes
from edgeface.kernels.nms import suppress
from edgeface.kernels.pose import pose_faces
from edgeface.kernels.rasterise import rasterise
from edgeface.kernels.resize import resize_into

WIDTHS = (5, 3, 2, 8)


def compile_all() -> None:
    """Load every kernel from the cache, or compile it and fill the cache."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    resize_into(pixels, pixels.copy(), (0, 0), (1, 1), engine="numba")
    anchors = np.ones((1, 2), np.float32)
    heads = {n: np.zeros((1, 1, w), np.float32) for n, w in zip(HEADS, WIDTHS, strict=True)}
    found = find_faces(heads, anchors, 1, 0.5, 0.5, engine="numba")
    decode_candidates(heads["detection"], anchors, 1, 0.5, engine="numba")
    suppress(found.boxes_xyxy, found.scores, 0.5, engine="numba")
    basis = Basis.from_shapes(np.zeros((3, 2, 3), np.float32), np.zeros((2, 2, 3), np.float32))
    contract_shapes(basis, found.identity, found.expression, engine="numba")
    raw = found.identity, found.expression, found.pose
    pose_faces(basis, found.boxes_xyxy, *raw, np.ones((1, 4)), engine="numba")
    rasterise(np.zeros((1, 3)), np.zeros((1, 3), np.int32), (1, 1), engine="numba")
