"""Opening the picture in the bytes of an image file, by its content alone.

No decoder outside this list is ever asked, whatever the name of a file or other packages have
taught Pillow. PostScript, for one, would start another program.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import stat
import zlib
from math import ceil
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

from edgeface.archives import inflated_bytes
from edgeface.errors import BackendUnavailableError, InvalidInputError, why_broken
from edgeface.image_blocks import avif_transfer, png_transfer, sound_jpeg, sound_png
from edgeface.pictures import Picture, orientation_of
from edgeface.tone import CUBE_SIDE, HLG, PQ, tone_cube
from edgeface.values import path_of, shown

_DECODERS = {
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "WebP": ("WebPImagePlugin", "WebPImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "PNM": ("PpmImagePlugin", "PpmImageFile"),
    "JPEG 2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
}
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    *((b"P%d%c" % (number, space), "PNM") for number in range(1, 7) for space in b" \t\n\r#"),
)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_NEEDS_PILLOW = "reading {} files needs another Pillow: pip install --upgrade pillow ({})"

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

_SUBFILE_TYPE, _DNG_VERSION = 254, 50706
"""Tags of TIFF; bit 0 of the first says that the picture is a smaller copy of another."""
_CANON_RAW = b"CR"
"""What Canon's raw photos have from byte 8 on."""

_EXIF_ITEM = re.compile(rb"(infe\x02.{7})Exif", re.DOTALL)

FORMATS = (*_DECODERS, "HEIC")
"""The image files that are read."""
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".pnm",
     ".ppm", ".pgm", ".pbm", ".jp2", ".j2k", ".avif", ".heic", ".heif", ".hif"}
)  # fmt: skip
"""The suffixes of files that are taken from a folder; a file that is named may have any suffix."""
SUFFIXES_LISTED = f"files that end in {', '.join(sorted(IMAGE_SUFFIXES))}"
LONGEST_NAME = 4096
"""Characters of a path; what is longer is taken for content."""
MAX_FILE_BYTES = 1 << 29
"""The largest image file, 512 MiB."""
HEAD_BYTES = 64
"""How many bytes tell the formats apart; of other files, no more is read."""


def images_in(folder: str | os.PathLike[str]) -> list[Path]:
    """The images that lie in a folder, by name, without hidden ones and those of folders in it.

    Raises
    ------
    InvalidInputError
        If there is no such folder, it cannot be read, or it has no images.
    """
    place = path_of("a folder of images", folder)
    if not os.path.isdir(place):
        raise InvalidInputError(f"no such folder of images: {folder}")
    try:
        files = sorted(place.iterdir())
    except OSError as error:
        raise InvalidInputError(f"cannot read {folder}: {error.strerror or error}") from error
    images = [file for file in files if is_image_name(file.name) and file.is_file()]
    if not images:
        raise InvalidInputError(f"the folder {folder} has no images: expected {SUFFIXES_LISTED}")
    return images


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken from a folder: it has such a suffix and is not hidden.

    What macOS keeps beside a photo on other file systems is hidden: ``._photo.jpg``.
    """
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether this is a pipe, a socket or a device, which are read if they are named alone.

    In a folder they are passed over: what they give may never come.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # what is no file is for whoever reads it to name
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def bytes_of_file(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file; of one that is no image, and may have no end, only the first bytes.

    Raises
    ------
    InvalidInputError
        If it is absent, cannot be read, or is larger than `MAX_FILE_BYTES`.
    """
    name = str(path)
    if len(name) > LONGEST_NAME or name.startswith("data:"):  # an image of megabytes, even
        raise InvalidInputError(
            f"{shown(name)} is no path: of an image in base64, pass the bytes, base64.b64decode()"
        )
    try:
        with open(path, "rb") as file:
            return bytes_of_stream(file, name)
    except FileNotFoundError as error:
        remedy = "; pass the bytes of other addresses than http and https" if "://" in name else ""
        raise InvalidInputError(f"no such image: {name}{remedy}") from error
    except (OSError, TypeError, ValueError) as error:  # of names that no file has
        if isinstance(error, InvalidInputError):
            raise
        why = getattr(error, "strerror", None) or error
        raise InvalidInputError(f"{name} is no readable image: {why}") from error


def bytes_of_stream(stream: Any, source: str) -> bytes:
    """Read what is left of an open file as `bytes_of_file` does; errors name ``source``."""
    head = _read(stream, HEAD_BYTES, source)
    data = head + _read(stream, MAX_FILE_BYTES, source) if format_of(head) else head
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{source} is too large: more than {MAX_FILE_BYTES >> 20} MiB")
    return data


def _read(stream: Any, size: int, source: str) -> bytes:
    """Read so many bytes, or as many as there are; pipes give fewer at a time."""
    parts: list[bytes] = []
    while size > 0:
        part = stream.read(size)
        if not isinstance(part, bytes):
            raise InvalidInputError(f"{source} gives {type(part).__name__}: open it in binary mode")
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def format_of(data: bytes) -> str | None:
    """The one of `FORMATS` that some bytes are, or None."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), 64)
        brands = {data[8:12], *(data[i : i + 4] for i in range(16, end, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIC"
    return None


def open_picture(data: bytes) -> Picture:
    """Open the picture in the bytes of a file.

    Its pixels are decoded later, but at once those of PNG and of HDR, which is tone-mapped.

    Raises
    ------
    InvalidInputError
        If they are none of `FORMATS`, a camera's raw photo, or a PNG without some of its rows.
    BackendUnavailableError
        If they are HEIC or AVIF and the decoder is not installed.
    Exception
        If the decoder raises it on a damaged file.
    """
    if not data:
        raise InvalidInputError("it is empty: it has 0 bytes")
    kind = format_of(data)
    if kind is None:
        raise InvalidInputError(f"its content is none of {', '.join(FORMATS)}")
    if kind == "HEIC":
        return _heic(data)
    orientation, transfer = None, 0
    if kind == "JPEG":
        data, orientation = sound_jpeg(data)
    elif kind == "PNG":
        transfer, data = png_transfer(data), sound_png(data)
    elif kind == "AVIF":  # whose orientation lies elsewhere
        transfer = avif_transfer(data)
        data = _EXIF_ITEM.sub(rb"\1skip", data)
    image = _decoder(kind)(io.BytesIO(data))
    picture = Picture(image, orientation)
    if kind == "PNG":
        _refuse_missing_rows(image, data)
    elif kind == "TIFF":
        _refuse_raw(image, data)
        if not isinstance(image.info.get("xmp"), bytes):  # Pillow's search for a turn needs them
            image.info.pop("xmp", None)
    if transfer in (PQ, HLG):
        image.load()
        return _tone_mapped(image, transfer, orientation_of(image))
    return picture


def _tone_mapped(image: Image.Image, transfer: int, orientation: int) -> Picture:
    """The picture of an HDR image of these transfer characteristics."""
    table = ImageFilter.Color3DLUT(CUBE_SIDE, tone_cube(transfer))
    mapped = image.convert("RGB").filter(table)
    mapped.info = {}  # a profile would speak of the colours before
    return Picture(mapped, orientation)


def _refuse_raw(image: Any, data: bytes) -> None:
    """Raise InvalidInputError for raw photos, which are TIFF files with a small preview in front.

    Faces of the preview would be reported in its pixels, as if they were those of the photo.
    """
    subfile = image.tag_v2.get(_SUBFILE_TYPE)
    preview = isinstance(subfile, int) and subfile & 1  # else it is damaged
    if preview or _DNG_VERSION in image.tag_v2 or data[8:10] == _CANON_RAW:
        raise InvalidInputError(
            "it is a camera's raw photo, of which only a small preview could be read: convert it "
            "to JPEG or TIFF"
        )


def _refuse_missing_rows(image: Image.Image, data: bytes) -> None:
    """Raise InvalidInputError for a PNG with too few rows, which Pillow leaves black.

    The rows are counted only if the last one is. Of interlaced files Pillow itself says it.
    """
    image.load()
    width, height = image.size
    box = (0, height - 1, width, height)
    last = image.resize((width, 1), Image.Resampling.NEAREST, box).tobytes()
    depth, colour, interlaced = data[24], data[25], data[28]
    if interlaced or last.strip(b"\0"):
        return
    expected = height * (1 + ceil(width * depth * _PNG_CHANNELS[colour] / 8))
    inflater, found, place = zlib.decompressobj(), 0, 8
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"IDAT":
            packed = data[place + 8 : place + 8 + length]
            found += inflated_bytes(inflater, packed, expected - found)
        place += 12 + length
    if found < expected:
        raise InvalidInputError(f"it is truncated: its rows have {found} bytes, not {expected}")


def _decoder(kind: str) -> Any:
    """Pillow's class for one of the formats."""
    module_name, name = _DECODERS[kind]
    try:
        module: Any = importlib.import_module(f"PIL.{module_name}")
    except ImportError as error:
        raise BackendUnavailableError(_NEEDS_PILLOW.format(kind, error)) from error
    if not getattr(module, "SUPPORTED", True):
        raise BackendUnavailableError(_NEEDS_PILLOW.format(kind, "built without it"))
    return getattr(module, name)


def _heic(data: bytes) -> Picture:
    """Open the main picture of a HEIF container, which its decoder turns upright."""
    try:
        pillow_heif: Any = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise BackendUnavailableError(
            f"reading HEIC files needs pillow-heif: pip install 'edgeface[heif]'{why_broken(error)}"
        ) from error
    # opened directly: registered with Pillow, it would read files for the whole process
    container = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    main = container[container.primary_index]
    Picture.check_size(main.size)
    image = Image.frombytes(main.mode, main.size, main.data, "raw", main.mode, main.stride)
    transfer = main.info.get("nclx_profile", {}).get("transfer_characteristics")
    if transfer in (PQ, HLG):
        return _tone_mapped(image, transfer, orientation=1)
    image.info["icc_profile"] = main.info.get("icc_profile")
    return Picture(image, orientation=1)
