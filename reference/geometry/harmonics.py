"""Manifold harmonics of a triangle mesh: the smoothest functions on it."""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.kinds import NUM_HARMONICS
from edgeface.types import FloatArray, IntArray

SHIFT = -1e-3  # in units of the mean eigenvalue; below the smallest, so that the factor exists


def cotangent_laplacian(vertices: FloatArray, triangles: IntArray) -> tuple[csr_array, FloatArray]:
    """Stiffness matrix and lumped masses of a mesh.

    Parameters
    ----------
    vertices : float, shape (V, 3)
    triangles : int, shape (T, 3)

    Returns
    -------
    stiffness : sparse (V, V), symmetric, positive semidefinite; rows sum to 0
    masses : shape (V,), a third of the area of the triangles around each vertex

    Notes
    -----
    Off the diagonal, minus half the cotangents of the two angles that face an edge (Pinkall and
    Polthier 1993). Borders are free.
    """
    corners = vertices.astype(np.float64)[triangles]
    rows: list[IntArray] = []
    columns: list[IntArray] = []
    values: list[FloatArray] = []
    doubled = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    flat = doubled < 1e-12 * doubled.max(initial=0.0)
    for k in range(3):
        a, b = corners[:, (k + 1) % 3] - corners[:, k], corners[:, (k + 2) % 3] - corners[:, k]
        half = np.einsum("tc,tc->t", a, b) / np.where(flat, 1.0, doubled) / 2
        rows += [triangles[~flat, (k + 1) % 3], triangles[~flat, (k + 2) % 3]]
        columns += [triangles[~flat, (k + 2) % 3], triangles[~flat, (k + 1) % 3]]
        values += [half[~flat], half[~flat]]
    index = np.concatenate(rows), np.concatenate(columns)
    count = len(vertices)
    edges = csr_array((np.concatenate(values), index), shape=(count, count))
    stiffness = diags_array(np.asarray(edges.sum(axis=1))) - edges
    masses = np.bincount(triangles.ravel(), np.repeat(doubled / 6, 3), count).astype(np.float64)
    return csr_array(stiffness), masses


def manifold_harmonics(
    vertices: FloatArray, triangles: IntArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """The ``count`` smoothest functions on a mesh.

    Parameters
    ----------
    vertices : float, shape (V, 3); triangles : int, shape (T, 3)
    count : how many functions are wanted; fewer than there are vertices in triangles

    Returns
    -------
    eigenvalues : shape (count,), ascending, from 0
    functions : shape (V, count), orthonormal under the masses
        The first is constant on a connected mesh. The largest value of each is positive. At
        vertices that belong to no triangle all are 0.

    Raises
    ------
    InvalidInputError
        If the mesh is too small for so many.

    Notes
    -----
    Vallet and Levy 2008: ``L h = lambda M h`` with the matrices of `cotangent_laplacian`,
    solved by shift and invert around 0.
    """
    stiffness, masses = cotangent_laplacian(vertices, triangles)
    used = np.flatnonzero(masses > 0)
    if not 0 < count < len(used):
        raise InvalidInputError(
            f"{count} harmonics need a mesh of more vertices with triangles, got {len(used)}"
        )
    # in functions times the root of their mass, the problem is an ordinary symmetric one
    root = np.sqrt(masses[used])
    scaled = diags_array(1 / root) @ stiffness[used][:, used] @ diags_array(1 / root)
    shift = SHIFT * float(np.mean(scaled.diagonal()))
    start = np.random.default_rng(0).normal(size=len(used))  # the default is not reproducible
    values, vectors = eigsh(scaled.tocsc(), count, sigma=shift, v0=start)
    order = np.argsort(values)
    functions = np.zeros((len(vertices), count))
    functions[used] = vectors[:, order] / root[:, None]
    largest = np.abs(functions).argmax(axis=0)
    functions *= np.where(functions[largest, range(count)] < 0, -1.0, 1.0)
    return np.maximum(values[order], 0.0), functions


def with_harmonics(model: FaceModel) -> FaceModel:
    """The same face model with the harmonics of its mean, by which a fusion network corrects it."""
    functions = manifold_harmonics(model.mean, model.triangles, NUM_HARMONICS)[1]
    return replace(model, harmonics=functions.astype(np.float32))
