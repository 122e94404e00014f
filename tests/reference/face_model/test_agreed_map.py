import numpy as np
import pytest

from edgeface.face_model_import import from_ict_facekit
from edgeface.reference.face_model.agreed_map import COMMON, agreed_map, listed_landmarks
from edgeface.reference.face_model.ict import landmarks_on
from edgeface.reference.face_model.own import read_face_model
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR, mirror_permutation


@pytest.fixture(scope="module")
def model():
    return read_face_model("free")


@pytest.fixture(scope="module")
def permutation(model):
    return mirror_permutation(model.mean.astype(np.float64))[0]


def percent(distance, landmarks):
    return 100 * distance / np.linalg.norm(landmarks[45] - landmarks[36])


def test_the_free_models_map_is_symmetric_and_sums_to_one(model):
    landmarks = model.landmarks(np.eye(50)[0], np.zeros(46))
    mirrored = landmarks[LANDMARK_MIRROR] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, landmarks, atol=1e-3)
    np.testing.assert_allclose(model.landmark_weights.sum(axis=1), 1, atol=1e-5)


def test_the_free_models_map_lies_between_its_witnesses(model, permutation, data_folder):
    """Nearer to the lists and to ICT-FaceKit's own landmarks than these are to one another."""
    mean = model.mean.astype(np.float64)
    listed = listed_landmarks(mean, permutation)
    ict = from_ict_facekit(data_folder / "ict_facekit_light.npz")
    places = landmarks_on(ict, mean, listed, COMMON)
    own = model.landmarks(np.eye(50)[0], np.zeros(46))
    apart = {
        name: percent(np.linalg.norm((a - b)[17:, :2], axis=1).mean(), own)
        for name, a, b in (
            ("listed", own, listed), ("places", own, places), ("witnesses", listed, places),
        )
    }  # fmt: skip
    assert apart["listed"] < apart["witnesses"]
    assert apart["places"] < apart["witnesses"]


def test_agreed_map_follows_two_witnesses_of_three(model, permutation, data_folder):
    """Where people place a point far off, the two others decide; lids alone are people's."""
    mean = model.mean.astype(np.float64)
    ict = from_ict_facekit(data_folder / "ict_facekit_light.npz")
    learned = model.landmark_vertices, model.landmark_weights
    off = learned[0].copy(), learned[1].copy()
    off[0][30], off[0][37] = 152, 152  # at the chin
    found = []
    for witness in (learned, off):
        vertices, weights = agreed_map(mean, model.triangles, permutation, witness, ict)
        found.append(np.einsum("lkc,lk->lc", mean[vertices], weights))
    apart = percent(np.linalg.norm(found[1] - found[0], axis=1), found[0])
    assert apart[30] < 10
    assert apart[37] > 50
    np.testing.assert_allclose(np.delete(apart, [30, 37]), 0, atol=1e-6)
