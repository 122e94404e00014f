"""Swapped channels are noticed by the first face that shows them, once, and in arrays alone."""

import warnings

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface import SwappedChannelsWarning, colours

PHOTO = edgeface.read_image(edgeface.DEMO_PHOTO)
BGR = np.ascontiguousarray(PHOTO[:, :, ::-1])


@pytest.fixture
def model():
    return edgeface.load("mfn", detail="fast")


def test_a_swap_is_said_once_and_not_mended(model):
    with pytest.warns(SwappedChannelsWarning, match='run\\(image, color="bgr"\\)'):
        first = model.run(BGR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = model.run(BGR)
        told = model.run(BGR, color="bgr")
    np.testing.assert_array_equal(first.boxes_xyxy, again.boxes_xyxy)
    np.testing.assert_array_equal(told.boxes_xyxy, model.run(PHOTO).boxes_xyxy)


@pytest.mark.parametrize(
    ("image", "options"),
    [(BGR, {"color": "rgb"}), (BGR, {"color": "bgr"}), (Image.fromarray(BGR), {}), (PHOTO, {}),
     (PHOTO.mean(axis=2).astype(np.uint8), {}), (np.zeros((64, 64, 3), np.uint8), {})],
    ids=["said to be RGB", "said to be BGR", "of PIL", "right", "grey", "of nobody"],
)  # fmt: skip
def test_where_there_is_nothing_to_say_it_is_silent(model, image, options):
    model.run(image, **options)


def test_after_a_right_image_it_does_not_look_any_more(model):
    model.run(PHOTO)
    model.run(BGR)


def test_redness_is_that_of_the_middle_of_the_face():
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, :, 2] = 255
    pixels[30:85, 20:80] = [200, 100, 100]
    assert colours.redness(pixels, [0, 0, 100, 100]) > 0.2
    assert colours.redness(pixels, [-500, 0, -300, 100]) == 0.0
    assert colours.redness(pixels, [99, 99, 99.5, 99.5]) in (0.0, -1.0)


def test_every_function_that_takes_an_image_takes_its_order(model):
    found = model.run(PHOTO)
    sfn = edgeface.load("sfn")
    closer = sfn.refine(PHOTO, found)
    of_bgr = sfn.refine(BGR, found, color="bgr")
    np.testing.assert_array_equal(of_bgr.landmarks_3d, closer.landmarks_3d)
    assert not np.array_equal(sfn.refine(BGR, found).landmarks_3d, closer.landmarks_3d)
    np.testing.assert_array_equal(model.hold_up(BGR, found, color="bgr"), [True] * len(found))
    tracked = edgeface.Tracker(model).update(BGR, color="bgr")
    expected = edgeface.Tracker(model).update(PHOTO)
    np.testing.assert_array_equal(tracked.landmarks_3d, expected.landmarks_3d)


def test_pictures_are_drawn_in_the_order_of_the_image(model, tmp_path):
    faces = model.run(BGR, color="bgr", keep_image=True)
    picture = faces.draw()
    for drawn in (faces.draw(BGR, color="bgr"), faces.plot(color="bgr")):
        np.testing.assert_array_equal(drawn[:, :, ::-1], picture)
    faces.save(tmp_path / "faces.png", BGR, color="bgr")
    np.testing.assert_array_equal(edgeface.read_image(tmp_path / "faces.png"), picture)
    with pytest.raises(edgeface.InvalidInputError, match="color must be one of rgb, bgr"):
        faces.draw(color="grb")
