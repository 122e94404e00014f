import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.kernels import resize_into
from tests.oracles import resize as oracle

side = st.integers(1, 23)


def resize(image, height, width, engine):
    canvas = np.full((height + 2, width + 3, 3), 7, np.uint8)
    resize_into(image, canvas, (1, 2), (height, width), engine)
    inside = canvas[1:-1, 2:-1].copy()
    canvas[1:-1, 2:-1] = 7
    assert (canvas == 7).all(), "wrote outside the rectangle"
    return inside


def noise(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=40)
@given(seed=st.integers(0, 999), source=st.tuples(side, side), cut=st.tuples(side, side))
def test_resize_shrinks_by_exact_area(engine, seed, source, cut):
    image = noise(seed, *source)
    # an axis of the same length is a copy under both rules
    height, width = min(cut[0], source[0]), min(cut[1], source[1])
    # half a level is rounded up; exactly there the kernel's floats may fall on either side
    difference = resize(image, height, width, engine) - oracle.area(image, height, width)
    assert np.abs(difference).max() <= 0.5 + 1e-6


@settings(max_examples=40)
@given(seed=st.integers(0, 999), source=st.tuples(side, side), more=st.tuples(side, side))
def test_resize_grows_bilinearly(engine, seed, source, more):
    image = noise(seed, *source)
    height, width = source[0] + more[0], source[1] + more[1]
    exact = oracle.bilinear(image, height, width)
    # half a level is rounded up; exactly there the oracle's floats may fall on either side
    difference = resize(image, height, width, engine) - exact
    assert np.abs(difference).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("source", [(1, 60), (60, 1), (1, 1), (37, 41)])
@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_resize_of_one_colour_is_that_colour(engine, source, value):
    image = np.full((*source, 3), value, np.uint8)
    assert (resize(image, 9, 14, engine) == value).all()


def test_resize_takes_views(engine):
    image = noise(3, 20, 30)
    padded = np.concatenate([image, image[:, :, :1]], axis=2)
    expected = resize(image, 7, 9, engine)
    np.testing.assert_array_equal(resize(padded[:, :, :3], 7, 9, engine), expected)
    np.testing.assert_array_equal(resize(image[:, :, ::-1], 7, 9, engine), expected[:, :, ::-1])


def test_resize_of_long_lines_stays_exact(engine):
    image = np.full((3, 4000, 3), 255, np.uint8)
    image[:, ::2] = 254
    difference = resize(image, 2, 13, engine) - oracle.area(image, 2, 13)
    assert np.abs(difference).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("image", "corner", "size", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), (0, 0), (2, 2), "image: expected uint8"),
        (np.zeros((4, 4), np.uint8), (0, 0), (2, 2), "image: expected uint8"),
        (np.zeros((0, 4, 3), np.uint8), (0, 0), (2, 2), "image: expected uint8"),
        (np.zeros((4, 4, 3), np.uint8), (7, 0), (2, 2), "leaves the canvas"),
        (np.zeros((4, 4, 3), np.uint8), (0, -1), (2, 2), "leaves the canvas"),
        (np.zeros((4, 4, 3), np.uint8), (0, 0), (0, 2), "leaves the canvas"),
        (np.zeros((1, 70_000, 3), np.uint8), (0, 0), (1, 1), "at most 65535"),
    ],
)
def test_resize_rejects(image, corner, size, message):
    with pytest.raises(ValueError, match=message):
        resize_into(image, np.zeros((8, 8, 3), np.uint8), corner, size)


def test_resize_rejects_a_canvas_with_gaps():
    canvas = np.zeros((8, 8, 3), np.uint8)[:, ::2]
    with pytest.raises(ValueError, match="C-contiguous"):
        resize_into(np.zeros((4, 4, 3), np.uint8), canvas, (0, 0), (2, 2))


def test_resize_rejects_a_canvas_that_is_read_only(engine):
    canvas = np.zeros((8, 8, 3), np.uint8)
    canvas.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        resize_into(np.zeros((4, 4, 3), np.uint8), canvas, (0, 0), (2, 2), engine=engine)
