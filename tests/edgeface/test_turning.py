"""Pictures on their side or head: whoever is in them is found, where and as they lie."""

import numpy as np
import pytest

import edgeface
from edgeface import turning
from edgeface.face_arrays import place

TURNS = (1, 2, 3)


@pytest.fixture(scope="module")
def photo():
    return edgeface.read_image(edgeface.DEMO_PHOTO)


@pytest.fixture(scope="module")
def model():
    return edgeface.load("mfn", refine="sfn")


@pytest.fixture(scope="module")
def upright(model, photo):
    return model.run(photo)


@pytest.mark.parametrize("turns", [*TURNS, 0, -1, 5])
def test_points_go_where_pixels_go(turns):
    image = np.zeros((5, 8), np.uint8)
    image[1, 6] = 1
    (row,), (column,) = np.nonzero(np.rot90(image, turns))
    point = np.array([6.5, 1.5], np.float32)
    np.testing.assert_array_equal(
        turning.turn_points(point, turns, image.shape), [column + 0.5, row + 0.5]
    )


@pytest.mark.parametrize("turns", TURNS)
def test_poses_turn_with_what_they_place(upright, photo, turns):
    size = photo.shape[:2]
    turned = turning.turn_faces(upright, turns, size)
    shape = upright.model_of_faces().vertices(upright.identity_coeffs, upright.expression_coeffs)
    expected = turning.turn_points(place(shape, upright), turns, size)
    np.testing.assert_allclose(place(shape, turned), expected, atol=0.01)
    back = turning.turn_faces(turned, -turns, np.rot90(photo, turns).shape[:2])
    for name in ("boxes_xyxy", "landmarks_3d", "rotation", "euler_deg", "translation"):
        np.testing.assert_allclose(getattr(back, name), getattr(upright, name), atol=0.01)
    np.testing.assert_array_equal(turning.upright_turns(turned), [-turns % 4] * len(upright))


@pytest.mark.parametrize("turns", TURNS)
def test_everybody_is_found_in_a_turned_picture(model, upright, photo, turns):
    faces = model.run(np.rot90(photo, turns), keep_image=True)
    expected = turning.turn_faces(upright, turns, photo.shape[:2])
    assert len(faces) == 5
    for name, tolerance in (("boxes_xyxy", 2), ("landmarks_3d", 2), ("euler_deg", 3)):
        difference = getattr(faces, name) - getattr(expected, name)
        if name == "euler_deg":
            difference = (difference + 180) % 360 - 180
        assert np.abs(difference).max() < tolerance, name
    np.testing.assert_allclose(faces.gaze_deg, expected.gaze_deg, atol=3)
    assert faces.image_size == faces.image.shape[:2]


def test_a_batch_turns_what_lies_in_it_alone(model, upright, photo):
    lying = np.ascontiguousarray(np.rot90(photo))
    first, second = model.run_batch([photo, lying])
    np.testing.assert_allclose(first.landmarks_3d, upright.landmarks_3d, atol=0.01)
    np.testing.assert_allclose(second.landmarks_3d, model.run(lying).landmarks_3d, atol=0.01)


@pytest.mark.parametrize("options", [{"detail": "fast"}, {"look_again": False}])
def test_who_asks_for_less_is_not_shown_the_picture_turned(model, photo, options, monkeypatch):
    monkeypatch.setattr(turning, "best_turn", lambda *_: pytest.fail("it was turned"))
    assert not turning.is_upright(model.run(np.rot90(photo, 2), **options))


def test_an_empty_picture_costs_one_pass_more(photo, monkeypatch):
    model = edgeface.load("mfn")
    inputs = []
    infer = model._detector._infer
    monkeypatch.setattr(model._detector, "_infer", lambda x: inputs.append(x.shape) or infer(x))
    assert not len(model.run(np.full((240, 320, 3), 90, np.uint8)))
    assert inputs == [(1, 288, 288, 3)] * 2
    inputs.clear()
    model.run(photo, look_again=True)
    found = len(inputs)
    monkeypatch.setattr(turning, "best_turn", lambda *_: pytest.fail("it was turned"))
    inputs.clear()
    model.run(photo)
    assert len(inputs) == found
