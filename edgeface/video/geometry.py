"""Boxes of faces: those around points, and the same faces told in other boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeface.boxes import areas, shared_areas
from edgeface.faces import Faces
from edgeface.types import FloatArray

FOREHEAD = 0.1
"""How far a face box rises above the mesh, in heights of it, as the networks were taught."""


DOUBLE = 0.4
"""Two boxes are one face if they share so much of the smaller one."""


def boxes_around(points: FloatArray) -> FloatArray:
    """Draw face boxes (N, 4), as the networks were taught, around the points (N, P, 3)."""
    low, high = points[..., :2].min(axis=1), points[..., :2].max(axis=1)
    low[:, 1] -= FOREHEAD * (high - low)[:, 1]
    return np.concatenate([low, high], axis=1)


def rebox(faces: Faces, boxes: FloatArray) -> Faces:
    """Tell the pose of faces in other boxes (N, 4); the faces stay in their places."""
    old, new = faces.boxes_xyxy.reshape(-1, 2, 2), boxes.reshape(-1, 2, 2)
    old_side, new_side = ((b[:, 1] - b[:, 0]).max(axis=1, initial=0.0) for b in (old, new))
    shift = (old.mean(axis=1) - new.mean(axis=1)) / (faces.focal * old_side)[:, None]
    return replace(
        faces,
        boxes_xyxy=boxes.astype(np.float32),
        focal=(faces.focal * old_side / new_side).astype(np.float32),
        translation=(faces.translation + np.pad(shift * [1, -1], ((0, 0), (0, 1)))).astype(
            np.float32
        ),
    )


def without_doubles(boxes: FloatArray) -> list[int]:
    """Find the rows of boxes (N, 4), best first, that share less than `DOUBLE` with better ones.

    Parts of a large face are taken for small faces. Their boxes differ too much from the large one
    for the usual suppression by IoU.
    """
    kept: list[int] = []
    shared, sizes = shared_areas(boxes, boxes), areas(boxes)
    for row in range(len(boxes)):
        if all(shared[row, k] < DOUBLE * min(sizes[row], sizes[k]) for k in kept):
            kept.append(row)
    return kept
