"""Finding faces and their coefficients in the raw outputs of a multi-face network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edgeface.kernels.decode import (
    anchor_sizes,
    candidate_buffers,
    decode_candidates,
    decode_numpy,
    logit_of,
    per_anchor,
)
from edgeface.kernels.jit import Engine, loops
from edgeface.kernels.nms import (
    METHODS,
    Suppression,
    face_means,
    suppress_numpy,
    validate_suppression,
)
from edgeface.kernels.types import Float32Array, FloatArray

HEADS = ("detection", "identity", "expression", "pose")


class FoundFaces(NamedTuple):
    """Raw values of N faces, best score first, all float32.

    Attributes
    ----------
    boxes_xyxy : shape (N, 4), input_px
    scores : shape (N,)
    identity : shape (N, 50)
    expression : shape (N, 46), logits
    pose : shape (N, 8)
    """

    boxes_xyxy: Float32Array
    scores: Float32Array
    identity: Float32Array
    expression: Float32Array
    pose: Float32Array


def find_faces(
    heads: Mapping[str, FloatArray],
    anchors: FloatArray,
    stride: int,
    score_threshold: float,
    iou_threshold: float,
    *,
    max_faces: int = 100,
    method: Suppression = "greedy",
    cell_range: float = 1.0,
    engine: Engine = "numpy",
) -> FoundFaces:
    """Decode, suppress, and gather the survivors' coefficients; no others are looked at.

    By the method "weighted", a face's box and raw coefficients are the means of those of all its
    candidates: the winner and those that it suppressed, weighed as `edgeface.kernels.suppress`
    says. Quaternions can be averaged, since networks start at no rotation and learn less than half
    turns, so that w > 0.

    Parameters
    ----------
    heads : the four outputs by name, float32, shape (S, S, A * width) each
    anchors : float32, shape (A, 2), input_px
    stride : the side of a grid cell, input_px
    score_threshold : the least score of a face, in [0, 1]
    iou_threshold : the overlap with a better box beyond which a box is suppressed, in [0, 1]
    max_faces : how many faces are returned at most, the best ones
    method : what suppression does (`edgeface.kernels.suppress`)
    cell_range : how far centres move from their cells (`edgeface.kernels.decode_candidates`)
    engine : "numba" or "numpy"

    Raises
    ------
    ValueError
        If a head is absent, has another shape, or an option is none of those above.
    """
    validate_suppression(method, max_faces)
    sizes = anchor_sizes(anchors)
    grids = _grids(heads, len(sizes))
    limit = logit_of(score_threshold)
    count = min(max_faces, grids[0].size // 5)
    if engine == "numpy":
        boxes, scores, index = decode_numpy(
            grids[0], sizes, float(stride), float(cell_range), limit
        )
        _, best, group, weights = suppress_numpy(
            boxes, scores, iou_threshold, score_threshold, method, min(count, len(scores))
        )
        members, means = face_means(group, weights)
        row, column, anchor = index[members].T
        picked = [means(grid[row, column, anchor]) for grid in grids[1:]]
        return FoundFaces(means(boxes[members]), best.copy(), *picked)
    out = FoundFaces(
        np.empty((count, 4), np.float32),
        np.empty(count, np.float32),
        *(np.empty((count, grid.shape[3]), np.float32) for grid in grids[1:]),
    )
    boxes, scores, index = candidate_buffers(grids[0])
    found = loops("detect").find_loops(
        *grids,
        sizes,
        float(stride),
        float(cell_range),
        limit,
        float(iou_threshold),
        float(score_threshold),
        METHODS.index(method),
        boxes,
        scores,
        index,
        np.empty(count, np.int64),
        np.empty(len(scores), np.int64),
        np.empty(len(scores)),
        *out,
    )
    # what a caller may keep is as small as its faces
    return FoundFaces(*(array[:found].copy() for array in out))


def find_candidates(
    heads: Mapping[str, FloatArray],
    anchors: FloatArray,
    stride: int,
    score_threshold: float,
    *,
    cell_range: float = 1.0,
    engine: Engine = "numpy",
) -> FoundFaces:
    """Every candidate with its coefficients, for `merge_candidates` to suppress.

    Parameters
    ----------
    heads : the four outputs by name, float32, shape (S, S, A * width) each
    anchors, stride, score_threshold, cell_range, engine : as for `find_faces`

    Returns
    -------
    FoundFaces
        In row-major order of their cells.

    Raises
    ------
    ValueError
        If a head is absent or has another shape.
    """
    grids = _grids(heads, len(anchors))
    boxes, scores, index = decode_candidates(
        heads["detection"], anchors, stride, score_threshold, cell_range=cell_range, engine=engine
    )
    row, column, anchor = index.T
    picked = [grid[row, column, anchor] for grid in grids[1:]]
    # what a caller may keep is as small as its candidates
    return FoundFaces(boxes.copy(), scores.copy(), *picked)


def merge_candidates(
    candidates: FoundFaces,
    score_threshold: float,
    iou_threshold: float,
    *,
    max_faces: int = 100,
    method: Suppression = "greedy",
    engine: Engine = "numpy",
) -> FoundFaces:
    """The faces of candidates, wherever they come from: `find_faces` of several inputs at once.

    Parameters
    ----------
    candidates : K rows of `find_candidates`, their boxes in any one frame
    score_threshold, iou_threshold, max_faces, method, engine : as for `find_faces`

    Raises
    ------
    ValueError
        If an option is none of those of `find_faces`.
    """
    validate_suppression(method, max_faces)
    scores = candidates.scores.copy()
    sure = scores >= score_threshold
    candidates, scores = FoundFaces(*(array[sure] for array in candidates)), scores[sure]
    limit = min(max_faces, len(scores))
    if engine == "numpy":
        _, best, group, weights = suppress_numpy(
            candidates.boxes_xyxy, scores, iou_threshold, score_threshold, method, limit
        )
    else:
        group, weights = np.empty(len(scores), np.int64), np.empty(len(scores))
        best = np.empty(limit, np.float32)
        found = loops("detect").suppress_loops(
            candidates.boxes_xyxy,
            scores,
            len(scores),
            float(iou_threshold),
            float(score_threshold),
            METHODS.index(method),
            np.empty(limit, np.int64),
            group,
            weights,
            np.empty((limit, 4), np.float32),
            best,
        )
        best = best[:found]
    members, means = face_means(group, weights)
    boxes, _, *coefficients = candidates
    return FoundFaces(
        means(boxes[members]), best.copy(), *(means(values[members]) for values in coefficients)
    )


def _grids(heads: Mapping[str, FloatArray], num_anchors: int) -> list[Float32Array]:
    """The four heads, (S, S, A, width) each; ValueError where they do not fit together."""
    if absent := [name for name in HEADS if name not in heads]:
        raise ValueError(f"expected the heads {', '.join(HEADS)}; {', '.join(absent)} is absent")
    grids = [per_anchor(heads[name], num_anchors) for name in HEADS]
    for name, grid in zip(HEADS, grids, strict=True):
        if grid.shape[:3] != grids[0].shape[:3] or (name == "detection" and grid.shape[3] != 5):
            raise ValueError(f"{name}: the shape {heads[name].shape} does not fit the others")
    return grids
