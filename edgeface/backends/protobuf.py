"""Walking a protobuf message without its schema, as far as the backends need it."""

from __future__ import annotations

from collections.abc import Generator, Sequence

MAX_VARINT = 10
"""Bytes of the longest number."""


def fields(data: memoryview) -> Generator[tuple[int, int, int, memoryview], None, None]:
    """Every field in order: its number, first byte, past its last byte, and its content.

    The content is empty but for fields with a length: texts, bytes and messages.

    Raises
    ------
    ValueError
        If the message ends too early or holds what is no field.
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

    Of the messages on the way, number and length are left out as well, since the length changes
    with what lies at the path's end.
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


def entry(message: memoryview) -> tuple[str, str]:
    """Key and value of a map's entry of texts."""
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
