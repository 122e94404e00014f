"""How boxes overlap; xyxy in one frame, half-open."""

from __future__ import annotations

import numpy as np

from edgeface.types import FloatArray


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of boxes (N, 4) with (M, 4), shape (N, M)."""
    shared = shared_areas(a, b)
    union = areas(a)[:, None] + areas(b)[None] - shared
    return shared / np.maximum(union, 1e-12)


def shared_areas(a: FloatArray, b: FloatArray) -> FloatArray:
    """What boxes (N, 4) have in common with (M, 4), shape (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.clip(high - low, 0.0, None).prod(axis=2)


def areas(boxes: FloatArray) -> FloatArray:
    """Areas of boxes (N, 4), shape (N,)."""
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
