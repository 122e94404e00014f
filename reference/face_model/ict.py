"""Where the points of the teacher's mesh lie on the surface of ICT-FaceKit."""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from edgeface.face_model import FaceModel
from edgeface.reference.face_model import landmark_map as contours
from edgeface.reference.geometry.alignment import similarity
from edgeface.types import BoolArray, FloatArray, IntArray

NUM_ROUNDS = 4
SURE = np.array([*range(17), 28, 29, 30, 31, 33, 35, *range(36, 68)])
"""The landmarks that both place alike: outline, nose, lids and lips. Of brows each has a definition
of its own, which would drag the forehead along."""
SMOOTHING = 1e-3
MODE_SIGMA = 0.01
"""The assumed distance of corresponding points, outer eye distances, when modes are fitted."""
NEAR = 12
"""The number of nearest vertices whose triangles a point may lie on."""
MOVES_ALONG = 0.5
"""The share of the chin's way with an open jaw that tells the lower lip from the upper one."""
UPPER_RINGS = (
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
)
LOWER_RINGS = (
    (77, 90, 180, 85, 16, 315, 404, 320, 307),
    (96, 89, 179, 86, 15, 316, 403, 319, 325),
)
"""The teacher's vertices between the contours of the lips."""


@dataclass(frozen=True)
class Places:
    """Places on a surface: the corners (P, 3) of a triangle each, and their weights (P, 3)."""

    corners: IntArray
    weights: FloatArray

    def __call__(self, values: FloatArray) -> FloatArray:
        """Values (..., V, C) of vertices at the places, (..., P, C)."""
        return np.einsum("...pkc,pk->...pc", values[..., self.corners, :], self.weights)


def places_on_ict(ict: FaceModel, mean: FloatArray, landmarks: FloatArray) -> Places:
    """Find the places on ICT-FaceKit of the vertices of a mean face in the teacher's topology.

    Parameters
    ----------
    ict : as `edgeface.from_ict_facekit` reads it
    mean : float, shape (468, 3); landmarks : float, shape (68, 3), of the mean face

    Notes
    -----
    In turn, ICT's identity modes are fitted to the mean face, a thin-plate spline through the
    `SURE` landmarks takes up the rest, and each vertex moves to the nearest point of the surface. A
    point of one lip is never looked for on the other: lips that touch lie at the same place, and
    the open jaw tells them apart.
    """
    return _fitted_places(ict, mean, landmarks, SURE)[0]


def landmarks_on(
    ict: FaceModel, mean: FloatArray, landmarks: FloatArray, sure: IntArray
) -> FloatArray:
    """Where ICT-FaceKit's own 68 landmarks lie on a mean face (468, 3) once it is fitted to it.

    Of the ``landmarks`` (68, 3) of the mean face, those of the indices ``sure`` are taken to be the
    same places as ICT-FaceKit's; see `places_on_ict`.
    """
    _, goal, (scale, rotation, shift) = _fitted_places(ict, mean, landmarks, sure)
    return (goal[ict.landmark_vertices[:, 0]] - shift) @ rotation / scale


def _fitted_places(
    ict: FaceModel, mean: FloatArray, landmarks: FloatArray, sure: IntArray
) -> tuple[Places, FloatArray, tuple[float, FloatArray, FloatArray]]:
    """The places, ICT's fitted shape (V, 3), and the similarity that takes the mean face to it."""
    open_jaw = ict.expression[list(ict.expression_names).index("jawOpen")]
    way = np.linalg.norm(open_jaw, axis=1)
    chin = way[ict.landmark_vertices[8, 0]]
    lower = way > MOVES_ALONG * chin
    upper_lip, lower_lip = _lips()
    face = ict.triangles[np.isin(ict.triangles, ict.face_vertices).all(axis=1)]
    modes = ict.identity[1:].astype(np.float64)
    goal = ict.mean.astype(np.float64)
    places: Places | None = None
    scale = rotation = shift = np.zeros(1)
    for _ in range(NUM_ROUNDS):
        points = goal[ict.landmark_vertices[sure, 0]]
        scale, rotation, shift = similarity(landmarks[None, sure], points, np.ones(len(sure)))
        near = scale[0] * mean @ rotation[0].T + shift[0]
        own = scale[0] * landmarks[sure] @ rotation[0].T + shift[0]
        spline = RBFInterpolator(own, points - own, kernel="thin_plate_spline", smoothing=SMOOTHING)
        moved = near + spline(near)
        places = _nearest(moved, goal, face, lower, upper_lip, lower_lip)
        goal = ict.mean + _fitted(places, ict.mean, modes, near)
    assert places is not None
    return places, goal, (float(scale[0]), rotation[0], shift[0])


def _lips() -> tuple[set[int], set[int]]:
    corners = {61, 291, 78, 308, 76, 306, 62, 292}
    upper = {*contours.UPPER_LIP, *contours.UPPER_LIP_INSIDE, *UPPER_RINGS[0], *UPPER_RINGS[1]}
    lower = {*contours.LOWER_LIP, *contours.LOWER_LIP_INSIDE, *LOWER_RINGS[0], *LOWER_RINGS[1]}
    return upper - corners, lower - corners


def _nearest(
    points: FloatArray, surface: FloatArray, triangles: IntArray, lower: BoolArray,
    upper_lip: set[int], lower_lip: set[int],
) -> Places:  # fmt: skip
    jaw = lower[triangles]
    parts = {
        "any": triangles,
        "upper": triangles[~jaw.any(axis=1)],
        "lower": triangles[jaw.all(axis=1)],
    }
    corners = np.zeros((len(points), 3), np.int32)
    weights = np.zeros((len(points), 3))
    for name, part in parts.items():
        used = np.unique(part)
        tree = KDTree(surface[used])
        wanted = [
            i for i in range(len(points))
            if ("upper" if i in upper_lip else "lower" if i in lower_lip else "any") == name
        ]  # fmt: skip
        for i in wanted:
            around = used[tree.query(points[i], k=NEAR)[1]]
            candidates = part[np.isin(part, around).any(axis=1)]
            share = barycentric(points[i], surface[candidates])
            distance = np.linalg.norm(
                np.einsum("tkc,tk->tc", surface[candidates], share) - points[i], axis=1
            )
            best = int(distance.argmin())
            corners[i], weights[i] = candidates[best], share[best]
    return Places(corners, weights)


def barycentric(point: FloatArray, corners: FloatArray) -> FloatArray:
    """Weights (T, 3) of a point near each triangle (T, 3, 3), clipped to the triangle."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, point - a
    d00, d01, d11 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    d20, d21 = (ap * ab).sum(1), (ap * ac).sum(1)
    determinant = d00 * d11 - d01**2 + 1e-18
    v, w = (d11 * d20 - d01 * d21) / determinant, (d00 * d21 - d01 * d20) / determinant
    share = np.clip(np.stack([1 - v - w, v, w], axis=1), 0, None)
    return share / share.sum(axis=1, keepdims=True)


def _fitted(places: Places, mean: FloatArray, modes: FloatArray, goal: FloatArray) -> FloatArray:
    """The sum of identity modes that brings the places nearest to a goal (P, 3)."""
    design = places(modes).reshape(len(modes), -1).T
    rest = (goal - places(mean.astype(np.float64))).ravel()
    left = design.T @ design + MODE_SIGMA**2 * np.eye(len(modes))
    return np.tensordot(np.linalg.solve(left, design.T @ rest), modes, 1)
