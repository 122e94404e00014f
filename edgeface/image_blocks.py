"""Cutting blocks out of image files that say nothing of the pixels.

Pillow reads such blocks while it opens a file, and refuses the file if they are damaged or large,
as the workflows are that some programs leave in their pictures. Decoders of others pass them over.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from edgeface.pictures import exif_orientation

# start of the image's data, its end, and markers that stand alone
_JPEG_WITHOUT_LENGTH = {b"", *(bytes([number]) for number in (0x00, 0x01, *range(0xD0, 0xDB)))}
# by marker: how a block begins that Pillow looks into, and how long it is at least, bytes
_JPEG_LEAST = {b"\xe0": (b"JFIF", 14), b"\xe2": (b"ICC_PROFILE", 14), b"\xee": (b"Adobe", 12)}

_NCLX = re.compile(rb"colrnclx..(..)", re.DOTALL)
"""A box of colours by numbers: primaries, then transfer characteristics."""
PNG_SIGNATURE_BYTES = 8
_PNG_RAW_EXIF = b"Raw profile type exif\0"
_MAX_INFLATED = 1 << 20
"""The longest text or profile of a PNG that Pillow takes."""


def sound_jpeg(data: bytes) -> tuple[bytes, int | None]:
    """Cut EXIF, multi-picture and damaged blocks out of a JPEG; returns it and its orientation."""
    kept, orientation, place = [data[:2]], None, 2
    while data[place : place + 1] == b"\xff":
        marker = data[place + 1 : place + 2]
        if marker == b"\xff":  # padding
            place += 1
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _JPEG_WITHOUT_LENGTH or length < 2:
            break
        block = data[place : place + 2 + length]
        if marker == b"\xe1" and block[4:10] == b"Exif\0\0":
            orientation = orientation or exif_orientation(block[4:])
        elif block[1:2] + block[4:8] != b"\xe2MPF\0" and not _is_short(marker, block[4:]):
            kept.append(block)
        place += 2 + length
    kept.append(data[place:])
    return b"".join(kept), orientation


def _is_short(marker: bytes, content: bytes) -> bool:
    """Whether a block is shorter than its kind is; libjpeg passes such blocks over."""
    word, least = _JPEG_LEAST.get(marker, (b"", 0))
    return content.startswith(word) and len(content) < least


def sound_png(data: bytes) -> bytes:
    """Cut out of a PNG what neither pixels nor colours nor orientation need, or is damaged.

    An animation loses all frames but the first.
    """
    kept, place = [data[:PNG_SIGNATURE_BYTES]], PNG_SIGNATURE_BYTES
    for kind, content, end in _png_chunks(data):
        is_critical = not kind[0] & 0x20  # a capital letter
        if is_critical or _is_wanted(kind, content, data[end - 4 : end]):
            kept.append(data[place:end])
        place = end
    kept.append(data[place:])
    return b"".join(kept)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """The kind, content and end of each chunk that is whole."""
    place = PNG_SIGNATURE_BYTES
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            return
        yield data[place + 4 : place + 8], data[place + 8 : end - 4], end
        place = end


def png_transfer(data: bytes) -> int:
    """The transfer characteristics that a PNG names (ISO/IEC 23091-2), 0 if none."""
    for kind, content, end in _png_chunks(data):
        if kind == b"cICP" and len(content) == 4 and _is_sound(kind, content, data[end - 4 : end]):
            return content[1]
    return 0


def avif_transfer(data: bytes) -> int:
    """The transfer characteristics that all pictures of an AVIF file have, 0 if they differ.

    They do where one tells ordinary screens from others: the main picture is for the ordinary ones.
    """
    named = {int.from_bytes(found, "big") for found in _NCLX.findall(data)}
    return named.pop() if len(named) == 1 else 0


def _is_sound(kind: bytes, content: bytes, checksum: bytes) -> bool:
    return zlib.crc32(kind + content).to_bytes(4, "big") == checksum


def _is_wanted(kind: bytes, content: bytes, checksum: bytes) -> bool:
    if not _is_sound(kind, content, checksum):
        return False
    packed = content.partition(b"\0")[2]  # after a name
    if kind == b"iCCP" or (kind == b"zTXt" and content.startswith(_PNG_RAW_EXIF)):
        return packed[:1] == b"\0" and _inflates(packed[1:])
    if kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0"):
        return packed[:1] == b"\0" or _inflates(packed.split(b"\0", 3)[-1])
    return kind == b"eXIf" or (kind == b"tEXt" and content.startswith(_PNG_RAW_EXIF))


def _inflates(packed: bytes) -> bool:
    """Whether Pillow would unpack this."""
    try:
        inflater = zlib.decompressobj()
        inflater.decompress(packed, _MAX_INFLATED)
    except zlib.error:
        return False
    return not inflater.unconsumed_tail
