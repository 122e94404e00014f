"""From coefficients back to the image: boxes around the face, the box of the next frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeface.boxes import areas, shared_areas
from edgeface.faces import Faces
from edgeface.types import FloatArray

FOREHEAD = 0.1
"""What a face box rises above the mesh, in heights of it: so the networks' boxes were drawn."""


DOUBLE = 0.4
"""Two boxes that share so much of the smaller one are one face."""


def boxes_around(points: FloatArray) -> FloatArray:
    """Face boxes (N, 4), as the networks were taught them, around the points of faces (N, P, 3)."""
    low, high = points[..., :2].min(axis=1), points[..., :2].max(axis=1)
    low[:, 1] -= FOREHEAD * (high - low)[:, 1]
    return np.concatenate([low, high], axis=1)


def rebox(faces: Faces, boxes: FloatArray) -> Faces:
    """The same faces in the same places, with their pose told in other boxes (N, 4)."""
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
    """Rows of the boxes (N, 4), best first, that lie on no better one by `DOUBLE` of their area.

    Parts of a large face pass for small ones, and differ too much from it for the usual
    suppression by IoU.
    """
    kept: list[int] = []
    shared, sizes = shared_areas(boxes, boxes), areas(boxes)
    for row in range(len(boxes)):
        if all(shared[row, k] < DOUBLE * min(sizes[row], sizes[k]) for k in kept):
            kept.append(row)
    return kept
