import numpy as np
import pytest

from edgeface.reference.data.packs import expression_scores
from edgeface.reference.geometry.fit import fit_landmarks, fit_meshes
from tests.reference.conftest import TEACHER_NAMES, random_faces, teacher_meshes


def angle_deg(a, b):
    cosine = (np.einsum("nij,nij->n", a, b) - 1) / 2
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))


@pytest.fixture
def known(face_model, random):
    fit, scores = random_faces(face_model, 6, random, 128.0, 90.0)
    meshes = teacher_meshes(face_model, fit)[:, :468]
    return fit, meshes, expression_scores(scores, np.array(TEACHER_NAMES))


def test_fit_meshes_recovers_known_faces(face_model, known):
    truth, meshes, scores = known
    fit = fit_meshes(face_model, meshes, scores)
    # pitch and the identity modes that look like it share what few rounds leave: up to 0.8 degrees
    # over seeds, with this face model as with the one before it
    angles = angle_deg(fit.rotation, truth.rotation)
    assert angles.mean() < 0.6
    assert angles.max() < 0.9
    np.testing.assert_allclose(fit.scale_px, truth.scale_px, rtol=0.02)
    # the scores are a prior, so identity may take a little of the expression
    np.testing.assert_allclose(fit.expression, truth.expression, atol=0.1)
    error = np.linalg.norm(fit.landmarks(face_model) - truth.landmarks(face_model), axis=2)
    assert error.max() < 0.5
    assert fit.residual.max() < 0.005
    assert (fit.identity[:, 0] == 1).all()
    assert ((fit.expression >= 0) & (fit.expression <= 1)).all()


def test_fit_meshes_shrugs_off_outliers(face_model, known, random):
    truth, meshes, scores = known
    wild = meshes.copy()
    rows = random.permutation(468)[:40]
    wild[:, rows] += random.normal(0, 40, (6, 40, 3))
    fit = fit_meshes(face_model, wild, scores)
    assert angle_deg(fit.rotation, truth.rotation).max() < 1.0
    error = np.linalg.norm(fit.landmarks(face_model) - truth.landmarks(face_model), axis=2)
    assert error.mean() < 0.5


def test_fit_landmarks_explains_points_and_pose(face_model, known):
    truth, _, _ = known
    points = truth.landmarks(face_model)
    fit = fit_landmarks(face_model, points)
    error = np.linalg.norm(fit.landmarks(face_model) - points, axis=2) / truth.scale_px[:, None]
    assert error.mean() < 0.03
    assert angle_deg(fit.rotation, truth.rotation).mean() < 10


def test_face_boxes_hold_the_landmarks(face_model, known):
    truth, _, _ = known
    boxes, points = truth.face_boxes(face_model), truth.landmarks(face_model)
    slack = 0.02 * (boxes[:, 2:] - boxes[:, :2])  # the landmark map extrapolates a little
    assert (points.min(axis=1) >= boxes[:, :2] - slack).all()
    assert (points.max(axis=1) <= boxes[:, 2:] + slack).all()
