"""A second look at faces that look wrong, which refuses those that lie on their side or head.

A network that saw few turned faces in training takes an upside-down one for an upright one, with
the mouth on the forehead, and with scores that real faces have too. Such a face contradicts itself:
when it is turned and seen again, it is found better, and with other landmarks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeface.appearance import appearance, contrast
from edgeface.faces import Faces
from edgeface.image import crop
from edgeface.metadata import PAD_VALUE
from edgeface.turning import NUM_TURNS, turn_points
from edgeface.types import BoolArray, Float32Array, ImageArray

LEAST_SCORE = 0.2
"""Who asks for candidates of a lower score ranks them; to look at hundreds would take seconds."""
DOUBTFUL_SCORE, SURE_SCORE = 0.8, 0.9
"""Faces between `LEAST_SCORE` and the first are looked at again; those above the second are
believed."""
SURE_CONTRAST = 4.0
"""How much brighter cheeks and nose must be than eyes, brows and mouth for a face between both
scores to be believed. On turned photos of the packs, 95 % of the wrong faces are looked at again by
these rules, and 10 % of the upright ones."""
TILES = NUM_TURNS
"""How many faces are looked at together, a row each; their turns are the columns."""
CROP_SCALE = 2.0
"""The side of a tile, in longer sides of the face's box."""
NEAR, LEAST_SIZE, LARGEST_SIZE = 0.2, 0.25, 0.9
"""What is found in a tile is the face if its centre is this near to the tile's, and its size lies
between the other two, all in sides of the tile."""
UNSEEN_SCORE = 0.1
"""What scores less in every tile that shows it with its own landmarks is no face."""
APART = 0.2
"""Landmarks are others if they differ by more than this share of the face's size."""
TILT_DEG, TILT_BONUS = 70.0, 0.5
"""A face that was reported so tilted that it is tilted by less than this when turned further is
found there too, if not so well: such a turn must be better by this much in the logit."""

Detect = Callable[[ImageArray], Faces]


def hold_up(pixels: ImageArray, faces: Faces, size: int, detect: Detect) -> BoolArray:
    """Tell which faces do not contradict themselves.

    Parameters
    ----------
    pixels : uint8, shape (H, W, 3)
    faces : N faces of a network in this image
    size : the side of the network's input
    detect : runs the network on an input of its own, uint8 (size, size, 3), and returns faces in
        ``input_px`` down to low scores

    Returns
    -------
    bool, shape (N,)

    Notes
    -----
    The four most doubtful faces go into one input, each in four tiles, as it lies and turned.
    Others follow only if some of the last were refused, so that upright photos take one pass at
    most.
    """
    upright = np.ones(len(faces), bool)
    bright = contrast(appearance(pixels, faces.landmarks_2d))
    likely = (faces.scores >= DOUBTFUL_SCORE) & (bright >= SURE_CONTRAST)
    unsure = (faces.scores >= LEAST_SCORE) & (faces.scores < SURE_SCORE)
    doubtful = np.flatnonzero(unsure & ~likely)
    doubtful = doubtful[np.argsort(bright[doubtful], kind="stable")]
    for start in range(0, len(doubtful), TILES):
        rows = doubtful[start : start + TILES]
        upright[rows] = _look(pixels, faces.select(rows), size // TILES, size, detect)
        if upright[rows].all():
            break
    return upright


def _look(pixels: ImageArray, faces: Faces, tile: int, size: int, detect: Detect) -> list[bool]:
    """`hold_up` of at most `TILES` faces, by one pass."""
    canvas = np.full((size, size, 3), PAD_VALUE, np.uint8)
    landmarks: list[Float32Array] = []
    for row, (box, points) in enumerate(zip(faces.boxes_xyxy, faces.landmarks_2d, strict=True)):
        seen, placement = crop(pixels, box, CROP_SCALE, tile)
        landmarks.append(placement.to_input(points))
        for turns in range(NUM_TURNS):
            top, left = row * tile, turns * tile
            canvas[top : top + tile, left : left + tile] = np.rot90(seen, turns)
    found = detect(canvas)
    rolls = faces.euler_deg[:, 2].tolist()
    return [
        _is_upright(found, points, roll, row, tile)
        for row, (points, roll) in enumerate(zip(landmarks, rolls, strict=True))
    ]


def _is_upright(
    found: Faces, landmarks: Float32Array, roll_deg: float, row: int, tile: int
) -> bool:
    """Whether the tile in which a face is found best shows it with the same landmarks."""
    same, other = 0.0, -np.inf
    for turns in range(NUM_TURNS):
        score, apart = _seen(found, landmarks, row, turns, tile)
        tilt = abs((roll_deg + 90 * turns + 180) % 360 - 180)
        if apart <= APART:
            same = max(same, score)
        else:
            other = max(other, _logit(score) - TILT_BONUS * (tilt < TILT_DEG))
    return same >= UNSEEN_SCORE and _logit(same) >= other


def _seen(
    found: Faces, landmarks: Float32Array, row: int, turns: int, tile: int
) -> tuple[float, float]:
    """The score of the face in a tile, and how far its landmarks, turned back, lie from others."""
    corner = np.array([turns * tile, row * tile], np.float32)
    low, high = found.boxes_xyxy[:, :2], found.boxes_xyxy[:, 2:]
    stray = np.abs((low + high) / 2 - corner - tile / 2).max(axis=1)
    sides = np.sqrt((high - low).prod(axis=1))
    fits = (stray < NEAR * tile) & (sides > LEAST_SIZE * tile) & (sides < LARGEST_SIZE * tile)
    if not fits.any():
        return 0.0, np.inf
    best = int(np.where(fits, found.scores, -1.0).argmax())
    points = turn_points(found.landmarks_2d[best] - corner, -turns, (tile, tile))
    apart = np.linalg.norm(points - landmarks, axis=1).mean() * CROP_SCALE / tile
    return float(found.scores[best]), float(apart)


def _logit(score: float) -> float:
    return float(np.log((score + 0.01) / (1.01 - score)))
