"""The 68 landmarks as three free witnesses place them, and their map on the teacher's mesh.

What the 68 points are is drawn in papers, but told exactly by data for research alone. Three
sources that anyone may use place them too, each a little otherwise: people's points on portraits,
which have other points between the corners; ICT-FaceKit's list of 68 vertices; and the lists of the
teacher's vertices that go from hand to hand in public programs. The median of the three is taken.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from edgeface.face_model import FaceModel
from edgeface.reference.face_model.ict import barycentric, landmarks_on
from edgeface.reference.face_model.landmark_map import EDGES, NUM_NEIGHBOURS, RIGHT_BROW
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR
from edgeface.types import FloatArray, IntArray

COMMON = np.array([8, 31, 35, 36, 39, 42, 45, 48, 51, 54, 57, 62, 66])
"""The landmarks that are the same place of a face to everybody: chin, wings of the nose, corners of
eyes and mouth, middles of the lips."""
RIGHT_HALF: dict[int, tuple[int, ...]] = {
    0: (127,), 1: (234,), 2: (93,), 3: (132, 58), 4: (58, 172), 5: (136,), 6: (150,), 7: (176,),
    8: (152,), 17: (70,), 18: (63,), 19: (105,), 20: (66,), 21: (107,),
    27: (168,), 28: (197,), 29: (5,), 30: (4,), 31: (98, 75), 32: (97,), 33: (2,),
    36: (33,), 37: (160,), 38: (158,), 39: (133,), 40: (153,), 41: (144,),
    48: (61,), 49: (39, 40), 50: (37,), 51: (0,), 57: (17,), 58: (84,), 59: (91,),
    60: (78,), 61: (81, 82), 62: (13,), 66: (14,), 67: (87,),
}  # fmt: skip
"""The teacher's vertices of the landmarks of the right half as most lists have them, two where they
are at odds."""
UPPER_BROW, LOWER_BROW = RIGHT_BROW[:5], RIGHT_BROW[5:]
BROW_EDGES = [
    *pairwise(UPPER_BROW),
    *pairwise(LOWER_BROW),
    *zip(UPPER_BROW, LOWER_BROW, strict=True),
]
SHORTEST_EDGE = 5
"""Landmarks whose `EDGES` have no more vertices are corners, which may lie off them."""

LIDS = (37, 38, 40, 41, 43, 44, 46, 47)
"""The landmarks between the corners of eyes."""


def agreed_map(
    mean: FloatArray,
    triangles: IntArray,
    permutation: IntArray,
    learned: tuple[IntArray, FloatArray],
    ict: FaceModel,
) -> tuple[IntArray, FloatArray]:
    """The landmarks' vertices (68, 10) and their weights, as `learn_landmark_map` gives them.

    Parameters
    ----------
    mean : float, shape (468, 3), a mirror-symmetric face in the teacher's topology
    triangles : int, shape (T, 3); permutation : int, shape (468,), each vertex's mirror partner
    learned : the map that people's points taught, with lids by `lids_on_edges`
    ict : ICT-FaceKit, as `edgeface.from_ict_facekit` reads it

    Notes
    -----
    A landmark of a lid, a lip or a brow lies between two neighbours of its edge, any other within a
    triangle, where the median comes nearest to the mesh. `LIDS` stay as they were learned: those of
    an upper and of a lower lid must meet when the eye shuts, as points of one witness do. The map
    is exactly mirror-symmetric.
    """
    people = np.einsum("lkc,lk->lc", mean[learned[0]], learned[1])
    listed = listed_landmarks(mean, permutation)
    places = landmarks_on(ict, mean, listed, COMMON)
    wanted = np.median([_symmetric(p) for p in (people, listed, places)], axis=0)
    vertices, weights = learned[0].copy(), learned[1].copy()
    for landmark in np.setdiff1d(np.arange(68), LIDS).tolist():
        partner = LANDMARK_MIRROR[landmark]
        if partner < landmark:
            continue
        share = _share(landmark, wanted[landmark], mean, triangles)
        if partner == landmark:
            share = (share + share[permutation]) / 2
        for at, own in ((landmark, share), (partner, share[permutation])):
            vertices[at] = np.argsort(-own, kind="stable")[:NUM_NEIGHBOURS]
            weights[at] = own[vertices[at]]
    return vertices, weights


def listed_landmarks(mean: FloatArray, permutation: IntArray) -> FloatArray:
    """The landmarks (68, 3) of a face (468, 3) by the lists of the teacher's vertices."""
    found = np.zeros((68, 3))
    for landmark, chosen in RIGHT_HALF.items():
        found[landmark] = mean[list(chosen)].mean(axis=0)
        found[LANDMARK_MIRROR[landmark]] = mean[permutation[list(chosen)]].mean(axis=0)
    return found


def _symmetric(landmarks: FloatArray) -> FloatArray:
    return (landmarks + landmarks[LANDMARK_MIRROR] * [-1, 1, 1]) / 2


def _share(landmark: int, point: FloatArray, mean: FloatArray, triangles: IntArray) -> FloatArray:
    """The weights (468,) of the mesh's vertices that bring a landmark nearest to a point (3,)."""
    share = np.zeros(len(mean))
    edge = EDGES.get(landmark, ())
    if len(edge) > SHORTEST_EDGE:
        pieces = np.array(BROW_EDGES if edge == RIGHT_BROW else list(pairwise(edge)))
        start, way = mean[pieces[:, 0], :2], np.diff(mean[pieces][..., :2], axis=1)[:, 0]
        along = np.clip(((point[:2] - start) * way).sum(1) / (way**2).sum(1), 0, 1)
        best = int(np.linalg.norm(start + along[:, None] * way - point[:2], axis=1).argmin())
        share[pieces[best]] = [1 - along[best], along[best]]
        return share
    inside = barycentric(point, mean[triangles])
    found = np.einsum("tkc,tk->tc", mean[triangles], inside)
    best = int(np.linalg.norm(found - point, axis=1).argmin())
    share[triangles[best]] = inside[best]
    return share
