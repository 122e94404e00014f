"""Reading images, and the geometry between an image and a network's input.

The coordinate frames of the whole project:

``image_px``
    Continuous pixels of the user's image: x right, y down, origin at the corner of the top-left
    pixel, whose centre is (0.5, 0.5). Boxes are half-open xyxy: area = width * height.
``input_px``
    The same for a network's square input.
``grid``
    Cells of ``stride`` input pixels; origin as in ``input_px``.
``face_norm``
    Origin at the centre of a face's box; 1.0 is the longer side of the box, on both axes; x
    right, y down.
``model``
    The 3D morphable model's own space: x to the face's left, y up, z out of the face,
    right-handed; 1.0 is the outer eye distance of the mean face. y and z flip into the image.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image

from edgeface import kernels
from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.image_files import format_of, open_picture
from edgeface.metadata import PAD_VALUE
from edgeface.pictures import Picture
from edgeface.types import AnyArray, Float32Array, Float64Array, FloatArray, ImageArray

MAX_FILE_BYTES = 1 << 29
"""Of an image file: 512 MiB."""
HEAD_BYTES = 64
"""What tells the formats apart; of a file of another kind nothing more is read."""
MARGIN = 8
"""Pixels kept around a crop, which its interpolation may reach for."""

ImageLike = ImageArray | Image.Image | str | os.PathLike[str]


@dataclass(frozen=True)
class Placement:
    """Where an image lies in a network's input: ``input = image * scale + offset``.

    Attributes
    ----------
    scale : float64, shape (2,), x and y; offset : float64, shape (2,), input_px
    """

    scale: Float64Array
    offset: Float64Array

    def to_image(self, points: FloatArray) -> Float32Array:
        """Points (..., 2) from ``input_px`` to ``image_px``."""
        return ((points - self.offset) / self.scale).astype(np.float32)

    def to_input(self, points: FloatArray) -> Float32Array:
        """Points (..., 2) from ``image_px`` to ``input_px``."""
        return (points * self.scale + self.offset).astype(np.float32)


def read_image(image: ImageLike) -> ImageArray:
    """Any accepted image as an RGB array.

    Parameters
    ----------
    image : uint8 array (H, W, 3) RGB, (H, W) or (H, W, 1) grey, or (H, W, 4) RGBA; a PIL image; or
        the path of a JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, JPEG 2000, AVIF or, with the extra
        ``heif``, HEIC file, whatever its name. The EXIF orientation of the latter two is
        respected.

    Returns
    -------
    uint8, shape (H, W, 3), RGB; a view of the argument where it already was that
        Alpha is dropped. Of 16 bits a channel the higher 8 are taken. Colours are converted to
        sRGB by the profile inside the image, if it has one. Of an animation it is the first frame,
        of a PIL image the current one.

    Raises
    ------
    InvalidInputError
        If it is empty, of another dtype, shape or mode, if it has more than `MAX_PIXELS` of
        `edgeface.pictures`, or if the file is absent, no readable image, damaged or truncated.
    BackendUnavailableError
        If the file needs an extra that is not installed; the message names it.
    """
    if isinstance(image, np.ndarray):
        return _read_array(image)
    if isinstance(image, Image.Image):
        return _decoded(lambda: Picture(image), "the PIL image")
    if isinstance(cast(object, image), (str, os.PathLike)):
        data = _read_file(image)
        return _decoded(lambda: open_picture(data), str(image))
    raise InvalidInputError(
        f"expected a uint8 array, a PIL image or a path, got {type(image).__name__}"
    )


def _read_array(array: AnyArray) -> ImageArray:
    if isinstance(array, np.ma.MaskedArray):
        raise InvalidInputError(
            "a masked array does not say what its hidden pixels look like: fill them first, "
            "image.filled(127)"
        )
    if array.dtype != np.uint8:
        raise InvalidInputError(
            f"expected uint8 pixels in 0..255, got {array.dtype}; convert floats in [0, 1] with "
            "(image * 255).round().astype('uint8')"
        )
    array = np.asarray(array)  # of a subclass, the array itself
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InvalidInputError(f"expected an image of shape (H, W, 3), got {array.shape}")
    if 0 in array.shape:
        raise InvalidInputError(f"the image is empty: its shape is {array.shape}")
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    return array[:, :, :3]


def _read_file(path: str | os.PathLike[str]) -> bytes:
    """The whole of a file; of one that is no image, which may have no end, the first bytes."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            data = head + file.read(MAX_FILE_BYTES) if format_of(head) else head
    except FileNotFoundError as error:
        raise InvalidInputError(f"no such image: {path}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InvalidInputError(f"{path} is no readable image: {error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path} is too large: more than {MAX_FILE_BYTES >> 20} MiB")
    return data


def _decoded(opened: Callable[[], Picture], source: str) -> ImageArray:
    """The pixels of a picture; every failure of a decoder is an error of ours."""
    try:
        return opened().to_array()
    except BackendUnavailableError as error:
        raise BackendUnavailableError(f"{source}: {error}") from error
    except MemoryError as error:
        raise InvalidInputError(f"{source} does not fit into memory: {error}") from error
    except Exception as error:  # decoders raise what they like
        raise InvalidInputError(f"{source} is no readable image: {error}") from error


def letterbox(
    image: ImageArray, size: int, engine: kernels.Engine = "numpy"
) -> tuple[ImageArray, Placement]:
    """Fit an image into the middle of a square input, keeping its aspect.

    Parameters
    ----------
    image : uint8, shape (H, W, 3)
    size : side of the input, px
    engine : which kernel resizes; see `edgeface.kernels.resize_into`

    Returns
    -------
    input_tensor : uint8, shape (size, size, 3); grey where the image does not reach
    placement : Placement

    Raises
    ------
    InvalidInputError
        If a side of the image is longer than `edgeface.kernels.MAX_SIDE`.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer > kernels.MAX_SIDE:
        raise InvalidInputError(
            f"expected an image of at most {kernels.MAX_SIDE} pixels a side, got {width} x "
            f"{height}; cut it into parts"
        )
    inner_w = max(1, round(width * size / longer))
    inner_h = max(1, round(height * size / longer))
    left, top = (size - inner_w) // 2, (size - inner_h) // 2
    canvas = np.full((size, size, 3), PAD_VALUE, np.uint8)
    kernels.resize_into(image, canvas, (top, left), (inner_h, inner_w), engine)
    scale = np.array([inner_w / width, inner_h / height])
    return canvas, Placement(scale, np.array([left, top], np.float64))


def crop(
    image: ImageArray, box_xyxy: FloatArray, crop_scale: float, size: int
) -> tuple[ImageArray, Placement]:
    """The square around a face box, resized to a network's input.

    Parameters
    ----------
    image : uint8, shape (H, W, 3)
    box_xyxy : float, shape (4,), image_px
    crop_scale : side of the square in longer sides of the box
    size : side of the input, px

    Returns
    -------
    input_tensor : uint8, shape (size, size, 3); grey where the square leaves the image
    placement : Placement
    """
    height, width = image.shape[:2]
    low, high = box_xyxy[:2].astype(np.float64), box_xyxy[2:].astype(np.float64)
    side = crop_scale * float((high - low).max())
    corner = (low + high) / 2 - side / 2
    scale = size / side
    placement = Placement(np.array([scale, scale]), -corner * scale)
    canvas = np.full((size, size, 3), PAD_VALUE, np.uint8)
    # the part of the input that the image covers, in whole input pixels
    first = np.clip(np.ceil(placement.offset), 0, size).astype(int)
    last = placement.offset + scale * np.array([width, height])
    last = np.clip(np.floor(last), 0, size).astype(int)
    if (last <= first).any():
        return canvas, placement
    source = np.concatenate([placement.to_image(first), placement.to_image(last)])
    source = np.clip(source, 0, [width, height, width, height])
    # only the pixels around it are copied: of a large image a crop is a small part
    whole = np.array([width, height])
    x0, y0 = start = np.maximum(np.floor(source[:2]).astype(int) - MARGIN, 0)
    x1, y1 = np.minimum(np.ceil(source[2:]).astype(int) + MARGIN, whole)
    part = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1])).resize(
        (int(last[0] - first[0]), int(last[1] - first[1])),
        Image.Resampling.BILINEAR,
        box=tuple((source - np.tile(start, 2)).tolist()),
        reducing_gap=3.0,
    )
    canvas[first[1] : last[1], first[0] : last[0]] = np.asarray(part)
    return canvas, placement
