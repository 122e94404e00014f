import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgeface import InvalidInputError, pictures, read_image
from edgeface.image import crop, letterbox


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[1, 2], [3, 4]], "got list"),
        (None, "got NoneType"),
    ],
)
def test_read_image_rejects(image, message):
    with pytest.raises(InvalidInputError, match=message):
        read_image(image)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_read_image_takes_pil_modes(noise, mode):
    if mode == "I;16":
        picture = Image.fromarray((noise[:, :, 0].astype(np.uint16) << 8) + 7)
        assert (read_image(picture)[:, :, 1] == noise[:, :, 0]).all()
    else:
        picture = Image.fromarray(noise).convert(mode)
    pixels = read_image(picture)
    assert (pixels.shape, pixels.dtype) == ((120, 200, 3), np.uint8)


def test_read_image_respects_exif_orientation(noise, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored top is the right edge
    path = tmp_path / "turned.png"
    Image.fromarray(noise).save(path, exif=exif)
    assert (read_image(path) == np.rot90(noise, -1)).all()
    with Image.open(path) as picture:
        assert (read_image(picture) == np.rot90(noise, -1)).all()


@pytest.mark.parametrize("content", ["text", "nothing", "half"])
def test_read_image_rejects_bad_files(noise, tmp_path, content):
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    contents = {"text": b"this is no image", "nothing": b"", "half": whole[: len(whole) // 2]}
    (tmp_path / "bad.jpg").write_bytes(contents[content])
    with pytest.raises(InvalidInputError, match=r"bad.jpg is no readable image"):
        read_image(tmp_path / "bad.jpg")


def test_read_image_rejects_what_is_no_file(tmp_path):
    with pytest.raises(InvalidInputError, match="no such image"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(InvalidInputError, match="no readable image"):
        read_image(tmp_path)


def test_read_image_rejects_decompression_bombs(tmp_path, monkeypatch, noise):
    Image.fromarray(noise).save(tmp_path / "big.png")
    monkeypatch.setattr(pictures, "MAX_PIXELS", noise.size // 4)
    with pytest.raises(InvalidInputError, match="too large"):
        read_image(tmp_path / "big.png")


def test_read_image_takes_arrays_of_every_layout(noise):
    for array in (noise[::-1, ::2], np.asfortranarray(noise), noise.view(np.recarray)):
        np.testing.assert_array_equal(read_image(array), np.asarray(array))
    noise.flags.writeable = False
    np.testing.assert_array_equal(read_image(noise), noise)
    with pytest.raises(InvalidInputError, match="masked array"):
        read_image(np.ma.masked_array(noise, noise > 9))


@given(
    height=st.integers(1, 700), width=st.integers(1, 700), seed=st.integers(0, 99),
    size=st.sampled_from([288, (96, 224), (224, 96)]),
)  # fmt: skip
def test_letterbox_round_trips(height, width, seed, size):
    tensor, placement = letterbox(np.zeros((height, width, 3), np.uint8), size)
    rows, columns = (size, size) if isinstance(size, int) else size
    assert tensor.shape == (rows, columns, 3)
    points = np.random.default_rng(seed).uniform(0, [width, height], (10, 2))
    there = placement.to_input(points)
    assert (there > -1e-3).all()
    assert (there < np.array([columns, rows]) + 1e-3).all()
    np.testing.assert_allclose(placement.to_image(there), points, atol=1e-2)


def test_letterbox_keeps_aspect_and_pads_with_grey():
    tensor, placement = letterbox(np.full((100, 200, 3), 255, np.uint8), 288)
    assert (tensor[72:216] == 255).all()
    assert (tensor[:72] == 127).all()
    assert (tensor[216:] == 127).all()
    assert placement.scale.tolist() == [1.44, 1.44]
    tensor, placement = letterbox(np.full((100, 200, 3), 255, np.uint8), (160, 288))
    assert (tensor[8:152] == 255).all()
    assert (tensor[:8] == 127).all()
    assert (tensor[152:] == 127).all()
    assert placement.offset.tolist() == [0, 8]


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 20000, 3), (20000, 3, 3)])
def test_letterbox_takes_extreme_shapes(shape):
    tensor, placement = letterbox(np.full(shape, 200, np.uint8), 288)
    assert tensor.shape == (288, 288, 3)
    assert (tensor == 200).any()
    assert np.isfinite(placement.to_image(np.zeros((1, 2)))).all()


def dot(x, y, size=256):
    """A bright blot centred on the pixel (x, y) of a black image."""
    image = np.zeros((size, size, 3), np.uint8)
    image[y - 2 : y + 3, x - 2 : x + 3] = 255
    return image


def centroid(tensor):
    """In input_px: pixel centres lie at + 0.5."""
    weight = tensor[:, :, 0].astype(float) * (tensor[:, :, 0] != 127)
    rows, columns = np.indices(weight.shape) + 0.5
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


def test_letterbox_maps_pixels_where_it_says():
    tensor, placement = letterbox(dot(100, 60), 288)
    expected = placement.to_input(np.array([[100.5, 60.5]]))[0]
    np.testing.assert_allclose(centroid(tensor), expected, atol=0.15)


@pytest.mark.parametrize("box", [[60, 20, 140, 110], [90, 40, 400, 420], [-80, -60, 130, 120]])
def test_crop_maps_pixels_where_it_says(box):
    tensor, placement = crop(dot(100, 60), np.array(box, float), 1.3, 128)
    expected = placement.to_input(np.array([[100.5, 60.5]]))[0]
    np.testing.assert_allclose(centroid(tensor), expected, atol=0.4)
    centre = placement.to_input(np.array([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]]))[0]
    np.testing.assert_allclose(centre, [64, 64], atol=1e-3)


def test_crop_outside_the_image_is_grey(noise):
    tensor, _ = crop(noise, np.array([1000.0, 1000.0, 1100.0, 1100.0]), 1.3, 128)
    assert (tensor == 127).all()
