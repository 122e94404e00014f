"""Greedy non-maximum suppression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.kernels.jit import compiled

Array = NDArray[Any]


def suppress(boxes_xyxy: Array, scores: Array, iou_threshold: float) -> Array:
    """Indices of the boxes that no better box overlaps too much.

    Parameters
    ----------
    boxes_xyxy : float32, shape (N, 4), half-open edges in any one frame
    scores : float32, shape (N,)
    iou_threshold : a box is dropped when its IoU with a kept one exceeds this

    Returns
    -------
    int64, shape (M,), by falling score; equal scores in their order of arrival. Empty for N = 0.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32)
    >>> suppress(boxes, np.array([0.6, 0.9, 0.5], np.float32), 0.5).tolist()
    [1, 2]
    """
    if boxes_xyxy.shape != (len(scores), 4) or scores.ndim != 1:
        raise ValueError(f"expected (N, 4) and (N,), got {boxes_xyxy.shape} and {scores.shape}")
    boxes = np.ascontiguousarray(boxes_xyxy, np.float32)
    # a stable sort: int8 scores tie often, and numba's own argsort breaks ties otherwise
    order = np.argsort(-scores, kind="stable")
    kernel = compiled(suppress_loops)
    if kernel is None:
        return suppress_numpy(boxes, order, iou_threshold)
    kept = np.empty(len(order), np.int64)
    return kept[: kernel(boxes, order, float(iou_threshold), kept)]


def suppress_numpy(boxes: Array, order: Array, iou_threshold: float) -> Array:
    """`suppress` with one vector operation a kept box."""
    boxes = boxes.astype(np.float64)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.clip(high - low, 0.0, None).prod(axis=1)
        order = order[shared <= iou_threshold * (area[best] + area[order] - shared)]
    return np.array(kept, np.int64)


def suppress_loops(boxes: Array, order: Array, iou_threshold: float, kept: Array) -> int:
    """`suppress` into the caller's buffer; returns how many it filled."""
    count = 0
    for i in range(order.shape[0]):
        candidate = order[i]
        x0 = np.float64(boxes[candidate, 0])
        y0 = np.float64(boxes[candidate, 1])
        x1 = np.float64(boxes[candidate, 2])
        y1 = np.float64(boxes[candidate, 3])
        keep = True
        for j in range(count):
            other = kept[j]
            w = min(x1, boxes[other, 2]) - max(x0, boxes[other, 0])
            h = min(y1, boxes[other, 3]) - max(y0, boxes[other, 1])
            shared = max(w, 0.0) * max(h, 0.0)
            width = np.float64(boxes[other, 2]) - boxes[other, 0]
            height = np.float64(boxes[other, 3]) - boxes[other, 1]
            union = (x1 - x0) * (y1 - y0) + width * height - shared
            if shared > iou_threshold * union:
                keep = False
                break
        if keep:
            kept[count] = candidate
            count += 1
    return count
