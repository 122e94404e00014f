"""Arrays and tensors of every layout, depth and library: the right pixels, or a refusal."""

import numpy as np
import pytest

from edgeface import InvalidInputError, read_image


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((4, 4, 3), 255.0), r"float pixels in \[0, 1\], got 255 to 255: divide them"),
        (np.full((4, 4, 3), -0.1), "got -0.1 to -0.1"),
        (np.full((4, 4, 3), np.nan), "got nan to nan"),
        (np.zeros((4, 4, 3), np.int64), "got int64"),
        (np.zeros((4, 4, 3), bool), "got bool"),
        (np.zeros((4, 4, 3), complex), "got complex128"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((4, 0, 3), np.uint8), "empty"),
        (np.zeros((4, 4, 2), np.uint8), r"\(H, W, 3\).* got \(4, 4, 2\)"),
        (np.zeros((4, 5, 6), np.uint8), r"\(H, W, 3\).* got \(4, 5, 6\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "several images are for run_batch"),
        (np.zeros(5, np.uint8), r"shape \(H, W, 3\)"),
        (np.ma.zeros((4, 4, 3), np.uint8), "masked array"),
    ],
)
def test_arrays_that_are_no_images(image, message):
    with pytest.raises(InvalidInputError, match=message):
        read_image(image)


@pytest.mark.parametrize("value", [np.uint8(9), np.uint16(9)])
def test_an_array_that_is_larger_than_memory_is_refused(value):
    with pytest.raises(InvalidInputError, match="does not fit into memory"):
        read_image(np.broadcast_to(value, (1 << 46, 3)))


def test_grey_and_alpha(noise):
    grey = noise[:, :, 0]
    assert read_image(grey).shape == (120, 200, 3)
    assert (read_image(grey[:, :, None])[:, :, 2] == grey).all()
    rgba = np.concatenate([noise, grey[:, :, None]], axis=2)
    assert (read_image(rgba) == noise).all()
    assert np.shares_memory(read_image(noise), noise)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f4", np.float64, np.uint16, ">u2"])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_every_depth_keeps_the_eight_bits_that_show(random, dtype, channels):
    eight = random.integers(0, 256, (20, 30, *channels), np.uint8)
    deep = eight / 255 if np.dtype(dtype).kind == "f" else eight.astype(np.uint16) * 257
    np.testing.assert_array_equal(read_image(deep.astype(dtype)), read_image(eight))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_that_rounding_took_beyond_white_and_black_are_both(dtype):
    beyond = np.array([[-1e-3, -1e-7, 1 + 1e-7, 1 + 9e-4]]).astype(dtype)
    beyond = beyond.clip(dtype(-1 / 1024), dtype(1 + 1 / 1024))
    assert read_image(beyond)[0, :, 0].tolist() == [0, 0, 255, 255]
    with pytest.raises(InvalidInputError, match=r"got 0 to 1\.0"):
        read_image(np.array([[0, 1.01]], dtype))


def test_channels_may_come_first(noise):
    first = np.moveaxis(noise, 2, 0)
    np.testing.assert_array_equal(read_image(first), noise)
    np.testing.assert_array_equal(read_image(first[:1])[:, :, 1], noise[:, :, 0])
    # four rows of an image that is three pixels wide are no channels
    np.testing.assert_array_equal(read_image(noise[:3, :3]), noise[:3, :3])


def test_bgr_is_turned_for_arrays_alone(noise, tmp_path):
    from PIL import Image

    swapped = read_image(noise, color="bgr")
    np.testing.assert_array_equal(swapped, noise[:, :, ::-1])
    assert swapped.flags.c_contiguous
    rgba = np.concatenate([noise, noise[:, :, :1]], axis=2)
    np.testing.assert_array_equal(read_image(rgba, color="bgr"), swapped)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    for picture in (tmp_path / "noise.png", Image.fromarray(noise)):
        np.testing.assert_array_equal(read_image(picture, color="bgr"), noise)


@pytest.mark.parametrize("color", ["BGR", "", None, 3, "rgba"])
def test_other_orders_of_channels_are_refused(noise, color):
    with pytest.raises(InvalidInputError, match="color must be one of rgb, bgr"):
        read_image(noise, color=color)


class ByDlpack:
    """An array that only this protocol shows."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OnADevice(ByDlpack):
    """One that must be fetched, as CuPy's."""

    def get(self):
        return self._array

    def __dlpack__(self, **_):
        raise BufferError("memory of a device")


class ByInterface:
    def __init__(self, array):
        self._keep, self.__array_interface__ = array, array.__array_interface__


@pytest.mark.parametrize("wrap", [ByDlpack, OnADevice, ByInterface])
def test_arrays_of_other_libraries(noise, wrap):
    np.testing.assert_array_equal(read_image(wrap(noise)), noise)
    np.testing.assert_array_equal(read_image(wrap(noise), color="bgr"), noise[:, :, ::-1])


def test_tensors_of_torch(noise):
    torch = pytest.importorskip("torch", reason="needs the extra: edgeface[torch]")
    tensor = torch.from_numpy(noise)
    assert np.shares_memory(read_image(tensor), noise)
    trained = (tensor.permute(2, 0, 1) / 255).requires_grad_()
    np.testing.assert_array_equal(read_image(trained), noise)
    with pytest.raises(InvalidInputError, match=r"cannot read a Tensor: .*numpy array of uint8"):
        read_image(tensor.to(torch.bfloat16))


def test_an_array_that_cannot_be_had_is_an_error_of_ours():
    class Broken:
        def __array__(self, *_, **__):
            raise RuntimeError("gone")

    with pytest.raises(InvalidInputError, match="cannot read a Broken: gone"):
        read_image(Broken())
