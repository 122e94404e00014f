"""The linear map from mesh vertices to the 68 landmarks, learned from human labels."""

from __future__ import annotations

import numpy as np

from edgeface.reference.geometry.alignment import LANDMARK_MIRROR
from edgeface.types import FloatArray, IntArray

NUM_NEIGHBOURS = 10
NUM_ON_EDGE = 5
NUM_CONTOUR = 17
MAX_CONTOUR_YAW_DEG = 12.0
RIDGE = 0.5
"""The weight of the prior, as a number of faces whose neighbours lie one inter-ocular distance
off."""

UPPER_LIP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LOWER_LIP = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
UPPER_LIP_INSIDE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP_INSIDE = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
RIGHT_BROW = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)
RIGHT_UPPER_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_LOWER_LID = (33, 7, 163, 144, 145, 153, 154, 155, 133)
EDGES: dict[int, tuple[int, ...]] = {
    **dict.fromkeys(range(17, 22), RIGHT_BROW),
    36: (33, 7, 246, 130),
    **dict.fromkeys((37, 38), RIGHT_UPPER_LID),
    39: (133, 155, 173, 243),
    **dict.fromkeys((40, 41), RIGHT_LOWER_LID),
    48: (61, 76, 146, 185),
    **dict.fromkeys((49, 50, 51), UPPER_LIP),
    **dict.fromkeys((55, 56, 57), LOWER_LIP),
    60: (62, 78, 95, 191),
    **dict.fromkeys((61, 62), UPPER_LIP_INSIDE),
    **dict.fromkeys((65, 66), LOWER_LIP_INSIDE),
}
"""For a landmark, the mesh's vertices along the lid, lip or brow that it lies on; its mirror
partner lies on their mirror images. A landmark made of both lids, or of a lid and the fold above
it, would only half shut when they meet."""


def learn_landmark_map(
    meshes: FloatArray,
    landmarks: FloatArray,
    yaw_deg: FloatArray,
    permutation: IntArray,
) -> tuple[IntArray, FloatArray]:
    """Learn up to ten vertices and their weights for each landmark.

    Parameters
    ----------
    meshes : float, shape (N, V, 3), image_px
    landmarks : float, shape (N, 68, 2), image_px, labelled by people
    yaw_deg : float, shape (N,)
    permutation : int, shape (V,), each vertex's mirror partner

    Returns
    -------
    vertices : int32, shape (68, 10); weights : float32, shape (68, 10), rows sum to 1
        A landmark of `EDGES` is a sum of the five nearest vertices of its edge; the rest of its row
        weighs nothing. Landmarks 0..16 are learned from nearly frontal faces alone, since
        annotators of 300-W slide them along the visible outline and the model's must stay fixed on
        the surface. The map is exactly mirror-symmetric.
    """
    interocular = np.linalg.norm(landmarks[:, 45] - landmarks[:, 36], axis=1)
    points = meshes[..., :2] / interocular[:, None, None]
    targets = landmarks / interocular[:, None, None]
    frontal = np.abs(yaw_deg) < MAX_CONTOUR_YAW_DEG
    num_vertices: int = meshes.shape[1]
    all_vertices = np.zeros((68, NUM_NEIGHBOURS), np.int32)
    all_weights = np.zeros((68, NUM_NEIGHBOURS), np.float32)
    for landmark in range(68):
        partner = LANDMARK_MIRROR[landmark]
        if partner < landmark:
            all_vertices[landmark] = permutation[all_vertices[partner]]
            all_weights[landmark] = all_weights[partner]
            continue
        faces = frontal if landmark < NUM_CONTOUR else np.ones(len(meshes), bool)
        # the mirrored half of the data: its landmark is the partner, its vertices the partners'
        sides = [
            (points[faces], targets[faces, landmark]),
            (points[faces][:, permutation], targets[faces, partner]),
        ]
        vertices = _nearest(sides, permutation, partner == landmark, EDGES.get(landmark))
        weights = _weights(sides, vertices)
        if partner == landmark:
            weights = _symmetric(vertices, weights, permutation)
        # the rest of a row weighs nothing, but names every vertex once
        rest = np.setdiff1d(np.arange(num_vertices), vertices)
        all_vertices[landmark] = np.concatenate([vertices, rest])[:NUM_NEIGHBOURS]
        all_weights[landmark, : len(vertices)] = weights
    return all_vertices, all_weights


def _nearest(
    sides: list[tuple[FloatArray, FloatArray]],
    permutation: IntArray,
    on_midline: bool,
    edge: tuple[int, ...] | None,
) -> IntArray:
    """The vertices nearest to a landmark: of its edge if it has one, otherwise of the mesh."""
    medians = [
        np.median(np.linalg.norm(points - target[:, None], axis=2), axis=0)
        for points, target in sides
    ]
    distance = np.sum(medians, axis=0)
    count = NUM_NEIGHBOURS
    if edge is not None:
        count = min(NUM_ON_EDGE, len(edge))
        elsewhere = np.ones(len(distance), bool)
        elsewhere[list(edge)] = False
        distance[elsewhere] = np.inf
    if on_midline:
        distance = distance + distance[permutation]
        order = np.argsort(distance, kind="stable")
        chosen: list[int] = []
        for vertex in order.tolist():
            pair = {vertex, int(permutation[vertex])} - set(chosen)
            if len(chosen) + len(pair) <= count:
                chosen += sorted(pair)
        return np.array(chosen[:count])
    return np.argsort(distance, kind="stable")[:count]


def _weights(sides: list[tuple[FloatArray, FloatArray]], vertices: IntArray) -> FloatArray:
    """The vertices' weights, which sum to 1, by a ridge towards equal ones."""
    start = np.full(len(vertices), 1.0 / len(vertices))
    normal = np.zeros((len(vertices), len(vertices)))
    right = np.zeros(len(vertices))
    for points, target in sides:
        near = points[:, vertices]
        residual = target - np.einsum("nkc,k->nc", near, start)
        keep = np.linalg.norm(residual, axis=1) < 0.25  # a mislabelled or missed face
        relative = (near - near.mean(axis=1, keepdims=True))[keep]
        normal += np.einsum("nkc,nlc->kl", relative, relative)
        right += np.einsum("nkc,nc->k", relative, residual[keep])
    normal += RIDGE * np.eye(len(vertices))
    update = np.linalg.solve(normal, right)
    return start + update - update.mean()


def _symmetric(vertices: IntArray, weights: FloatArray, permutation: IntArray) -> FloatArray:
    place = {int(v): i for i, v in enumerate(vertices)}
    partner = np.array([place.get(int(permutation[v]), i) for i, v in enumerate(vertices)])
    return (weights + weights[partner]) / 2
