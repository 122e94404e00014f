"""Lids of the free face model: landmarks on the edges of lids, and blinks that shut these edges.

A place on an edge is told by its share of the edge's length on the mean face, from the outer corner
of the eye (0) to the inner one (1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeface.reference.face_model.landmark_map import RIGHT_LOWER_LID, RIGHT_UPPER_LID
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR, mirrored
from edgeface.reference.geometry.lids import BLINKS, lid_opening
from edgeface.types import FloatArray, IntArray

LandmarksOf = Callable[[FloatArray], FloatArray]
RIGHT_PAIRS = ((37, 41), (38, 40))
"""Landmarks of the right eye's upper lid, and those of the lower one that they meet."""
WHOLLY_SHUT = 0.02
"""Opening of the lids of a mean face that blinks, in widths of the eye, to which a whole blink is
scaled."""


def lids_on_edges(
    learned: tuple[IntArray, FloatArray],
    meshes: FloatArray,
    landmarks: FloatArray,
    mean: FloatArray,
    shut: FloatArray,
    permutation: IntArray,
) -> tuple[IntArray, FloatArray]:
    """A landmark map whose lids lie on the mesh's edges, where people put them and where they meet.

    Parameters
    ----------
    learned : the map (68, 10) of vertices and weights, as `learn_landmark_map` gives it
    meshes : float, shape (N, 468, 3); landmarks : float, shape (N, 68, 2), people's, ``image_px``
    mean, shut : float, shape (468, 3), a mirror-symmetric face in the teacher's topology, and the
        same with its right eye shut
    permutation : int, shape (468,), each vertex's mirror partner

    Notes
    -----
    A landmark is a sum of two neighbours of its own edge. A sum of more lies on a chord of the arc
    that a lid is, and so within the open eye: five neighbours of about equal weight leave 0.87 of
    its opening. Each face tells at which share of the edge people's point lies, itself and as its
    mirror image, and the median is taken. A lid that shuts slides along the other; so the
    landmarks of the lower lid go half the way to where those of the upper one come down.
    """
    vertices, weights = learned[0].copy(), learned[1].copy()

    def put(landmark: int, edge: tuple[int, ...], share: float) -> None:
        along = shares(mean, edge)
        place = int(np.searchsorted(along, share, side="right")) - 1
        pair = np.array(edge[place : place + 2])
        inner = (share - along[place]) / (along[place + 1] - along[place])
        for at, two in ((landmark, pair), (LANDMARK_MIRROR[landmark], permutation[pair])):
            # the rest of a row weighs nothing, but names every vertex once
            rest = np.setdiff1d(np.arange(len(mean)), two)
            vertices[at] = np.concatenate([two, rest])[: vertices.shape[1]]
            weights[at] = 0
            weights[at, :2] = 1 - inner, inner

    def of_people(landmark: int, edge: tuple[int, ...]) -> float:
        along, chain = shares(mean, edge), np.array(edge)
        own = _nearest_share(landmarks[:, landmark], meshes[:, chain, :2], along)
        partners = landmarks[:, LANDMARK_MIRROR[landmark]]
        mirror = _nearest_share(partners, meshes[:, permutation[chain], :2], along)
        return float(np.median(np.concatenate([own, mirror])))

    for upper, lower in RIGHT_PAIRS:
        share = of_people(upper, RIGHT_UPPER_LID)
        put(upper, RIGHT_UPPER_LID, share)
        x = np.interp(share, shares(mean, RIGHT_UPPER_LID), shut[list(RIGHT_UPPER_LID), 0])
        below = np.interp(x, shut[list(RIGHT_LOWER_LID), 0], shares(mean, RIGHT_LOWER_LID))
        put(lower, RIGHT_LOWER_LID, (of_people(lower, RIGHT_LOWER_LID) + float(below)) / 2)
    return vertices, weights


def shutting(
    shapes: FloatArray, mean: FloatArray, permutation: IntArray, landmarks_of: LandmarksOf
) -> FloatArray:
    """The expression shapes (46, 468, 3) with blinks that shut the eyes of the mean face (468, 3).

    A blink is made as strong as it takes until the landmarks meet, seen from the front. The edges
    of ICT-FaceKit's lids then gape here and cross there; so each vertex of the upper edge goes on
    up or down to the lower one. Depth stays: the teacher's lids lie one before the other, also
    where they are shut.
    """
    stronger = shapes.copy()
    for eye, blink in enumerate(BLINKS):
        opened, left = (
            lid_opening(landmarks_of(shape)[:, :2])[eye] for shape in (mean, mean + shapes[blink])
        )
        stronger[blink] *= (opened - WHOLLY_SHUT) / (opened - left)
    upper, lower = list(RIGHT_UPPER_LID), list(RIGHT_LOWER_LID)
    shut = mean + stronger[BLINKS[0]]
    rest = np.zeros_like(mean)
    rest[upper, 1] = np.interp(shut[upper, 0], shut[lower, 0], shut[lower, 1]) - shut[upper, 1]
    stronger[BLINKS[0]] += rest
    stronger[BLINKS[1]] += mirrored(rest, permutation)
    return stronger


def shares(mean: FloatArray, edge: tuple[int, ...]) -> FloatArray:
    """The share of an edge's length, from 0 to 1, at which each of its vertices lies."""
    steps: FloatArray = np.linalg.norm(np.diff(mean[list(edge)], axis=0), axis=1)
    length: FloatArray = np.concatenate([[0.0], np.cumsum(steps)])
    return length / length[-1]


def _nearest_share(points: FloatArray, chains: FloatArray, along: FloatArray) -> FloatArray:
    """The shares (N,) at which chains (N, K, 2) come nearest to points (N, 2)."""
    start, way = chains[:, :-1], np.diff(chains, axis=1)
    inner = np.clip(((points[:, None] - start) * way).sum(2) / (way**2).sum(2), 0, 1)
    distance = np.linalg.norm(start + inner[..., None] * way - points[:, None], axis=2)
    best: IntArray = distance.argmin(axis=1)
    return along[best] + inner[np.arange(len(points)), best] * np.diff(along)[best]
