"""The 68 landmarks from the 189 points that people placed on portraits (WebMorph templates)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeface.errors import ModelFormatError
from edgeface.types import FloatArray

NUM_POINTS = 189

# Curves of a template, as its own file lists them; "right" is the person's right.
RIGHT_UPPER_LID, RIGHT_LOWER_LID = (18, 19, 20, 21, 22), (18, 28, 29, 30, 22)
LEFT_UPPER_LID, LEFT_LOWER_LID = (23, 24, 25, 26, 27), (23, 31, 32, 33, 27)
RIGHT_BROW, LEFT_BROW = (71, 72, 73, 74, 75, 76), (77, 78, 79, 80, 81, 82)
RIGHT_JAW = (109, 185, 110, 186, 111, 125, 126, 127, 128, 129)
LEFT_JAW = (129, 130, 131, 132, 133, 114, 188, 113, 187, 112)
BRIDGE = ((50, 56), (51, 57), (52, 58), (53, 59), (54, 60))
"""Pairs of points on both sides of the ridge of the nose, from the root to the tip."""
NOSTRILS = (64, 179, 55, 182, 69)
OUTER_LIPS = (87, 88, 89, 90, 91, 92, 93, 108, 107, 106, 105, 104)
UPPER_INSIDE, LOWER_INSIDE = (94, 95, 96, 97, 98), (100, 101, 102)
INSIDE_CORNER = 1 / 3
"""Where the inner corner of the mouth lies on the way from the outer one to the next point."""


def read_template(path: Path) -> FloatArray:
    """The points (189, 2) of a WebMorph template, ``image_px``.

    Raises
    ------
    ModelFormatError
        If the file is no template of 189 points.
    """
    try:
        lines = path.read_text().split("\n")
        rows = [[float(value) for value in line.split()] for line in lines[1 : NUM_POINTS + 1]]
        points = np.array(rows, np.float64)
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"{path} is no WebMorph template: {error}") from error
    if lines[0].strip() != str(NUM_POINTS) or points.shape != (NUM_POINTS, 2):
        raise ModelFormatError(f"{path} has no {NUM_POINTS} points")
    return points


def landmarks_of_template(points: FloatArray) -> FloatArray:
    """The 68 landmarks (68, 2) of the points (189, 2) of a template, in the same frame.

    A landmark that a template has is taken; others lie on its curves, by length: two at thirds of a
    lid, five along the upper edge of a brow, eight steps from the ear to the chin.
    """
    ridge = points[np.array(BRIDGE)].mean(axis=1)
    lids: list[FloatArray] = []
    for upper, lower in ((RIGHT_UPPER_LID, RIGHT_LOWER_LID), (LEFT_UPPER_LID, LEFT_LOWER_LID)):
        above = along(points[list(upper)], 3)
        below = along(points[list(lower)], 3)
        lids.append(np.concatenate([above, below[[2, 1]]]))
    mouth = points[list(OUTER_LIPS)]
    upper, lower = points[list(UPPER_INSIDE)], points[list(LOWER_INSIDE)]
    corners = [
        (1 - INSIDE_CORNER) * outer + INSIDE_CORNER * inner
        for outer, inner in ((mouth[0], upper[0]), (mouth[6], upper[4]))
    ]
    return np.concatenate(
        [
            along(points[list(RIGHT_JAW)], 8),
            along(points[list(LEFT_JAW)], 8)[1:],
            along(points[list(RIGHT_BROW)], 4),
            along(points[list(LEFT_BROW)], 4),
            along(ridge, 3),
            points[list(NOSTRILS)],
            *lids,
            mouth,
            corners[0][None],
            upper[1:4],
            corners[1][None],
            lower[::-1],
        ]
    )


def along(curve: FloatArray, steps: int) -> FloatArray:
    """The ends of ``steps`` pieces of equal length of an open polygon (N, 2), (steps + 1, 2)."""
    length: FloatArray = np.concatenate(
        [[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))]
    )
    wanted: FloatArray = np.linspace(0.0, float(length[-1]), steps + 1)
    return np.stack([np.interp(wanted, length, curve[:, k]) for k in (0, 1)], axis=1)
