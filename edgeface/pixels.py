"""Turning arrays and tensors of any library into an RGB array."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

import numpy as np
from PIL import Image

from edgeface.errors import InvalidInputError
from edgeface.types import AnyArray, ImageArray
from edgeface.values import Choice, option

Color = Literal["rgb", "bgr"]
"""The order of an array's channels."""
_CHANNELS = (1, 3, 4)
ROUNDING = 1 / 1024
"""How far float pixels may leave [0, 1], as interpolated ones do: a quarter of a step of 8 bits."""


def is_tensor(value: Any) -> bool:
    """Whether another library's array can be read, by DLPack or by numpy's own protocols."""
    return any(hasattr(value, name) for name in ("__dlpack__", "__array_interface__", "__array__"))


def is_pixels(image: Any) -> bool:
    """Whether an image is an array or tensor, which does not say the order of its channels."""
    return is_tensor(image) and not isinstance(image, Image.Image)


def is_one_image(images: Any) -> bool:
    """Whether what can be iterated is a single image, whose parts are none."""
    if isinstance(images, (str, bytes, bytearray, memoryview)) or hasattr(images, "read"):
        return True
    return is_pixels(images) and np.ndim(images) in (0, 2, 3)  # of one axis, they are names


def array_of_tensor(tensor: Any) -> AnyArray:
    """Turn a tensor of PyTorch, CuPy, JAX or others into an array, a view if it is in memory.

    Raises
    ------
    InvalidInputError
        If it cannot be read; the message says why.
    """
    try:
        if hasattr(tensor, "detach"):  # PyTorch, which exports no tensor that is being trained
            tensor = tensor.detach()
        if hasattr(tensor, "__dlpack__"):
            return np.from_dlpack(_on_the_cpu(tensor))
        return np.asarray(tensor)
    except Exception as error:  # libraries raise what they like
        raise InvalidInputError(
            f"cannot read a {type(tensor).__name__}: {error}; make it a numpy array of uint8 first"
        ) from error


def _on_the_cpu(tensor: Any) -> Any:
    """Copy a tensor that lies on a device into the computer's own memory."""
    for method in ("cpu", "get"):  # PyTorch's and CuPy's
        if hasattr(tensor, method):
            return getattr(tensor, method)()
    return tensor


def checked_color(color: Color) -> Color:
    """The order of channels, or InvalidInputError if it is no `Color`."""
    return cast(Color, option("color", color, Choice(get_args(Color))))


def rgb_of_array(array: AnyArray, color: Color = "rgb") -> ImageArray:
    """Turn an array into RGB pixels (`edgeface.read_image`).

    Returns
    -------
    uint8, shape (H, W, 3); a view of the argument if it already was that

    Raises
    ------
    InvalidInputError
        If the array is no image.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise InvalidInputError(
            "a masked array does not say what its hidden pixels look like: fill them first, "
            "image.filled(127)"
        )
    array = _channels_last(np.asarray(array))  # of a subclass, the array itself
    if 0 in array.shape:
        raise InvalidInputError(f"the image is empty: its shape is {array.shape}")
    try:
        if array.shape[2] == 1:
            return np.repeat(_eight_bits(array), 3, axis=2)
        array = _eight_bits(array[:, :, :3])
        return np.ascontiguousarray(array[:, :, ::-1]) if color == "bgr" else array
    except MemoryError as error:
        raise InvalidInputError(f"the image does not fit into memory: {error}") from error


def _channels_last(array: AnyArray) -> AnyArray:
    """Turn an image into (H, W, C); channels come first if the last axis cannot hold them."""
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim == 3:
        if array.shape[2] in _CHANNELS:
            return array
        if array.shape[0] in (1, 3):
            return np.moveaxis(array, 0, 2)
    remedy = "; several images are for run_batch" if array.ndim == 4 else ""
    raise InvalidInputError(
        f"expected an image of shape (H, W, 3), (3, H, W) or (H, W), got {array.shape}{remedy}"
    )


def _eight_bits(array: AnyArray) -> ImageArray:
    """Turn pixels into uint8: the higher 8 of 16 bits, or the nearest step of floats in [0, 1]."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind != "f":
        raise InvalidInputError(
            f"expected pixels of uint8 in 0..255, uint16 in 0..65535 or floats in [0, 1], got "
            f"{array.dtype}"
        )
    low, high = float(array.min()), float(array.max())
    if not -ROUNDING <= low <= high <= 1 + ROUNDING:  # NaN is in no range
        raise InvalidInputError(
            f"expected float pixels in [0, 1], got {low:g} to {high:g}: divide them by their "
            "white, or take image.astype('uint8') of pixels in 0..255"
        )
    return (array * 255 + 0.5).astype(np.uint8)
