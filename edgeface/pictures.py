"""Turning PIL images of any mode and orientation into upright uint8 RGB arrays."""

from __future__ import annotations

import functools
import importlib
import io
import re
import struct
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from PIL import Image

from edgeface.errors import InvalidInputError
from edgeface.types import AnyArray, ImageArray

MAX_PIXELS = 250_000_000
"""The largest image that is decoded; phones make 200 million, and a pixel takes up to 8 bytes.

A program that reads photos of strangers may set less."""
BAND_PIXELS = 1 << 20
"""How many pixels are converted at a time, so that a photo is in memory once more, not thrice."""

ORIENTATION, PHOTOMETRIC = 0x0112, 0x0106
# by EXIF orientation: how Pillow turns the picture upright, and the orientation that undoes it
_TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, 2),
    3: (Image.Transpose.ROTATE_180, 3),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, 4),
    5: (Image.Transpose.TRANSPOSE, 5),
    6: (Image.Transpose.ROTATE_270, 8),
    7: (Image.Transpose.TRANSVERSE, 7),
    8: (Image.Transpose.ROTATE_90, 6),
}
_PLAIN = {"RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV"}
_GREY = {"1", "L", "LA"}
_SIXTEEN_BITS = {"I;16", "I;16L", "I;16B", "I;16N"}
# by mode: the mode whose values a colour profile speaks of
_WITH_PROFILE = {
    "RGB": "RGB", "RGBA": "RGB", "RGBX": "RGB", "P": "RGB", "PA": "RGB", "CMYK": "CMYK",
    "L": "L", "LA": "L",
}  # fmt: skip
_PROBE_STEPS = 6
SAME_COLOUR = 2
"""A profile that changes no colour by more is sRGB, and is not applied."""


class Picture:
    """A PIL image and the EXIF orientation of its pixels.

    Parameters
    ----------
    image : the image, opened, loaded or made; it is not changed
    orientation : the orientation, 1 to 8; by default, the one in the image's own EXIF or XMP

    Raises
    ------
    InvalidInputError
        If the image is empty or has more than `MAX_PIXELS`.
    """

    def __init__(self, image: Image.Image, orientation: int | None = None) -> None:
        self.check_size(image.size)
        self._image = image
        # by this entry of TIFF files, Pillow itself turns what it loads, and then deletes it
        is_turned = getattr(image, "tag_v2", {}).get(ORIENTATION) in range(1, 9)
        self._orientation = 1 if is_turned else orientation

    @staticmethod
    def check_size(size: tuple[int, int]) -> None:
        """Raise InvalidInputError for an empty size, or one of more than `MAX_PIXELS`."""
        width, height = size
        if width < 1 or height < 1:
            raise InvalidInputError(f"it is empty: {width} x {height} pixels")
        if width * height > MAX_PIXELS:
            raise InvalidInputError(
                f"it is too large: {width} x {height} is more than {MAX_PIXELS:,} pixels"
            )

    def to_array(self) -> ImageArray:
        """Decode the pixels, uint8, shape (H, W, 3), RGB, upright.

        Raises
        ------
        InvalidInputError
            If the mode has no stated range: 32-bit integers and floats.
        Exception
            If the decoder raises it on a damaged file.
        """
        image = self._image
        image.load()
        shift = _bits_above_8(image)
        # Pillow inverts such pictures of 8 bits itself
        white_is_0 = bool(shift) and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0
        orientation = self._orientation or orientation_of(image)
        to_srgb = _profile_transform(image)
        width, height = image.size
        upright = (width, height) if orientation >= 5 else (height, width)
        pixels = np.empty((*upright, 3), np.uint8)
        stored = _turned(pixels, _TURNS[orientation][1]) if orientation in _TURNS else pixels
        rows = max(1, BAND_PIXELS // width)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            # as `crop`, to which Pillow 11 applies the limit that the application has for its files
            band = image.resize(
                (width, bottom - top), Image.Resampling.NEAREST, (0, top, width, bottom)
            )
            band.info = {}  # what it says of transparency does not matter
            rgb = _rgb(band, shift) if to_srgb is None else to_srgb(band)
            if white_is_0 and not isinstance(rgb, Image.Image):
                rgb = 255 - rgb
            target = stored[top:bottom]
            if orientation not in _TURNS:
                target[...] = np.asarray(rgb)
            elif isinstance(rgb, Image.Image):  # Pillow's turning is faster than numpy's
                turned = rgb.transpose(_TURNS[orientation][0])
                _turned(target, orientation)[...] = np.asarray(turned)
            else:
                _turned(target, orientation)[...] = _turned(rgb, orientation)
        return pixels


def _turned(array: AnyArray, orientation: int) -> AnyArray:
    """Turn an array (H, W, ...) of an orientation upright; returns a view."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _bits_above_8(image: Image.Image) -> int:
    """By how many bits grey values of more than 8 bits are shifted down; 0 for other modes."""
    if image.mode in _SIXTEEN_BITS:
        # cameras' 12 bits lie in the lower ones
        depth = getattr(image, "tag_v2", {}).get(258)
        return 4 if depth == (12,) else 8
    if image.mode == "I" and image.format in ("PPM", "PNG"):
        return 8  # these formats hold at most 16 bits, and Pillow fills them
    if image.mode not in _PLAIN | _GREY | {"La", "RGBa"}:
        raise InvalidInputError(
            f"images of the mode {image.mode!r} do not say which value is white: scale them to "
            "uint8 first"
        )
    return 0


def _rgb(band: Image.Image, shift: int) -> Image.Image | ImageArray:
    """Convert a band to an RGB image, or to a grey array (H, W, 1)."""
    if shift:
        values = np.asarray(band).astype(np.int64) >> shift
        return values.clip(0, 255).astype(np.uint8)[:, :, None]
    if band.mode in ("La", "RGBa"):  # alpha is multiplied in
        band = band.convert("LA" if band.mode == "La" else "RGBA")
    if band.mode in _GREY:
        return np.asarray(band.convert("L"))[:, :, None]
    return band.convert("RGB")


def _profile_transform(image: Image.Image) -> Any:
    """The transform of the image's colour profile to sRGB; None if it has no usable one."""
    profile, mode = image.info.get("icc_profile"), _WITH_PROFILE.get(image.mode)
    if not isinstance(profile, bytes) or mode is None or (mode == "RGB" and _is_srgb(profile)):
        return None
    try:
        return _transform(profile, mode)
    except Exception:  # a damaged profile is no reason to refuse the photo
        return None


@functools.lru_cache(maxsize=8)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile of RGB leaves colours as they are, or cannot be used.

    Its name does not say it: there are "Display P3 Gamut with sRGB Transfer" and "Linear sRGB".
    """
    steps = np.linspace(0, 255, _PROBE_STEPS).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    try:
        changed = np.asarray(_transform(profile, "RGB")(Image.fromarray(colours)))
    except Exception:  # as of what is no profile
        return True
    return bool(np.abs(changed.astype(int) - colours).max() <= SAME_COLOUR)


def _transform(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image]:
    """What turns images of a mode by a profile into sRGB; raises what Pillow likes."""
    cms: Any = importlib.import_module("PIL.ImageCms")
    source = cms.ImageCmsProfile(io.BytesIO(profile))
    transform = cms.buildTransform(source, cms.createProfile("sRGB"), mode, "RGB")

    def to_srgb(band: Image.Image) -> Image.Image:
        band = band if band.mode == mode else band.convert(mode)
        return cms.applyTransform(band, transform)

    return to_srgb


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an image, 1 to 8; 1 if nothing says it.

    Only this entry is read, so that damaged ones beside it do not matter.
    """
    info = cast(dict[Any, Any], image.info)
    exif = info.get("exif")
    text = info.get("Raw profile type exif")
    if exif is None and isinstance(text, str):  # as ImageMagick writes it into PNG files
        digits = re.sub(r"\s", "", "".join(text.split("\n")[3:]))
        exif = bytes.fromhex(digits) if re.fullmatch(r"([0-9a-fA-F]{2})*", digits) else None
    found = exif_orientation(exif) if isinstance(exif, bytes) else None
    if found is not None:
        return found
    xmp = info.get("xmp", info.get("XML:com.adobe.xmp", b""))
    xmp = xmp.encode(errors="replace") if isinstance(xmp, str) else xmp
    pattern = rb"tiff:Orientation(?:=[\"']|>)([1-8])\b"
    match = re.search(pattern, xmp) if isinstance(xmp, bytes) else None
    return int(match[1]) if match else 1


def exif_orientation(exif: bytes) -> int | None:
    """The orientation in a block of EXIF, 1 to 8; None if it has none."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", exif, entry)
            if tag == ORIENTATION and kind in (1, 3, 4):
                code = {1: "B", 3: "H", 4: "I"}[kind]
                (value,) = struct.unpack_from(order + code, exif, entry + 8)
                return value if 1 <= value <= 8 else None
    except struct.error:  # it ends too early
        return None
    return None
