"""Turning decoded pictures into what a screen shows: RGB, of square pixels, upright."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.tone import CUBE_SIDE, HLG, PQ, tone_cube
from edgeface.types import ImageArray
from edgeface.video.source import import_av

UNSPECIFIED, BT709, BT601, BT2020 = 2, 1, 6, 9
"""The numbers of matrix coefficients in ISO/IEC 23091-2, which FFmpeg uses."""
SUPPORTED_MATRICES = (BT709, 4, 5, BT601, 7, BT2020)
SWSCALE_MATRIX = {BT601: 5}
"""The number of BT.601 in swscale, whose numbers are not those of the standard."""
HD_WIDTH, SD_HEIGHT = 1280, 576
"""Pictures at least this wide, or higher than this, are BT.709 if they do not name a matrix."""
WIDEST_PIXEL = 8
"""The largest ratio of a pixel's sides that a file is believed."""
TICK = Fraction(1, 1000)
NEWER_KINDS = 16
"""How many kinds of data beside a picture FFmpeg may know more than PyAV, which numbers them so."""


def is_hd(width: int, height: int) -> bool:
    """Whether players take untagged video of this size for BT.709, not BT.601."""
    return width >= HD_WIDTH or height > SD_HEIGHT


def told_colours(picture: Any) -> tuple[int, int]:
    """The primaries and transfer characteristics of what `shown` makes of a picture.

    They are the tagged ones, or 0 if there are none, or if the picture is tone-mapped.
    """
    if _is_hdr(picture):
        return 0, 0
    told = (int(picture.color_primaries), int(picture.color_trc))
    primaries, transfer = (0 if number == UNSPECIFIED else number for number in told)
    return primaries, transfer


def shown(picture: Any, pixel_aspect: Fraction | None) -> ImageArray:
    """Convert a picture to how it is meant to be seen.

    Parameters
    ----------
    picture : an ``av.VideoFrame`` of any format, depth and colours
    pixel_aspect : the width of a pixel over its height; None if it is unknown

    Returns
    -------
    uint8, shape (H, W, 3), RGB
        Matrix and range are the tagged ones, or those that players assume of its size. The width is
        stretched until pixels are square. Of an interlaced picture, the upper field is kept and the
        other's rows are interpolated. The display matrix turns and mirrors it. HDR becomes sRGB by
        `edgeface.tone.tone_curve`.

    Raises
    ------
    InvalidInputError
        If FFmpeg cannot convert the format.
    """
    matrix: int | None = int(picture.colorspace)
    if picture.format.is_rgb:
        matrix = None
    elif matrix not in SUPPORTED_MATRICES:
        matrix = BT709 if is_hd(picture.width, picture.height) else BT601
    form = {
        "width": _square_width(picture.width, pixel_aspect),
        "src_colorspace": None if matrix is None else SWSCALE_MATRIX.get(matrix, matrix),
    }
    try:
        if _is_hdr(picture):
            image = _tone_mapped(picture.reformat(format="rgb48le", **form), int(picture.color_trc))
        else:
            image = picture.to_ndarray(format="rgb24", **form)
    except (OSError, ValueError) as error:  # FFmpeg's errors are of one of these kinds
        raise InvalidInputError(
            f"pictures of the format {picture.format.name} cannot be shown: {error}"
        ) from error
    if picture.interlaced_frame:
        image = _upper_field(image)
    return np.ascontiguousarray(_turned(image, _display_matrix(picture)))


def _square_width(width: int, pixel_aspect: Fraction | None) -> int:
    if not pixel_aspect or not 1 / WIDEST_PIXEL <= pixel_aspect <= WIDEST_PIXEL:
        return width
    return max(1, round(width * pixel_aspect))


def _upper_field(image: ImageArray) -> ImageArray:
    """What was seen at one moment: even rows stay, odd ones are made of their neighbours."""
    image = image.copy()
    above, below = image[:-2:2].astype(np.uint16), image[2::2].astype(np.uint16)
    image[1 : 2 * len(above) : 2] = (above + below + 1) // 2
    if image.shape[0] % 2 == 0:
        image[-1:] = image[-2:-1]
    return image


def _display_matrix(picture: Any) -> tuple[int, int, int, int]:
    """The signs of (a, b, c, d) in the display matrix's x' = a x + c y, y' = b x + d y."""
    try:
        data = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # there is something beside the picture that PyAV has no name for, as EXIF
        data = _with_known_data(picture).side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d


def _with_known_data(picture: Any) -> Any:
    """The same picture without the kinds of data that PyAV has no name for, and fails on."""
    library = import_av()
    known = {kind.value for kind in library.sidedata.sidedata.Type}
    unknown = set(range(max(known) + NEWER_KINDS)) - known
    filters: Any = library.filter.Graph()
    entry = last = filters.add_buffer(
        width=picture.width, height=picture.height, format=picture.format.name, time_base=TICK
    )
    for number in unknown:
        following = filters.add("sidedata", f"mode=delete:type={number}")
        last.link_to(following)
        last = following
    result = filters.add("buffersink")
    last.link_to(result)
    filters.configure()
    entry.push(picture)
    return result.pull()


def _turned(image: ImageArray, matrix: tuple[int, int, int, int]) -> ImageArray:
    """Turn an image by the nearest quarter, and mirror it if the matrix does."""
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return image.transpose(1, 0, 2)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]


def _is_hdr(picture: Any) -> bool:
    return int(picture.color_trc) in (PQ, HLG)


def _tone_mapped(picture: Any, transfer: int) -> ImageArray:
    """The sRGB of an HDR picture of the format rgb48le, by `edgeface.tone.tone_cube`."""
    table = _hald_picture(transfer)
    graph: Any = import_av().filter.Graph()
    picture_in, table_in = (
        graph.add_buffer(width=p.width, height=p.height, format=p.format.name, time_base=TICK)
        for p in (picture, table)
    )
    mapping, result = graph.add("haldclut"), graph.add("buffersink")
    form = graph.add("format", "pix_fmts=rgb24")
    picture_in.link_to(mapping, 0, 0)
    table_in.link_to(mapping, 0, 1)
    mapping.link_to(form)
    form.link_to(result)
    graph.configure()
    for entry, frame in ((table_in, table), (picture_in, picture)):
        frame.pts, frame.time_base = 0, TICK
        entry.push(frame)
        entry.push(None)
    return result.pull().to_ndarray()


@functools.lru_cache(maxsize=2)
def _hald_picture(transfer: int) -> Any:
    """`edgeface.tone.tone_cube` as FFmpeg takes it, a square picture whose rows are its own."""
    side = math.isqrt(CUBE_SIDE**3)
    pixels = np.rint(65_535 * tone_cube(transfer)).astype(np.uint16).reshape(side, side, 3)
    return import_av().VideoFrame.from_ndarray(pixels, format="rgb48le")
