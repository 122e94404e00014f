"""Two networks in one call: who finds the faces, and who looks again."""

import pickle

import numpy as np
import pytest

import edgeface
from edgeface import InvalidInputError


@pytest.fixture(scope="module")
def photo():
    return edgeface.read_image(edgeface.DEMO_PHOTO)


@pytest.fixture(scope="module")
def sfn():
    return edgeface.load("sfn")


@pytest.fixture(scope="module")
def found(photo):
    return edgeface.load("mfn").run(photo)


def test_load_with_a_second_network_runs_both(photo, found, sfn):
    both = edgeface.load("mfn", refine="sfn")
    faces, closer = both.run(photo, keep_image=True), sfn.refine(photo, found)
    for name in ("boxes_xyxy", "scores", "landmarks_3d", "expression_coeffs", "rotation"):
        # numba, which is loaded meanwhile, rounds otherwise
        np.testing.assert_allclose(getattr(faces, name), getattr(closer, name), atol=1e-3)
    assert faces.image is not None
    assert np.shares_memory(faces.image, photo)
    for other in (both.clone(), pickle.loads(pickle.dumps(both))):
        np.testing.assert_allclose(other.run(photo).landmarks_3d, closer.landmarks_3d, atol=1e-3)
    (batched,) = both.run_batch([photo])
    np.testing.assert_allclose(batched.landmarks_3d, closer.landmarks_3d, atol=1e-2)
    both.close()
    with pytest.raises(edgeface.InferenceError, match="is closed"):
        both.run(photo)


def test_the_largest_faces_are_looked_at_first(photo, found, sfn):
    sides = (found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]).max(axis=1)
    largest = np.argsort(-sides)[:2]
    every, two = sfn.refine(photo, found), sfn.refine(photo, found, max_faces=2)
    np.testing.assert_array_equal(two.boxes_xyxy, found.boxes_xyxy)
    np.testing.assert_array_equal(two.scores, found.scores)
    expected = found.landmarks_3d.copy()
    expected[largest] = every.landmarks_3d[largest]
    np.testing.assert_allclose(two.landmarks_3d, expected, atol=1e-3)
    none = sfn.refine(photo, found, max_faces=0)
    np.testing.assert_array_equal(none.landmarks_3d, found.landmarks_3d)


def test_faces_of_two_face_models_are_never_mixed(photo, found):
    other = edgeface.load("sfn-free")
    with pytest.raises(InvalidInputError, match="leave max_faces out"):
        other.refine(photo, pickle.loads(pickle.dumps(found)), max_faces=2)
    assert len(other.refine(photo, found, max_faces=5)) == 5


def test_more_crops_than_one_batch_holds(photo, found, sfn):
    crowd = found.select(np.arange(40) % len(found))
    closer = sfn.refine(photo, crowd)
    expected = sfn.refine(photo, found).landmarks_3d[np.arange(40) % len(found)]
    np.testing.assert_allclose(closer.landmarks_3d, expected, atol=1e-2)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("mfn", "mfn", "the kind mfn finds its own faces"),
        ("sfn", "sfn", "the kind sfn finds no faces to refine"),
        ("mfn", "absent.onnx", "no such model"),
    ],
)
def test_networks_that_do_not_fit_are_refused(first, second, message):
    with pytest.raises(InvalidInputError, match=message):
        edgeface.load(first, refine=second)


def test_files_of_any_size_infer_at_every_multiple_of_32(sfn):
    mfn = edgeface.load("mfn")
    heads = mfn.infer(np.zeros((2, 320, 320, 3), np.uint8))
    assert heads["detection"].shape == (2, 20, 20, 25)
    wide = np.random.default_rng(1).integers(0, 256, (1, 128, 320, 3), np.uint8)
    heads, turned = mfn.infer(wide), mfn.infer(wide.transpose(0, 2, 1, 3))
    assert heads["detection"].shape == (1, 8, 20, 25)
    assert turned["detection"].shape == (1, 20, 8, 25)
    for shape in ((1, 300, 300, 3), (1, 320, 300, 3), (1, 0, 0, 3), (1, 4128, 32, 3)):
        with pytest.raises(InvalidInputError, match="infer takes uint8 of shape"):
            mfn.infer(np.zeros(shape, np.uint8))
    with pytest.raises(InvalidInputError, match=r"shape \(B, 128, 128, 3\)"):
        sfn.infer(np.zeros((1, 160, 160, 3), np.uint8))
