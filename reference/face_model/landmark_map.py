"""The linear map from mesh vertices to the 68 landmarks, learned from human labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.reference.geometry.alignment import LANDMARK_MIRROR

Array = NDArray[Any]

NUM_NEIGHBOURS = 10
NUM_CONTOUR = 17
MAX_CONTOUR_YAW_DEG = 12.0


def learn_landmark_map(
    meshes: Array, landmarks: Array, yaw_deg: Array, permutation: Array, ridge: float = 2.0
) -> tuple[Array, Array]:
    """Ten vertices and ten weights for each landmark.

    Parameters
    ----------
    meshes : float, shape (N, V, 3), image_px
    landmarks : float, shape (N, 68, 2), image_px, labelled by people
    yaw_deg : float, shape (N,)
    permutation : int, shape (V,), mirror partners
    ridge : weight of the prior, in faces whose neighbours lie one inter-ocular distance off

    Returns
    -------
    vertices : int32, shape (68, 10); weights : float32, shape (68, 10), rows sum to 1
        Landmarks 0..16 are learned from nearly frontal faces alone: 300-W annotators slide them
        along the visible outline, and the model's must stay fixed on the surface. The map is
        exactly mirror-symmetric.
    """
    interocular = np.linalg.norm(landmarks[:, 45] - landmarks[:, 36], axis=1)
    points = meshes[..., :2] / interocular[:, None, None]
    targets = landmarks / interocular[:, None, None]
    frontal = np.abs(yaw_deg) < MAX_CONTOUR_YAW_DEG
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
        vertices = _nearest(sides, permutation, on_midline=partner == landmark)
        all_vertices[landmark] = vertices
        all_weights[landmark] = _weights(sides, vertices, ridge)
        if partner == landmark:
            all_weights[landmark] = _symmetric(vertices, all_weights[landmark], permutation)
    return all_vertices, all_weights


def _nearest(sides: list[tuple[Array, Array]], permutation: Array, on_midline: bool) -> Array:
    medians = [
        np.median(np.linalg.norm(points - target[:, None], axis=2), axis=0)
        for points, target in sides
    ]
    distance = np.sum(medians, axis=0)
    if on_midline:
        distance = distance + distance[permutation]
        order = np.argsort(distance, kind="stable")
        chosen: list[int] = []
        for vertex in order.tolist():
            pair = {vertex, int(permutation[vertex])} - set(chosen)
            if len(chosen) + len(pair) <= NUM_NEIGHBOURS:
                chosen += sorted(pair)
        return np.array(chosen[:NUM_NEIGHBOURS])
    return np.argsort(distance, kind="stable")[:NUM_NEIGHBOURS]


def _weights(sides: list[tuple[Array, Array]], vertices: Array, ridge: float) -> Array:
    """Ridge towards the nearest vertex's neighbourhood average, rows summing to 1."""
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
    normal += ridge * np.eye(len(vertices))
    update = np.linalg.solve(normal, right)
    return start + update - update.mean()


def _symmetric(vertices: Array, weights: Array, permutation: Array) -> Array:
    place = {int(v): i for i, v in enumerate(vertices)}
    partner = np.array([place.get(int(permutation[v]), i) for i, v in enumerate(vertices)])
    return (weights + weights[partner]) / 2
