"""Decoding raw detection logits into candidate boxes."""

from __future__ import annotations

import math

import numpy as np

from edgeface.kernels.jit import Engine, loops
from edgeface.kernels.types import Float32Array, Float64Array, FloatArray, IntArray

MAX_LOG_SIZE = 6.0
"""The bound of t_wh, so that no logit makes a box overflow."""


def decode_candidates(
    detection: FloatArray,
    anchors: FloatArray,
    stride: int,
    score_threshold: float,
    *,
    cell_range: float = 1.0,
    engine: Engine = "numpy",
) -> tuple[Float32Array, Float32Array, IntArray]:
    """Decode the boxes of the candidates whose objectness reaches a threshold.

    Parameters
    ----------
    detection : float32, shape (S, S, A * 5)
        Raw logits, anchor-major: x, y, w, h, objectness.
    anchors : float32, shape (A, 2), width and height, input_px
    stride : the side of a grid cell, input_px
    score_threshold : the least objectness of a candidate, in [0, 1]
    cell_range : how far a box's centre can move, in cells, around the middle of its own cell
    engine : "numba" or "numpy"

    Returns
    -------
    boxes_xyxy : float32, shape (N, 4), input_px
    scores : float32, shape (N,)
    index : int64, shape (N, 3), row, column and anchor, in row-major order

    Raises
    ------
    ValueError
        If shapes are others.

    Notes
    -----
    ``b_xy = s sigmoid(t_xy) - (s - 1) / 2 + cell``, where s is ``cell_range``, ``b_wh = anchor *
    exp(t_wh)`` (t_wh at most MAX_LOG_SIZE), ``b_o = sigmoid(t_o)``. With s = 1, as in Chaudhuri et
    al. 2019, appendix 7.2, a centre stays in its cell. The threshold is compared with the logit,
    and sigmoids are taken of survivors only. NaN never survives.

    Examples
    --------
    >>> boxes, scores, index = decode_candidates(
    ...     np.zeros((1, 1, 5), np.float32), np.array([[16, 24]], np.float32), 32, 0.5)
    >>> boxes.tolist(), scores.tolist()
    ([[8.0, 4.0, 24.0, 28.0]], [0.5])
    """
    sizes = anchor_sizes(anchors)
    num_anchors = len(sizes)
    if detection.ndim != 3 or detection.shape[2] != num_anchors * 5:
        raise ValueError(f"expected detection (S, S, {num_anchors * 5}), got {detection.shape}")
    grid = per_anchor(detection, num_anchors)
    limit = logit_of(score_threshold)
    if engine == "numpy":
        return decode_numpy(grid, sizes, float(stride), float(cell_range), limit)
    boxes, scores, index = candidate_buffers(grid)
    found = loops("detect").decode_loops(
        grid, sizes, float(stride), float(cell_range), limit, boxes, scores, index
    )
    return boxes[:found], scores[:found], index[:found]


def anchor_sizes(anchors: FloatArray) -> Float32Array:
    """The anchors (A, 2) as float32, C-contiguous; ValueError if they have another shape."""
    sizes = np.ascontiguousarray(anchors, np.float32)
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not len(sizes):
        raise ValueError(f"expected anchors (A, 2), got {sizes.shape}")
    return sizes


def per_anchor(head: FloatArray, num_anchors: int) -> Float32Array:
    """Reshape a head (S, S, A * width) to float32 (S, S, A, width), C-contiguous."""
    whole = np.ascontiguousarray(head, np.float32)
    return whole.reshape(whole.shape[0], whole.shape[1], num_anchors, -1)


def candidate_buffers(grid: Float32Array) -> tuple[Float32Array, Float32Array, IntArray]:
    """Uninitialised boxes, scores and indices for every candidate of a grid."""
    count: int = grid.shape[0] * grid.shape[1] * grid.shape[2]
    return (
        np.empty((count, 4), np.float32),
        np.empty(count, np.float32),
        np.empty((count, 3), np.int64),
    )


def logit_of(score_threshold: float) -> float:
    """The logit whose sigmoid is a threshold; it is infinite at 0 and 1."""
    if not 0.0 <= score_threshold <= 1.0:
        raise ValueError(f"a threshold lies in [0, 1], got {score_threshold}")
    if score_threshold in (0.0, 1.0):
        return -math.inf if score_threshold == 0.0 else math.inf
    return math.log(score_threshold / (1.0 - score_threshold))


def decode_numpy(
    grid: Float32Array,
    anchors: FloatArray,
    stride: float,
    cell_range: float,
    limit: float,
) -> tuple[Float32Array, Float32Array, IntArray]:
    """`decode_candidates` without loops; ``grid`` is (S, S, A, 5)."""
    index = np.argwhere(grid[..., 4] >= limit)
    row, column, anchor = index.T
    t = grid[row, column, anchor].astype(np.float64)
    # beyond 700 exp overflows; the sigmoid is 0 or 1 long before
    probability: Float64Array = 1.0 / (1.0 + np.exp(-t[:, [0, 1, 4]].clip(-700.0, 700.0)))
    within = cell_range * probability[:, :2] - (cell_range - 1.0) / 2.0
    centre = (within + index[:, 1::-1]) * stride
    half = anchors[anchor] * np.exp(t[:, 2:4].clip(-MAX_LOG_SIZE, MAX_LOG_SIZE)) / 2
    boxes: Float64Array = np.concatenate([centre - half, centre + half], axis=1)
    scores: Float32Array = probability[:, 2].astype(np.float32)
    return boxes.astype(np.float32), scores, index
