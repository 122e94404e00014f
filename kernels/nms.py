"""Non-maximum suppression: greedy, soft, or weighted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from edgeface.kernels.jit import Engine, loops
from edgeface.kernels.types import Float32Array, Float64Array, FloatArray, IntArray

Suppression = Literal["greedy", "soft", "weighted"]
METHODS: tuple[Suppression, ...] = ("greedy", "soft", "weighted")
"""The methods, in the order of their numbers in the loops."""
LEAST_WEIGHT = 1e-12
"""The least weight in a weighted mean, so that its sum can be divided by at the thresholds too."""


def suppress(
    boxes_xyxy: FloatArray,
    scores: FloatArray,
    iou_threshold: float,
    *,
    method: Suppression = "greedy",
    score_threshold: float = 0.0,
    max_faces: int | None = None,
    engine: Engine = "numpy",
) -> tuple[IntArray, Float32Array, Float32Array]:
    """Find the boxes that no better box overlaps too much.

    Parameters
    ----------
    boxes_xyxy : float32, shape (N, 4), half-open edges in any one frame
    scores : float32, shape (N,), >= 0; boxes whose score is negative are left out, and those of
        which anything is not finite
    iou_threshold : a box is suppressed when its IoU with a kept one exceeds this
    method : what suppression does
        "greedy" drops the box; "soft" multiplies its score by 1 - IoU and drops it below
        ``score_threshold``; "weighted" drops it and moves the kept box to the mean of itself and
        all that it suppressed, each weighed by ``score (score - score_threshold) (IoU -
        iou_threshold)``.
    score_threshold : the least score, which the methods "soft" and "weighted" use
    max_faces : how many boxes are returned at most, the best ones; None returns all
    engine : "numba" or "numpy"

    Returns
    -------
    kept : int64, shape (M,), by falling score; equal scores in their order of arrival
    boxes_xyxy : float32, shape (M, 4)
    scores : float32, shape (M,)

    Raises
    ------
    ValueError
        If the shapes do not fit or an option is none of those above.

    References
    ----------
    "soft": Bodla et al. 2017, Eq. 2 (linear). "weighted": Zhou et al. 2017, Sec. 2, without its
    second pass, and Bazarevsky et al. 2019 (BlazeFace), Sec. 3.4. Both weigh by the scores alone;
    here a candidate weighs nothing where it comes or goes, so that the mean does not jump.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32)
    >>> suppress(boxes, np.array([0.6, 0.9, 0.5], np.float32), 0.5)[0].tolist()
    [1, 2]
    """
    if boxes_xyxy.shape != (len(scores), 4) or scores.ndim != 1:
        raise ValueError(f"expected (N, 4) and (N,), got {boxes_xyxy.shape} and {scores.shape}")
    validate_suppression(method, max_faces)
    boxes = np.ascontiguousarray(boxes_xyxy, np.float32)
    left = np.array(scores, np.float32)
    finite = np.isfinite(left) & np.isfinite(boxes).all(axis=1)
    left[~(finite & (left >= 0))] = -1.0  # and what the loops would take for a weak candidate
    limit = len(left) if max_faces is None else min(max_faces, len(left))
    if engine == "numpy":
        kept, out_scores, group, weights = suppress_numpy(
            boxes, left, iou_threshold, score_threshold, method, limit
        )
        members, means = face_means(group, weights)
        return kept, means(boxes[members]), out_scores
    kept, group = np.empty(limit, np.int64), np.empty(len(left), np.int64)
    out_boxes, out_scores = np.empty((limit, 4), np.float32), np.empty(limit, np.float32)
    found = loops("detect").suppress_loops(
        boxes,
        left,
        len(left),
        float(iou_threshold),
        float(score_threshold),
        METHODS.index(method),
        kept,
        group,
        np.empty(len(left)),
        out_boxes,
        out_scores,
    )
    return kept[:found], out_boxes[:found], out_scores[:found]


def validate_suppression(method: str, max_faces: int | None) -> None:
    """Raise ValueError for an unknown method or a negative number of faces."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if max_faces is not None and max_faces < 0:
        raise ValueError(f"max_faces must not be negative, got {max_faces}")


def suppress_numpy(
    boxes: FloatArray,
    scores: FloatArray,
    iou_threshold: float,
    score_threshold: float,
    method: Suppression,
    limit: int,
) -> tuple[IntArray, Float32Array, IntArray, Float64Array]:
    """`suppress` with a few vector operations for each kept box; ``scores`` is overwritten.

    Returns the kept rows, their scores, and for every candidate, (N,), the face in whose mean it
    counts, or -1, and its weight there. Boxes are not moved.
    """
    exact = boxes.astype(np.float64)
    low, high = exact[:, :2], exact[:, 2:]
    area = (high - low).prod(axis=1)
    kept: list[int] = []
    out_scores, group = np.empty(limit, np.float32), np.full(len(scores), -1)
    weights = scores.astype(np.float64)
    weights *= weights - score_threshold
    while len(kept) < limit:
        best = int(scores.argmax())  # the first of equals
        score = scores[best]
        if not score >= 0:
            break
        scores[best] = -1.0
        extent = np.minimum(high, high[best]) - np.maximum(low, low[best])
        shared = extent.clip(0.0).prod(axis=1)
        union = area + area[best] - shared
        hit = (shared > iou_threshold * union) & (scores >= 0)
        if method == "soft":
            softened = (scores[hit] * (1.0 - shared[hit] / union[hit])).astype(np.float32)
            scores[hit] = np.where(softened >= score_threshold, softened, -1.0)
        else:
            scores[hit] = -1.0
            if method == "weighted":
                group[hit] = len(kept)
                weights[hit] *= shared[hit] / union[hit] - iou_threshold
        group[best] = len(kept)
        weights[best] *= 1.0 - iou_threshold
        out_scores[len(kept)] = score
        kept.append(best)
    return np.array(kept, np.int64), out_scores[: len(kept)], group, weights


def face_means(
    group: IntArray, weights: Float64Array
) -> tuple[IntArray, Callable[[FloatArray], Float32Array]]:
    """The candidates that belong to faces, and a function that averages their values.

    Parameters
    ----------
    group, weights : shape (K,), what `suppress_numpy` returns for K candidates of N faces

    Returns
    -------
    members : int64, shape (M,), the rows of these candidates, face after face
    means : the function that turns values of the members (M, width) into means, float32 (N, width)
    """
    members = np.argsort(group, kind="stable")[np.count_nonzero(group < 0) :]
    starts = np.flatnonzero(np.diff(group[members], prepend=-1))
    weights = np.maximum(weights[members], LEAST_WEIGHT)[:, None]
    shares = weights / np.add.reduceat(weights, starts)[group[members]]

    def means(values: FloatArray) -> Float32Array:
        return np.add.reduceat(shares * values, starts).astype(np.float32)

    return members, means
