"""Reading protobuf messages without their schema, as far as the backends need it."""

from __future__ import annotations

from collections.abc import Generator, Sequence

MAX_VARINT = 10
"""The number of bytes of the longest number."""


def fields(data: memoryview) -> Generator[tuple[int, int, int, memoryview], None, None]:
    """Yield each field in order: its number, where it begins and ends, and its content.

    Only fields with a length have a content: texts, bytes and messages.

    Raises
    ------
    ValueError
        If the message ends too early, or holds anything that is no field.
    """
    place = 0
    while place < len(data):
        begin = place
        tag, place = _varint(data, place)
        content = data[:0]
        match tag & 7:
            case 0:
                _, place = _varint(data, place)
            case 1:
                place += 8
            case 2:
                length, place = _varint(data, place)
                content = data[place : place + length]
                place += length
            case 5:
                place += 4
            case kind:
                raise ValueError(f"a field at {begin} has the kind {kind}")
        if place > len(data):
            raise ValueError(f"a field at {begin} ends after its message")
        yield tag >> 3, begin, place, content


def outside(data: memoryview, path: Sequence[int]) -> list[memoryview]:
    """The bytes of a message without the fields that a path of field numbers leads to.

    The number and the length of the messages on the path are left out too, since the length depends
    on what lies at the path's end.
    """
    pieces: list[memoryview] = []
    kept = 0
    for number, begin, end, content in fields(data):
        if number == path[0]:
            pieces.append(data[kept:begin])
            kept = end
            if len(path) > 1:
                pieces += outside(content, path[1:])
    return [*pieces, data[kept:]]


def inside(data: memoryview, path: Sequence[int]) -> Generator[memoryview, None, None]:
    """Yield the content of each field that a path of field numbers leads to."""
    for number, _, _, content in fields(data):
        if number == path[0]:
            if len(path) == 1:
                yield content
            else:
                yield from inside(content, path[1:])


def entry(message: memoryview) -> tuple[str, str]:
    """The key and the value of an entry in a map of texts."""
    found = {number: str(content, "utf-8") for number, _, _, content in fields(message)}
    return found.get(1, ""), found.get(2, "")


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for i in range(MAX_VARINT):
        if place + i >= len(data):
            break
        byte = data[place + i]
        value |= (byte & 0x7F) << (7 * i)
        if not byte & 0x80:
            return value, place + i + 1
    raise ValueError(f"a number at {place} does not end")
