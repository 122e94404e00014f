"""From raw detection logits to candidate boxes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.kernels.jit import compiled

Array = NDArray[Any]

MAX_LOG_SIZE = 6.0
"""Bound of t_wh, so that no logit overflows a box."""


def decode_candidates(
    detection: Array, anchors: Array, stride: int, score_threshold: float
) -> tuple[Array, Array, Array]:
    """Boxes of the candidates whose objectness reaches a threshold.

    Parameters
    ----------
    detection : float32, shape (S, S, A * 5), raw logits, anchor-major: x, y, w, h, objectness
    anchors : float32, shape (A, 2), width and height, input_px
    stride : side of a grid cell, input_px
    score_threshold : in [0, 1]

    Returns
    -------
    boxes_xyxy : float32, shape (N, 4), input_px
    scores : float32, shape (N,)
    index : int64, shape (N, 3), row, column and anchor, in row-major order

    Raises
    ------
    ValueError
        If shapes or dtypes are others.

    Notes
    -----
    Chaudhuri et al. 2019, appendix 7.2: ``b_xy = sigmoid(t_xy) + cell``,
    ``b_wh = anchor * exp(t_wh)`` (t_wh at most MAX_LOG_SIZE), ``b_o = sigmoid(t_o)``. Sigmoids
    are taken of survivors only; the threshold is compared with the logit. NaN never survives.

    Examples
    --------
    >>> boxes, scores, index = decode_candidates(
    ...     np.zeros((1, 1, 5), np.float32), np.array([[16, 24]], np.float32), 32, 0.5)
    >>> boxes.tolist(), scores.tolist()
    ([[8.0, 4.0, 24.0, 28.0]], [0.5])
    """
    num_anchors = len(anchors)
    if detection.ndim != 3 or detection.shape[2] != num_anchors * 5:
        raise ValueError(f"expected detection (S, S, {num_anchors * 5}), got {detection.shape}")
    grid = np.ascontiguousarray(detection, np.float32)
    grid = grid.reshape(*detection.shape[:2], num_anchors, 5)
    sizes = np.ascontiguousarray(anchors, np.float32)
    limit = _logit(score_threshold)
    kernel = compiled(decode_loops)
    if kernel is None:
        return decode_numpy(grid, sizes, float(stride), limit)
    count = grid.shape[0] * grid.shape[1] * num_anchors
    boxes = np.empty((count, 4), np.float32)
    scores = np.empty(count, np.float32)
    index = np.empty((count, 3), np.int64)
    found = kernel(grid, sizes, float(stride), limit, boxes, scores, index)
    return boxes[:found], scores[:found], index[:found]


def _logit(probability: float) -> float:
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a threshold lies in [0, 1], got {probability}")
    if probability in (0.0, 1.0):
        return -math.inf if probability == 0.0 else math.inf
    return math.log(probability / (1.0 - probability))


def decode_numpy(
    grid: Array, anchors: Array, stride: float, limit: float
) -> tuple[Array, Array, Array]:
    """`decode_candidates` without loops; ``grid`` is (S, S, A, 5), ``limit`` a logit."""
    index = np.argwhere(grid[..., 4] >= limit)
    row, column, anchor = index.T
    t = grid[row, column, anchor].astype(np.float64)
    probability = 1.0 / (1.0 + np.exp(-t[:, [0, 1, 4]]))
    centre = (probability[:, :2] + np.stack([column, row], axis=1)) * stride
    half = anchors[anchor] * np.exp(np.clip(t[:, 2:4], -MAX_LOG_SIZE, MAX_LOG_SIZE)) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return boxes.astype(np.float32), probability[:, 2].astype(np.float32), index


def decode_loops(
    grid: Array,
    anchors: Array,
    stride: float,
    limit: float,
    boxes: Array,
    scores: Array,
    index: Array,
) -> int:
    """`decode_candidates` into the caller's buffers; returns how many it filled."""
    found = 0
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            for anchor in range(grid.shape[2]):
                logit = grid[row, column, anchor, 4]
                if not logit >= limit:
                    continue
                t = grid[row, column, anchor]
                x = (1.0 / (1.0 + math.exp(-t[0])) + column) * stride
                y = (1.0 / (1.0 + math.exp(-t[1])) + row) * stride
                w = anchors[anchor, 0] * math.exp(min(max(t[2], -MAX_LOG_SIZE), MAX_LOG_SIZE)) / 2
                h = anchors[anchor, 1] * math.exp(min(max(t[3], -MAX_LOG_SIZE), MAX_LOG_SIZE)) / 2
                boxes[found, 0] = x - w
                boxes[found, 1] = y - h
                boxes[found, 2] = x + w
                boxes[found, 3] = y + h
                scores[found] = 1.0 / (1.0 + math.exp(-logit))
                index[found, 0] = row
                index[found, 1] = column
                index[found, 2] = anchor
                found += 1
    return found
