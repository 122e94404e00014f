"""Areas and overlaps of half-open boxes, xyxy, in one frame."""

from __future__ import annotations

import numpy as np

from edgeface.types import FloatArray


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """The intersection over union (N, M) of each of the boxes (N, 4) with each of (M, 4)."""
    shared = shared_areas(a, b)
    union = areas(a)[:, None] + areas(b)[None] - shared
    return shared / np.maximum(union, 1e-12)


def shared_areas(a: FloatArray, b: FloatArray) -> FloatArray:
    """The area (N, M) that each of the boxes (N, 4) shares with each of (M, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.clip(high - low, 0.0, None).prod(axis=2)


def areas(boxes: FloatArray) -> FloatArray:
    """The areas (N,) of boxes (N, 4)."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
