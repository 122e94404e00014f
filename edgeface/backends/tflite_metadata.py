"""Reading the named metadata buffers of a TFLite file.

No interpreter hands them out, and only some come with the schema's generated classes, so the few
tables on the way are read here. A TFLite file is a little-endian flatbuffer. A table starts with
the distance back to its vtable, which holds the place of each of its fields.
"""

from __future__ import annotations

import struct

from edgeface.errors import ModelFormatError
from edgeface.metadata import FACE_MODEL_KEY, KEY

IDENTIFIER = b"TFL3"
# places of the fields in the tables of the TFLite schema
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME, METADATA_BUFFER = 0, 1
BUFFER_DATA = 0
NAMES = {name.encode(): name for name in (KEY, FACE_MODEL_KEY)}
LONGEST_NAME = max(map(len, NAMES))


def read_metadata_buffers(data: bytes, source: str) -> dict[str, bytes]:
    """Read the two metadata entries of edgeface in a TFLite file by their names.

    Raises
    ------
    ModelFormatError
        If the bytes are no TFLite file or end too early; the message names ``source``.
    """
    return {name: data[begin:end] for name, (begin, end) in _spans(data, source).items()}


def network_pieces(data: bytes, source: str) -> list[memoryview]:
    """What a file's checksum is of: everything but the two buffers of edgeface."""
    pieces: list[memoryview] = []
    kept = 0
    for begin, end in sorted(_spans(data, source).values()):
        pieces.append(memoryview(data)[kept:begin])
        kept = max(kept, end)
    return [*pieces, memoryview(data)[kept:]]


def _spans(data: bytes, source: str) -> dict[str, tuple[int, int]]:
    """Find where each metadata entry of edgeface begins and ends, however many others there are."""
    if data[4:8] != IDENTIFIER:
        raise ModelFormatError(f"{source} is no TFLite model: it lacks the mark {IDENTIFIER!r}")
    try:
        model = _follow(data, 0)
        buffers = _tables(data, model, MODEL_BUFFERS)
        spans: dict[str, tuple[int, int]] = {}
        for entry in _tables(data, model, MODEL_METADATA):
            begin, end = _span(data, entry, METADATA_NAME)
            name = NAMES.get(data[begin : min(end, begin + LONGEST_NAME + 1)])
            if name is not None:
                index = _field(data, entry, METADATA_BUFFER)
                number = 0 if index is None else _uint32(data, index)
                spans[name] = _span(data, buffers[number], BUFFER_DATA)
    except (struct.error, IndexError) as error:
        raise ModelFormatError(f"{source} is a damaged TFLite model: {error}") from error
    return spans


def _uint32(data: bytes, place: int) -> int:
    return struct.unpack_from("<I", data, place)[0]


def _follow(data: bytes, place: int) -> int:
    """Where the offset stored at ``place`` points."""
    return place + _uint32(data, place)


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a table keeps a field; None if the field has its default."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if vtable < 0:
        raise IndexError(f"a table at {table} has its vtable before the file")
    length = struct.unpack_from("<H", data, vtable)[0]
    if 4 + 2 * number >= length:
        return None
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return table + offset if offset else None


def _tables(data: bytes, table: int, number: int) -> list[int]:
    """The tables in a vector field."""
    place = _field(data, table, number)
    if place is None:
        return []
    vector = _follow(data, place)
    count = _uint32(data, vector)
    if vector + 4 + 4 * count > len(data):
        raise IndexError(f"a vector at {vector} ends after the file")
    return [_follow(data, vector + 4 + 4 * i) for i in range(count)]


def _span(data: bytes, table: int, number: int) -> tuple[int, int]:
    """Where a vector of bytes, or a string, begins and ends; both start with their length."""
    place = _field(data, table, number)
    if place is None:
        return 0, 0
    vector = _follow(data, place)
    count = _uint32(data, vector)
    if vector + 4 + count > len(data):
        raise IndexError(f"a vector at {vector} ends after the file")
    return vector + 4, vector + 4 + count
