"""Similarity alignment and mirror symmetry of face meshes."""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.types import FloatArray, IntArray

MOST_ASYMMETRY = 0.1
"""How far a mode may miss its own mirror image, as a share of itself, and still be even or odd."""
RIDGE = 1e-4

LANDMARK_MIRROR = np.concatenate(
    [
        np.arange(17)[::-1],
        np.arange(17, 27)[::-1],
        np.arange(27, 31),
        np.arange(31, 36)[::-1],
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65],
    ]
)
"""For each of the 68 landmarks, the index of the one that takes its place in a mirror."""


def _mirror_name(name: str) -> str:
    return name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")


EXPRESSION_MIRROR = np.array([EXPRESSION_NAMES.index(_mirror_name(n)) for n in EXPRESSION_NAMES])
"""For each of `EXPRESSION_NAMES`, the index of the expression that a mirror turns it into."""


def expression_mirror(model: FaceModel) -> IntArray:
    """For each expression of a model, the index of the one that a mirror turns it into, (46,).

    The names decide where they tell left from right. Otherwise the shapes do: expressions are
    paired so that their mirror images lie as near to their partners as possible.
    """
    names = model.expression_names
    if any(_mirror_name(name) != name for name in names) and all(
        _mirror_name(name) in names for name in names
    ):
        return np.array([names.index(_mirror_name(name)) for name in names])
    offsets = model.landmark_shapes[1].astype(np.float64)
    offsets = (offsets if offsets.ndim == 3 else offsets[0]).reshape(len(names), -1, 3)
    difference = mirrored(offsets, LANDMARK_MIRROR)[:, None] - offsets[None]
    return linear_sum_assignment((difference**2).sum(axis=(2, 3)))[1]


def identity_mirror(model: FaceModel) -> FloatArray:
    """What the mirror makes of identity coefficients: ``w @ matrix``, (50, 50).

    The default model's modes are even or odd under a mirror, so its matrix holds signs. For other
    models it is the least-squares solution at the landmarks.
    """
    modes = model.landmark_shapes[0].astype(np.float64)
    images = mirrored(modes, LANDMARK_MIRROR).reshape(len(modes), -1)
    flat = modes.reshape(len(modes), -1)
    signs = np.where((flat * images).sum(axis=1) < 0, -1.0, 1.0)
    signs[0] = 1.0
    asymmetry = np.linalg.norm(images - signs[:, None] * flat, axis=1)
    if (asymmetry < MOST_ASYMMETRY * np.linalg.norm(flat, axis=1)).all():
        return np.diag(signs)
    matrix = np.zeros((len(modes), len(modes)))
    matrix[0, 0] = 1.0  # the mean is the mean of mirror images too
    gram = flat[1:] @ flat[1:].T
    ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    matrix[1:, 1:] = np.linalg.solve(gram + ridge, flat[1:] @ images[1:].T).T
    return matrix


def to_model_axes(mesh: FloatArray) -> FloatArray:
    """Turn meshes (..., 3) from image axes to those of ``model``: y and z flip."""
    return mesh * np.array([1.0, -1.0, -1.0])


def similarity(
    source: FloatArray, target: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The weighted least-squares similarity from each source to its target.

    Parameters
    ----------
    source : float, shape (N, V, 3)
    target : float, shape (V, 3) or (N, V, 3)
    weights : float, shape (V,) or (N, V)

    Returns
    -------
    scale (N,), rotation (N, 3, 3), translation (N, 3) with
    ``target ~ scale * source @ rotation.T + translation``

    Notes
    -----
    Umeyama, "Least-squares estimation of transformation parameters", IEEE PAMI 13(4), 1991,
    Eqs. 34 to 43, doi:10.1109/34.88573.
    """
    w = np.broadcast_to(weights, source.shape[:2])
    w = w / w.sum(axis=1, keepdims=True)
    target = np.broadcast_to(target, source.shape)
    mean_source = np.einsum("nv,nvc->nc", w, source)
    mean_target = np.einsum("nv,nvc->nc", w, target)
    source_c = source - mean_source[:, None]
    target_c = target - mean_target[:, None]
    covariance = np.einsum("nv,nvi,nvj->nij", w, target_c, source_c, optimize=True)
    u, s, vt = np.linalg.svd(covariance)
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    variance = np.einsum("nv,nvc->n", w, source_c**2)
    scale = (s * sign).sum(axis=1) / variance
    translation = mean_target - scale[:, None] * np.einsum("nij,nj->ni", rotation, mean_source)
    return scale, rotation, translation


def align(source: FloatArray, target: FloatArray, weights: FloatArray) -> FloatArray:
    """Sources (N, V, 3) moved onto their targets by `similarity`."""
    scale, rotation, translation = similarity(source, target, weights)
    moved = np.einsum("nij,nvj->nvi", rotation, source)
    return scale[:, None, None] * moved + translation[:, None]


def rigid_mean(meshes: FloatArray, num_rounds: int = 8) -> tuple[FloatArray, FloatArray]:
    """The generalised Procrustes mean of meshes (N, V, 3), and the weights it was found with.

    A vertex weighs the inverse of its variance, so that an open jaw does not tilt the head.
    """
    weights = np.ones(meshes.shape[1])
    mean = meshes[0] - meshes[0].mean(axis=0)
    mean = mean / np.abs(mean).max()
    for _ in range(num_rounds):
        aligned = align(meshes, mean, weights)
        centre = np.median(aligned, axis=0)
        variance = np.mean((aligned - centre) ** 2, axis=(0, 2))
        weights = 1.0 / (variance + np.median(variance))
        # the mean keeps its own size and place, or the rounds would shrink it
        mean = align(centre[None], mean, weights)[0]
    return mean, weights


def mirror_permutation(mean: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find which vertex is the mirror image of which, and make the mean symmetric.

    Parameters
    ----------
    mean : float, shape (V, 3)
        It has to be nearly symmetric about the plane x = 0.

    Returns
    -------
    permutation : int, shape (V,)
        The mirror partner of each vertex; an involution.
    symmetric : float, shape (V, 3)
        The mean, exactly symmetric about the plane x = 0.
    """
    flip = np.array([-1.0, 1.0, 1.0])
    turned = mean - mean.mean(axis=0)
    permutation = np.arange(len(mean))
    for _ in range(10):
        distance = np.linalg.norm(turned[:, None] - (turned * flip)[None], axis=2)
        _, permutation = linear_sum_assignment(distance + distance.T)
        mirrored = turned[permutation] * flip
        turned = align(turned[None], (turned + mirrored) / 2, np.ones(len(mean)))[0]
    # An assignment of a symmetric cost may still hold a few longer cycles: pair those greedily.
    distance = np.linalg.norm(turned[:, None] - (turned * flip)[None], axis=2)
    permutation = _as_involution(permutation, distance)
    symmetric = (turned + turned[permutation] * flip) / 2
    return permutation, symmetric


def _as_involution(permutation: IntArray, distance: FloatArray) -> IntArray:
    result = permutation.copy()
    loose = [v for v in range(len(result)) if permutation[permutation[v]] != v]
    while loose:
        vertex = loose.pop(0)
        if loose and min(distance[vertex, u] for u in loose) < distance[vertex, vertex]:
            partner = min(loose, key=lambda u: distance[vertex, u])
            loose.remove(partner)
        else:
            partner = vertex
        result[vertex], result[partner] = partner, vertex
    return result


def mirrored(shapes: FloatArray, permutation: IntArray) -> FloatArray:
    """Mirror images of shapes (..., V, 3) about the plane x = 0."""
    return shapes[..., permutation, :] * np.array([-1.0, 1.0, 1.0])


def mapped_landmarks(meshes: FloatArray, model: FaceModel) -> FloatArray:
    """The 68 landmarks (..., 68, C) of meshes (..., V, C) that have the model's vertices."""
    corners = meshes[..., model.landmark_vertices, :]
    return np.einsum("...lkc,lk->...lc", corners, model.landmark_weights)
