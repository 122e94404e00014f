"""Quarter turns of images whose faces lie on their side or head, and of the faces in them.

A quarter turn is counter-clockwise, as that of ``numpy.rot90``: in ``image_px`` of an image of the
width W, the point ``(x, y)`` becomes ``(y, W - x)``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeface.faces import Faces
from edgeface.kernels import euler_from_rotation
from edgeface.types import Float32Array, ImageArray, IntArray

NUM_TURNS = 4
HINT_SCORE, SURE_SCORE = 0.2, 0.8
"""An image is turned if no upright face in it has the second score, and a small input shows one
with the first in the turned image. What is then found is reported if it is more, and an upright
face has the second score."""
_TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
"""A quarter turn in the axes of the ``model`` frame: x right, y up."""


def is_upright(faces: Faces) -> bool:
    """Whether some face is certain and upright, so that the image need not be turned."""
    return bool(((faces.scores >= SURE_SCORE) & (upright_turns(faces) == 0)).any())


def shows_more(turned: Faces, faces: Faces) -> bool:
    """Whether the faces of a turned image are certain, and more than those of the image."""
    return is_upright(turned) and bool(turned.scores.sum() > faces.scores.sum())


def upright_turns(faces: Faces) -> IntArray:
    """How many quarter turns of the image set each face upright, to 45 degrees; int, shape (N,).

    None where the rotation is not finite.
    """
    across, up = faces.rotation[:, 0, 1], faces.rotation[:, 1, 1]
    return np.rint(np.nan_to_num(np.arctan2(across, up)) / (np.pi / 2)).astype(np.intp) % NUM_TURNS


def turn_points(points: Float32Array, turns: int, size_hw: tuple[int, int]) -> Float32Array:
    """Where points (..., 2 or 3), image_px, of an image of this size lie when it is turned."""
    turned = points.copy()
    height, width = size_hw
    for _ in range(turns % NUM_TURNS):
        turned[..., :2] = np.stack([turned[..., 1], width - turned[..., 0]], axis=-1)
        height, width = width, height
    return turned


def turn_boxes(boxes_xyxy: Float32Array, turns: int, size_hw: tuple[int, int]) -> Float32Array:
    """Where boxes (N, 4), image_px, of an image of this size lie when it is turned."""
    corners = turn_points(boxes_xyxy.reshape(-1, 2, 2), turns, size_hw)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def turn_faces(faces: Faces, turns: int, size_hw: tuple[int, int]) -> Faces:
    """The faces that a network found in an image of this size, as they lie when it is turned."""
    turn = np.linalg.matrix_power(_TURN, turns % NUM_TURNS)
    rotation = turn @ faces.rotation
    return replace(
        faces,
        boxes_xyxy=turn_boxes(faces.boxes_xyxy, turns, size_hw),
        landmarks_3d=turn_points(faces.landmarks_3d, turns, size_hw),
        rotation=rotation,
        euler_deg=euler_from_rotation(rotation),
        translation=faces.translation @ turn.T,
    )


def all_turns(square: ImageArray) -> ImageArray:
    """A square image (S, S, 3) four times in one (2S, 2S, 3): turned by 0, 1, 2 and 3 quarters."""
    rows = [[np.rot90(square, 2 * row + column) for column in range(2)] for row in range(2)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def best_turn(faces: Faces, side: int) -> int:
    """The number of turns at which `all_turns` of squares of this side shows a face best, or 0."""
    if faces.scores.max(initial=0.0) < HINT_SCORE:
        return 0
    left, top, right, bottom = faces.boxes_xyxy[faces.scores.argmax()].tolist()
    return 2 * int(top + bottom > 2 * side) + int(left + right > 2 * side)
