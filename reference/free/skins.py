"""Skins of the head, a colour a vertex, from portraits in even light.

They are mixed, so that nobody real results.
"""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree

from edgeface.reference.data.packs import Pack
from edgeface.reference.free.ict import Head
from edgeface.reference.geometry.alignment import similarity, to_model_axes
from edgeface.reference.personal.render import loops
from edgeface.types import BoolArray, FloatArray, IntArray

POINT_SIGMA_CM = 0.1
LEAST_FACING = 0.35
"""The cosine of normal and line of sight from which on a vertex is seen well."""
COVERED_CM = 1.0
ROUNDS = 3
SPREAD = 120
"""Steps by which colours spread to vertices that no portrait shows."""


def read_skins(pack: Pack, head: Head) -> FloatArray:
    """The skins (N, V, 3), in [0, 1], of the neutral faces of a pack; sRGB values.

    The head's modes and shapes are fitted to a portrait's mesh, its vertices are looked up in the
    picture, and what they show is divided by its light: the harmonics of the first order that turn
    the mean of all skins into it.
    """
    fitted = list(_unwrapped(pack, head))
    colours = np.stack([colour for colour, _, _ in fitted])
    weights = np.stack([weight for _, weight, _ in fitted])[..., None]
    mean = (colours * weights).sum(0) / np.maximum(weights.sum(0), 1e-6)
    skins = np.empty_like(colours)
    for i, (colour, weight, normal) in enumerate(fitted):
        basis = np.concatenate([np.ones_like(normal[:, :1]), normal], axis=1)
        light = np.ones_like(colour)
        for channel in range(3):
            rows = basis * (mean[:, channel] * weight)[:, None]
            gram = rows.T @ rows + 0.05 * np.trace(rows.T @ rows) / 4 * np.eye(4)
            light[:, channel] = basis @ np.linalg.solve(
                gram, rows.T @ (colour[:, channel] * weight)
            )
        # how bright the skin is stays; only how light falls on it is taken away
        level = (light * weight[:, None]).sum(0) / weight.sum()
        skins[i] = colour / np.clip(light / level, 0.5, 2.0)
    step = _neighbours(head)
    return np.stack([_spread(s, w[:, 0], step) for s, w in zip(skins, weights, strict=True)])


def mixed_skin(skins: FloatArray, random: np.random.Generator) -> FloatArray:
    """A skin (V, 3) of two or three people of about one tone, none with more than six tenths."""
    tone = np.median(skins.mean(axis=2), axis=1)
    first = int(random.integers(len(skins)))
    near = np.argsort(np.abs(tone - tone[first]))[1:16]
    others = random.choice(near, 2, replace=False)
    share = random.uniform(0.35, 0.6)
    rest = (1 - share) * random.choice([0.5, 0.7, 1.0])
    skin = share * skins[first] + rest * skins[others[0]]
    skin = skin + (1 - share - rest) * skins[others[1]]
    return np.clip(skin * random.uniform(0.8, 1.15) * random.normal(1, 0.05, 3), 0, 1)


def _unwrapped(pack: Pack, head: Head) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    chosen = [
        i for i in range(len(pack.image_names))
        if np.isfinite(pack.labels["landmarks68"][i]).all()
        and pack.labels["origin"][i] and len(pack.labels["group"][i]) == 3
    ]  # fmt: skip
    for index, pixels in pack.images(np.array(chosen)):
        points, normal, weight = _placed(head, pack.labels["mesh"][index])
        at = points[:, [1, 0]].T - 0.5
        image = pixels.astype(np.float32) / 255
        colour = np.stack([map_coordinates(image[..., c], at, order=1, mode="nearest")
                           for c in range(3)], axis=1)  # fmt: skip
        yield colour, weight, normal


def _placed(head: Head, mesh: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The head's vertices (V, 2) in a picture by a mesh there, their normals, and how well seen."""
    target = to_model_axes(mesh.astype(np.float64))
    basis = np.concatenate([head.modes, head.shapes]).astype(np.float64)
    design = head.places(basis).reshape(len(basis), -1).T
    gram = design.T @ design + POINT_SIGMA_CM**2 * np.eye(len(basis))
    shape: FloatArray = head.neutral.astype(np.float64)
    scale = rotation = shift = np.zeros(1)
    for _ in range(ROUNDS):
        points = head.places(shape)
        scale, rotation, shift = similarity(points[None], target, np.ones(len(points)))
        goal = (target - shift[0]) @ rotation[0] / scale[0]
        rest = (goal - head.places(head.neutral.astype(np.float64))).ravel()
        weights = np.asarray(np.linalg.solve(gram, design.T @ rest), np.float64)
        shape = head.neutral + np.tensordot(weights, basis, 1)
    turned = shape @ rotation[0].T
    normal = vertex_normals(turned, head.triangles)
    placed = scale[0] * turned + shift[0]
    weight = np.where(_near_mesh(head) & (normal[:, 2] > LEAST_FACING), normal[:, 2], 0.0)
    return placed[:, :2] * [1, -1], normal, weight


def _near_mesh(head: Head) -> BoolArray:
    """Which vertices of the face the teacher's mesh covers: not those under the chin."""
    distance, _ = KDTree(head.places(head.neutral)).query(head.neutral)
    return head.is_face & (distance < COVERED_CM)


def vertex_normals(vertices: FloatArray, triangles: IntArray) -> FloatArray:
    """Unit normals (V, 3) of a surface, outward where corners run counter-clockwise."""
    total = loops.normals(vertices[None].astype(np.float32), triangles)[0]
    return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12)


def _spread(skin: FloatArray, weight: FloatArray, step: csr_matrix) -> FloatArray:
    """The skin with colours of unseen vertices flowing in from their neighbours'."""
    known = weight > 0
    typical = np.median(skin[known], axis=0)
    filled = np.where(known[:, None], skin, typical)
    for _ in range(SPREAD):
        filled = np.where(known[:, None], skin, 0.98 * (step @ filled) + 0.02 * typical)
    return filled


def _neighbours(head: Head) -> csr_matrix:
    triangles, count = head.triangles, len(head.neutral)
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    matrix = csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    total = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1)
    return csr_matrix(matrix.multiply(1 / total[:, None]))
