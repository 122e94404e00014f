import numpy as np
import pytest
from skimage import transform

import edgeface
from edgeface import InvalidInputError
from edgeface.chips import TEMPLATE, aligned_chip, five_points, similarity


@pytest.fixture(scope="module")
def face():
    return edgeface.load("mfn").run(edgeface.DEMO_PHOTO, keep_image=True)[0]


def test_the_similarity_is_that_of_least_squares(random):
    source, target = random.normal(size=(2, 5, 2))
    expected = transform.SimilarityTransform.from_estimate(source, target).params[:2]
    np.testing.assert_allclose(similarity(source, target), expected, atol=1e-9)


@pytest.mark.parametrize("size", [64, 112, 300])
def test_a_chip_is_what_an_independent_warp_gives(face, size):
    image = edgeface.read_image(edgeface.DEMO_PHOTO)
    # skimage counts pixels from their centres, as the template does
    template = (TEMPLATE + 0.5) * size / 112 - 0.5
    to_image = similarity(template, five_points(face.landmarks_2d) - 0.5)
    to_image = transform.SimilarityTransform(matrix=np.vstack([to_image, [0, 0, 1]]))
    expected = transform.warp(image / 255, to_image, output_shape=(size, size)) * 255
    chip = face.crop_to(size=size)
    assert chip.shape == (size, size, 3)
    assert chip.flags.writeable
    # a chip that reduces is smoother than one that picks pixels
    limit = 6 if to_image.scale >= 2 else 1.5
    assert np.abs(chip - expected).mean() < limit


def test_a_turned_photo_gives_the_same_chip(face):
    image = edgeface.read_image(edgeface.DEMO_PHOTO)
    height = len(image)
    turned = face.landmarks_2d[:, ::-1] * [-1, 1] + [height, 0]
    chip = aligned_chip(np.rot90(image, -1), turned)
    assert np.abs(chip.astype(int) - face.crop_to()).mean() < 2


def test_a_chip_beyond_the_image_is_black(noise):
    points = np.full((68, 2), 1e4) + np.arange(136).reshape(68, 2)
    assert not aligned_chip(noise, points).any()


@pytest.mark.parametrize("far", [2e6, -1e300])
def test_landmarks_that_are_nowhere_near_are_refused(noise, far):
    with pytest.raises(InvalidInputError, match="must lie within 1,000,000 pixels"):
        aligned_chip(noise, np.full((68, 2), far))


@pytest.mark.parametrize("size", [0, 7, 5000, 1.5, None])
def test_sizes_that_are_none_are_refused(face, size):
    with pytest.raises(InvalidInputError, match="size must be"):
        face.crop_to(size=size)


@pytest.mark.parametrize("shape", [(5, 2), (68, 3), (1, 68, 2), (0,)])
def test_landmarks_of_another_shape_are_refused(noise, shape):
    with pytest.raises(InvalidInputError, match=r"must have the shape \(68, 2\)"):
        aligned_chip(noise, np.zeros(shape))
