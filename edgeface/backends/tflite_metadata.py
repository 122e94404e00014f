"""Reading the named metadata buffers of a TFLite file.

No interpreter hands them out, and the schema's generated classes come only with some of them, so
the few tables on the way are read here. A TFLite file is a flatbuffer: little-endian; a table
starts with the distance back to its vtable, which holds the place of each of its fields.
"""

from __future__ import annotations

import struct

from edgeface.errors import ModelFormatError

IDENTIFIER = b"TFL3"
# places of the fields in the tables of the TFLite schema
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME, METADATA_BUFFER = 0, 1
BUFFER_DATA = 0


def read_metadata_buffers(data: bytes, source: str) -> dict[str, bytes]:
    """Every metadata entry of a TFLite file by its name.

    Raises
    ------
    ModelFormatError
        If the bytes are no TFLite file or end too early; ``source`` names it.
    """
    if data[4:8] != IDENTIFIER:
        raise ModelFormatError(f"{source} is no TFLite model: it lacks the mark {IDENTIFIER!r}")
    try:
        model = _follow(data, 0)
        buffers = _tables(data, model, MODEL_BUFFERS)
        entries: dict[str, bytes] = {}
        for entry in _tables(data, model, MODEL_METADATA):
            name = _bytes(data, entry, METADATA_NAME).decode()
            index = _field(data, entry, METADATA_BUFFER)
            number = 0 if index is None else _uint32(data, index)
            entries[name] = _bytes(data, buffers[number], BUFFER_DATA)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ModelFormatError(f"{source} is a damaged TFLite model: {error}") from error
    return entries


def _uint32(data: bytes, place: int) -> int:
    return struct.unpack_from("<I", data, place)[0]


def _follow(data: bytes, place: int) -> int:
    """Where the offset stored at ``place`` points."""
    return place + _uint32(data, place)


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a table keeps a field; None where the field has its default."""
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


def _bytes(data: bytes, table: int, number: int) -> bytes:
    """A vector of bytes, or a string; both start with their length."""
    place = _field(data, table, number)
    if place is None:
        return b""
    vector = _follow(data, place)
    count = _uint32(data, vector)
    if vector + 4 + count > len(data):
        raise IndexError(f"a vector at {vector} ends after the file")
    return data[vector + 4 : vector + 4 + count]
