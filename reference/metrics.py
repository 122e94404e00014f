"""Error measures of landmarks, pose, expression and detection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

INNER = slice(17, 68)
"""The 51 landmarks without the face's outline."""


def nme(predicted: Array, truth: Array, inner: bool = False, box: bool = False) -> Array:
    """Normalised mean error of each face in percent.

    Parameters
    ----------
    predicted, truth : (N, 68, 2), one frame
    inner : over landmarks 17..67 only
    box : divide by sqrt(width * height) of the truth's tight box, as AFLW2000-3D does; otherwise
        by the distance of the outer eye corners (36 and 45), as 300-W does

    Returns
    -------
    (N,)
    """
    if box:
        extent = truth.max(axis=1) - truth.min(axis=1)
        size = np.sqrt(extent.prod(axis=1))
    else:
        size = np.linalg.norm(truth[:, 45] - truth[:, 36], axis=1)
    part = INNER if inner else slice(None)
    return 100 * np.linalg.norm(predicted[:, part] - truth[:, part], axis=2).mean(axis=1) / size


def iou_matrix(a: Array, b: Array) -> Array:
    """IoU of xyxy boxes (N, 4) and (M, 4), (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    return shared / np.maximum(area_a[:, None] + area_b - shared, 1e-9)


def match_detections(
    boxes: Array, scores: Array, truth: Array, ignore: Array, threshold: float = 0.5
) -> tuple[Array, Array]:
    """Which detections of one image are true, in order of falling score.

    Parameters
    ----------
    boxes (N, 4), scores (N,), truth (M, 4), ignore (M,) bool

    Returns
    -------
    outcome : (N,) int8, 1 true, 0 false, -1 on an ignored face
    matched : (N,) int, the face found, -1 for none; each face is found at most once

    Notes
    -----
    COCO's rule: the most overlapping free face wins, ignored faces only where no other matches
    and as often as wanted.
    """
    outcome = np.zeros(len(boxes), np.int8)
    matched = np.full(len(boxes), -1)
    if len(truth) == 0:
        return outcome, matched
    iou = iou_matrix(boxes, truth)
    free = ~ignore
    for row in np.argsort(-scores, kind="stable"):
        candidates = np.where(free, iou[row], 0.0)
        best = int(candidates.argmax())
        if candidates[best] >= threshold:
            outcome[row], matched[row] = 1, best
            free[best] = False
        elif (iou[row][ignore] >= threshold).any():
            outcome[row] = -1
    return outcome, matched


def average_precision(scores: Array, outcome: Array, num_truth: int) -> tuple[float, float]:
    """Average precision and final recall over all images.

    Precision is made monotone and sampled at 101 recalls, as COCO does.
    """
    kept = outcome >= 0
    order = np.argsort(-scores[kept], kind="stable")
    hits = outcome[kept][order] == 1
    if num_truth == 0 or len(hits) == 0:
        return 0.0, 0.0
    true = np.cumsum(hits)
    recall = true / num_truth
    precision = true / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    # in whole numbers, so that a recall of exactly 35 % counts as reached
    index = np.searchsorted(100 * true, np.arange(101) * num_truth, side="left")
    sampled = np.where(index < len(envelope), envelope[np.minimum(index, len(envelope) - 1)], 0.0)
    return float(sampled.mean()), float(recall[-1])
