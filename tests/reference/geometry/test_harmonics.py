"""Manifold harmonics against a dense solver, a sphere, and their own definition."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.spatial import ConvexHull

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.face_model_import import from_ict_facekit
from edgeface.reference.geometry.harmonics import (
    cotangent_laplacian,
    manifold_harmonics,
    with_harmonics,
)

COUNT = 20


def check(vertices, triangles, values, functions):
    """What defines harmonics: order, eigenproblem, orthonormality, a constant at 0."""
    stiffness, masses = cotangent_laplacian(vertices, triangles)
    assert (np.diff(values) >= 0).all()
    assert values[0] == pytest.approx(0, abs=1e-9)
    assert values[1] > 0.1
    np.testing.assert_allclose(functions[:, 0], masses.sum() ** -0.5, rtol=1e-9)
    gram = functions.T @ (masses[:, None] * functions)
    np.testing.assert_allclose(gram, np.eye(len(values)), atol=1e-10)
    image = masses[:, None] * functions * values
    np.testing.assert_allclose(stiffness @ functions, image, atol=1e-9 * values[-1])


def test_harmonics_of_the_face_are_those_of_a_dense_solver(face_model):
    values, functions = manifold_harmonics(face_model.mean, face_model.triangles, COUNT)
    check(face_model.mean, face_model.triangles, values, functions)
    stiffness, masses = cotangent_laplacian(face_model.mean, face_model.triangles)
    expected, vectors = eigh(stiffness.toarray(), np.diag(masses))
    np.testing.assert_allclose(values, expected[:COUNT], atol=1e-8)
    same = np.abs(np.einsum("vk,v,vk->k", functions, masses, vectors[:, :COUNT]))
    np.testing.assert_allclose(same, 1, atol=1e-8)  # the same up to sign


def test_harmonics_of_ict_facekit(data_folder):
    model = from_ict_facekit(data_folder / "ict_facekit_light.npz")
    check(model.mean, model.triangles, *manifold_harmonics(model.mean, model.triangles, COUNT))


def test_harmonics_of_a_sphere_have_the_known_eigenvalues():
    turn = np.arange(2000) * np.pi * (3 - 5**0.5)
    z = np.linspace(1 - 1 / 2000, 1 / 2000 - 1, 2000)
    ring = np.sqrt(1 - z**2)
    points = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)
    hull = ConvexHull(points)
    values, _ = manifold_harmonics(points, hull.simplices, 16)
    expected = np.repeat([0, 2, 6, 12], [1, 3, 5, 7])  # l (l + 1), 2 l + 1 times
    np.testing.assert_allclose(values, expected, rtol=0.01, atol=1e-9)


def test_vertices_of_no_triangle_do_not_take_part(face_model):
    values, _ = manifold_harmonics(face_model.mean, face_model.triangles, 5)
    more = np.concatenate([face_model.mean, [[9.0, 9.0, 9.0]]])
    again, extended = manifold_harmonics(more, face_model.triangles, 5)
    np.testing.assert_allclose(again, values, atol=1e-9)
    assert (extended[-1] == 0).all()


@pytest.mark.parametrize("count", [0, 3, 4])
def test_a_mesh_has_fewer_harmonics_than_vertices(count):
    with pytest.raises(InvalidInputError, match="more vertices with triangles, got 3"):
        manifold_harmonics(np.eye(3), np.array([[0, 1, 2]]), count)


def test_harmonics_travel_with_the_face_model(face_model, tmp_path):
    model = with_harmonics(face_model)
    model.save(tmp_path / "model.npz")
    again = FaceModel.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.harmonics, model.harmonics)
    assert again.sha256 == face_model.sha256  # the coefficients mean the same
    assert FaceModel.from_bytes(face_model.to_bytes()).harmonics is None
