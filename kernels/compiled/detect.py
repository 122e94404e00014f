"""Loops of `edgeface.kernels.decode`, `nms` and `detect`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeface.kernels.jit import jit
from edgeface.kernels.types import FloatArray, IntArray

MAX_LOG_SIZE = 6.0  # that of kernels/decode.py; numba freezes globals of this file only
SOFT, WEIGHTED = 1, 2
LEAST_WEIGHT = 1e-12  # that of kernels/nms.py


@jit
def sigmoid(x: float) -> float:
    """The logistic function, float64."""
    return 1.0 / (1.0 + math.exp(-x))


@jit
def decode_loops(
    grid: FloatArray,
    anchors: FloatArray,
    stride: float,
    cell_range: float,
    limit: float,
    boxes: FloatArray,
    scores: FloatArray,
    index: IntArray,
) -> int:
    """Write the candidates of ``grid`` (S, S, A, 5) whose objectness reaches ``limit``, a logit.

    Returns the number of candidates.
    """
    found = 0
    before = (cell_range - 1.0) / 2.0
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            for anchor in range(grid.shape[2]):
                t = grid[row, column, anchor]
                if not np.float64(t[4]) >= limit:
                    continue
                x = cell_range * sigmoid(np.float64(t[0])) - before + column
                y = cell_range * sigmoid(np.float64(t[1])) - before + row
                w = np.float64(t[2])
                h = np.float64(t[3])
                w = anchors[anchor, 0] * math.exp(min(max(w, -MAX_LOG_SIZE), MAX_LOG_SIZE)) / 2
                h = anchors[anchor, 1] * math.exp(min(max(h, -MAX_LOG_SIZE), MAX_LOG_SIZE)) / 2
                boxes[found, 0] = x * stride - w
                boxes[found, 1] = y * stride - h
                boxes[found, 2] = x * stride + w
                boxes[found, 3] = y * stride + h
                scores[found] = sigmoid(np.float64(t[4]))
                index[found, 0] = row
                index[found, 1] = column
                index[found, 2] = anchor
                found += 1
    return found


@jit
def suppress_loops(
    boxes: FloatArray,
    scores: FloatArray,
    count: int,
    iou_threshold: float,
    score_threshold: float,
    method: int,
    kept: IntArray,
    group: IntArray,
    shares: FloatArray,
    out_boxes: FloatArray,
    out_scores: FloatArray,
) -> int:
    """Take the best candidate left, until none is left or ``kept`` is full.

    ``scores`` is overwritten: a candidate that is taken or dropped gets -1. Candidate i then weighs
    ``shares[i]`` in the face ``group[i]``, or in none if that is -1. Returns the number of faces.
    """
    group[:count] = -1
    found = 0
    while found < kept.shape[0]:
        best, best_score = -1, np.float32(-1.0)
        for i in range(count):
            if scores[i] > best_score:  # the first of equals
                best, best_score = i, scores[i]
        if best < 0:
            break
        scores[best] = -1.0
        group[best] = found
        shares[best] = member_weight(best_score, 1.0, score_threshold, iou_threshold)
        total = shares[best]
        x0, y0 = np.float64(boxes[best, 0]), np.float64(boxes[best, 1])
        x1, y1 = np.float64(boxes[best, 2]), np.float64(boxes[best, 3])
        area = (x1 - x0) * (y1 - y0)
        for i in range(count):
            if scores[i] < 0:
                continue
            u0, v0 = np.float64(boxes[i, 0]), np.float64(boxes[i, 1])
            u1, v1 = np.float64(boxes[i, 2]), np.float64(boxes[i, 3])
            w, h = min(x1, u1) - max(x0, u0), min(y1, v1) - max(y0, v0)
            shared = max(w, 0.0) * max(h, 0.0)
            union = area + (u1 - u0) * (v1 - v0) - shared
            if not shared > iou_threshold * union:
                continue
            if method == SOFT:
                softened = np.float32(np.float64(scores[i]) * (1.0 - shared / union))
                scores[i] = softened if softened >= score_threshold else np.float32(-1.0)
                continue
            if method == WEIGHTED:
                group[i] = found
                overlap = shared / union
                shares[i] = member_weight(scores[i], overlap, score_threshold, iou_threshold)
                total += shares[i]
            scores[i] = -1.0
        kept[found] = best
        out_scores[found] = best_score
        x0, y0, x1, y1 = 0.0, 0.0, 0.0, 0.0
        for i in range(count):
            if group[i] == found:
                shares[i] /= total
                x0 += shares[i] * boxes[i, 0]
                y0 += shares[i] * boxes[i, 1]
                x1 += shares[i] * boxes[i, 2]
                y1 += shares[i] * boxes[i, 3]
        out_boxes[found, 0] = x0
        out_boxes[found, 1] = y0
        out_boxes[found, 2] = x1
        out_boxes[found, 3] = y1
        found += 1
    return found


@jit
def member_weight(
    score: Any, overlap: float, score_threshold: float, iou_threshold: float
) -> float:
    """The weight of a candidate in the mean of a face, before it is divided by the sum."""
    exact = np.float64(score)
    return max(exact * (exact - score_threshold) * (overlap - iou_threshold), LEAST_WEIGHT)


@jit
def gather_loops(
    head: FloatArray,
    index: IntArray,
    count: int,
    group: IntArray,
    shares: FloatArray,
    out: FloatArray,
) -> None:
    """Average ``head`` (S, S, A, width) over each face's candidates into ``out`` (N, width)."""
    out[:] = 0.0
    for i in range(count):
        if group[i] < 0:
            continue
        values = head[index[i, 0], index[i, 1], index[i, 2]]
        mean, share = out[group[i]], shares[i]
        for k in range(out.shape[1]):
            mean[k] += share * np.float64(values[k])


@jit
def find_loops(
    detection: FloatArray,
    identity: FloatArray,
    expression: FloatArray,
    pose: FloatArray,
    anchors: FloatArray,
    stride: float,
    cell_range: float,
    limit: float,
    iou_threshold: float,
    score_threshold: float,
    method: int,
    boxes: FloatArray,
    scores: FloatArray,
    index: IntArray,
    kept: IntArray,
    group: IntArray,
    shares: FloatArray,
    out_boxes: FloatArray,
    out_scores: FloatArray,
    out_identity: FloatArray,
    out_expression: FloatArray,
    out_pose: FloatArray,
) -> int:
    """Decode, suppress, and gather the raw coefficients of at most ``len(kept)`` faces."""
    count = decode_loops(detection, anchors, stride, cell_range, limit, boxes, scores, index)
    found = suppress_loops(
        boxes, scores, count, iou_threshold, score_threshold, method, kept, group, shares,
        out_boxes, out_scores,
    )  # fmt: skip
    for head, out in ((identity, out_identity), (expression, out_expression), (pose, out_pose)):
        gather_loops(head, index, count, group, shares, out[:found])
    return found
