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

import io
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

import numpy as np
from PIL import Image

from edgeface import kernels
from edgeface.addresses import is_web_address, local_name, without_secrets
from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.image_files import bytes_of_file, bytes_of_stream, open_picture
from edgeface.metadata import PAD_VALUE
from edgeface.pictures import Picture
from edgeface.pixels import Color, array_of_tensor, checked_color, is_tensor, rgb_of_array
from edgeface.types import AnyArray, Float32Array, Float64Array, FloatArray, ImageArray

MAX_COORDINATE = 1_000_000
"""The largest coordinate of boxes and landmarks that are looked at, image_px."""
_LOADING = threading.Lock()
MARGIN = 8
"""How many pixels are kept around a crop for its interpolation."""


class Tensor(Protocol):
    """An array of another library that is read by DLPack."""

    def __dlpack__(self, **options: Any) -> Any:
        """Hand the array on by that protocol."""
        ...


ImageLike = AnyArray | Tensor | Image.Image | str | os.PathLike[str] | bytes | bytearray | IO[bytes]
"""Anything that `read_image` takes."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an image lies in a network's input: ``input = image * scale + offset``.

    Attributes
    ----------
    scale : float64, shape (2,), the factors of x and y
    offset : float64, shape (2,), input_px
    """

    scale: Float64Array
    offset: Float64Array

    def to_image(self, points: FloatArray) -> Float32Array:
        """Move points (..., 2) from ``input_px`` to ``image_px``."""
        return ((points - self.offset) / self.scale).astype(np.float32)

    def to_input(self, points: FloatArray) -> Float32Array:
        """Move points (..., 2) from ``image_px`` to ``input_px``."""
        return (points * self.scale + self.offset).astype(np.float32)


def read_image(image: ImageLike, *, color: Color = "rgb") -> ImageArray:
    """Read any accepted image into an RGB array.

    Parameters
    ----------
    image : one of
        an array (H, W, 3), with alpha (H, W, 4) or grey (H, W) and (H, W, 1); the channels may
        come first, too, unless one of them is alpha. Pixels are uint8, uint16 in 0..65535, or
        floats in [0, 1];

        a tensor of PyTorch, CuPy, JAX or another library with DLPack or ``__array_interface__``;

        a PIL image;

        the path of a JPEG, PNG, WebP, GIF, BMP, TIFF, PNM, JPEG 2000, AVIF or, with the extra
        ``heif``, HEIC file, whatever its name; its content as bytes; or a binary file object, read
        from its current position;

        the ``http`` or ``https`` address of such a file, within the limits of `edgeface.web`, or
        its ``file`` address.
    color : "rgb" or "bgr", as OpenCV has it: the order of an array's channels
        Files and PIL images have their own order.

    Returns
    -------
    uint8, shape (H, W, 3), RGB; a view of the argument if it already was that
        The EXIF orientation of files and PIL images is respected. Alpha is dropped. Of 16 bits a
        channel, the higher 8 are taken. Colours are converted to sRGB by the profile inside the
        image, if it has one, and HDR files are tone-mapped (`edgeface.tone`). An animation gives
        its first frame, a PIL image its current one.

    Raises
    ------
    InvalidInputError
        If it is empty, of another dtype, shape or mode, if it has more than `MAX_PIXELS` of
        `edgeface.pictures`, or if the file is absent, no readable image, damaged or truncated, or
        could not be fetched.
    BackendUnavailableError
        If the file needs an extra that is not installed; the message names it.
    """
    order = checked_color(color)
    given: Any = image
    if isinstance(given, np.ndarray):
        return rgb_of_array(cast(AnyArray, given), order)
    if isinstance(given, Image.Image):
        return _decoded(lambda: _loaded(given), "the PIL image")
    if isinstance(given, str):
        given = local_name(given)
    if isinstance(given, str) and is_web_address(given):
        from edgeface.web import fetch  # which takes long to import

        data = fetch(given)
        return _decoded(lambda: open_picture(data), without_secrets(given))
    if isinstance(given, (str, os.PathLike)):
        data = bytes_of_file(cast("str | os.PathLike[str]", given))
        return _decoded(lambda: open_picture(data), str(cast(object, given)))
    if isinstance(given, (bytes, bytearray, memoryview)):
        return _decoded(lambda: open_picture(bytes(cast(bytes, given))), "the image given as bytes")
    if hasattr(given, "read"):
        return _from_stream(given)
    if is_tensor(given):
        return rgb_of_array(array_of_tensor(given), order)
    raise InvalidInputError(
        "expected an array, a PIL image, a path, an address, bytes, an open file or a tensor, got "
        f"{type(given).__name__}"
    )


def _loaded(image: Image.Image) -> Picture:
    """The picture of a PIL image, which other threads may be given, too, before it is loaded."""
    picture = Picture(image)
    with _LOADING:  # Pillow's decoders share the file
        image.load()
    return picture


def _from_stream(stream: Any) -> ImageArray:
    name = getattr(stream, "name", None)  # a number or None, of files that have none
    source = name if isinstance(name, str) else f"the {type(stream).__name__}"
    if isinstance(stream, io.TextIOBase):
        raise InvalidInputError(f"{source} gives text: open it in binary mode")
    try:
        data = bytes_of_stream(stream, source)
    except InvalidInputError:
        raise
    except Exception as error:  # streams raise what they like
        raise InvalidInputError(f"{source} is no readable image: {error}") from error
    if not data:
        raise InvalidInputError(
            f"{source} gives no bytes: it is empty, or was read before; seek(0) goes to its start"
        )
    return _decoded(lambda: open_picture(data), source)


def _decoded(opened: Callable[[], Picture], source: str) -> ImageArray:
    """Decode the pixels of a picture; every failure of a decoder is an error of ours."""
    try:
        return opened().to_array()
    except BackendUnavailableError as error:
        raise BackendUnavailableError(f"{source}: {error}") from error
    except MemoryError as error:
        raise InvalidInputError(f"{source} does not fit into memory: {error}") from error
    except Exception as error:  # decoders raise what they like
        raise InvalidInputError(f"{source} is no readable image: {error}") from error


def letterbox(
    image: ImageArray, size: int | tuple[int, int], engine: kernels.Engine = "numpy"
) -> tuple[ImageArray, Placement]:
    """Fit an image into the middle of an input, keeping its aspect.

    Parameters
    ----------
    image : uint8, shape (H, W, 3)
    size : the side of a square input, or the height and width of another, px
    engine : the kernel that resizes (`edgeface.kernels.resize_into`)

    Returns
    -------
    input_tensor : uint8, shape (height, width, 3) of the input; grey where the image does not reach
    placement : Placement

    Raises
    ------
    InvalidInputError
        If a side of the image is longer than `edgeface.kernels.MAX_SIDE`.
    """
    height, width = image.shape[:2]
    rows, columns = (size, size) if isinstance(size, int) else size
    if max(height, width) > kernels.MAX_SIDE:
        raise InvalidInputError(
            f"expected an image of at most {kernels.MAX_SIDE} pixels a side, got {width} x "
            f"{height}; cut it into parts"
        )
    if rows * width <= columns * height:
        inner_h, inner_w = rows, max(1, round(width * rows / height))
    else:
        inner_h, inner_w = max(1, round(height * columns / width)), columns
    left, top = (columns - inner_w) // 2, (rows - inner_h) // 2
    canvas = np.full((rows, columns, 3), PAD_VALUE, np.uint8)
    kernels.resize_into(image, canvas, (top, left), (inner_h, inner_w), engine)
    scale = np.array([inner_w / width, inner_h / height])
    return canvas, Placement(scale, np.array([left, top], np.float64))


def crop(
    image: ImageArray, box_xyxy: FloatArray, crop_scale: float, size: int
) -> tuple[ImageArray, Placement]:
    """Cut out the square around a face box, and resize it to a network's input.

    Parameters
    ----------
    image : uint8, shape (H, W, 3)
    box_xyxy : float, shape (4,), image_px
    crop_scale : the side of the square, in longer sides of the box
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
