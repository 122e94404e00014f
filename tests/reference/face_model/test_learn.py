import numpy as np
import pytest

from edgeface.reference.face_model.corpus import read_corpus
from edgeface.reference.face_model.learn import learn
from edgeface.reference.face_model.picture import draw_shapes
from edgeface.reference.face_model.residuals import landmark_map_nme, residuals
from edgeface.reference.geometry.alignment import (
    EXPRESSION_MIRROR,
    LANDMARK_MIRROR,
    align,
    mirror_permutation,
    similarity,
)
from tests.reference.conftest import rotation


def test_similarity_recovers_a_known_one(random):
    source = random.normal(size=(3, 20, 3))
    turns = np.stack([rotation(10, 20, 30), rotation(-50, 5, 170), np.eye(3)])
    scales, shifts = np.array([2.0, 0.3, 1.0]), random.normal(size=(3, 3))
    target = scales[:, None, None] * np.einsum("nij,nvj->nvi", turns, source) + shifts[:, None]
    scale, turn, shift = similarity(source, target, np.ones(20))
    np.testing.assert_allclose(scale, scales)
    np.testing.assert_allclose(turn, turns, atol=1e-9)
    np.testing.assert_allclose(shift, shifts)
    np.testing.assert_allclose(align(source, target, np.ones(20)), target)


def test_similarity_never_mirrors(random):
    source = random.normal(size=(1, 20, 3))
    _, turn, _ = similarity(source, source * [-1, 1, 1], np.ones(20))
    assert np.linalg.det(turn[0]) == pytest.approx(1.0)


def test_mirrors_are_involutions():
    assert (LANDMARK_MIRROR[LANDMARK_MIRROR] == np.arange(68)).all()
    assert (EXPRESSION_MIRROR[EXPRESSION_MIRROR] == np.arange(46)).all()


def test_mirror_permutation_finds_partners(random):
    right = random.uniform([0.2, -1, -1], [1, 1, 1], (15, 3))
    midline = random.uniform([0, -1, -1], [0, 1, 1], (4, 3))
    mean = np.concatenate([right, right * [-1, 1, 1], midline])
    permutation, symmetric = mirror_permutation(mean + random.normal(0, 0.003, mean.shape))
    assert permutation.tolist() == [*range(15, 30), *range(15), *range(30, 34)]
    np.testing.assert_allclose(symmetric[permutation] * [-1, 1, 1], symmetric, atol=1e-12)


def test_draw_shapes_writes_a_picture(face_model, tmp_path):
    draw_shapes(face_model, tmp_path / "shapes.png")
    assert (tmp_path / "shapes.png").stat().st_size > 100_000


@pytest.fixture(scope="module")
def unseen(data_folder):
    return read_corpus(data_folder, validation=True)


def test_learn_reproduces_the_shipped_model(data_folder, face_model):
    learned = learn(data_folder)
    np.testing.assert_allclose(learned.mean, face_model.mean, atol=2e-3)
    np.testing.assert_allclose(learned.expression, face_model.expression, atol=5e-3)


def test_shipped_model_explains_unseen_meshes(face_model, unseen):
    error = residuals(face_model, unseen)
    assert error["scores"] < 0.6 < 3.0 < error["mean_only"]


def test_landmark_map_agrees_with_people_on_unseen_photos(face_model, unseen):
    error = landmark_map_nme(face_model, unseen)
    assert error["51"] < 3.0
    assert error["68"] < 4.2
