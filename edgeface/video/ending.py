"""Whether a video file was cut off, by the parts that it is made of.

FFmpeg reads such a file to its last whole picture, and then says that it ends.
"""

from __future__ import annotations

import os
from typing import IO

SYNC = 0x47
"""The byte that a packet of MPEG-TS begins with."""
TS_PACKETS = ((188, 0), (192, 4), (204, 0))
"""Sizes of packets of MPEG-TS, and where they begin; of Blu-ray, they follow a time of 4 bytes."""
TAG_HEAD_BYTES = 11


def is_cut(path: str, container: str) -> bool:
    """Whether a file ends in the middle of a part.

    Parameters
    ----------
    path : the file
    container : FFmpeg's name of its format; of those without such parts, nobody can tell

    Returns
    -------
    bool
        False also for a file that was cut between two parts.
    """
    checks = {"mpegts": _in_packet, "flv": _in_tag, "avi": _in_riff, "mov": _in_box}
    check = checks.get(container.partition(",")[0])
    if check is None:
        return False
    with open(path, "rb") as file:
        return check(file, os.fstat(file.fileno()).st_size)


def _in_packet(file: IO[bytes], length: int) -> bool:
    start = file.read(3 * 204)
    for size, first in TS_PACKETS:
        marks = start[first::size]
        if marks and set(marks) == {SYNC}:
            return length % size > 0
    return False  # it begins with something else


def _in_tag(file: IO[bytes], length: int) -> bool:
    """FLV: after each tag stands how long it is, and in the tag how long its content is."""
    tag_bytes = _number(file, length - 4, 4)
    if tag_bytes == 0:  # there is no tag, or the writer did not care
        return False
    content_bytes = _number(file, length - 4 - tag_bytes + 1, 3)
    return content_bytes + TAG_HEAD_BYTES != tag_bytes


def _in_riff(file: IO[bytes], length: int) -> bool:
    """AVI: the head says how long the file is; that of one that was never finished says 0."""
    return int.from_bytes(file.read(8)[4:], "little") + 8 > length


def _in_box(file: IO[bytes], length: int) -> bool:
    """MP4: each box says how long it is; what follows the last one may be anything."""
    at, kind = 0, b""
    while at + 8 <= length:
        size, head = _number(file, at, 4), 8
        kind = file.read(4)
        if size == 1:
            size, head = _number(file, at + 8, 8), 16
        if size < head:  # 0 is up to the end
            return False
        at += size
    return at > length and kind in (b"moof", b"mdat")


def _number(file: IO[bytes], at: int, size: int) -> int:
    file.seek(max(0, at))
    return int.from_bytes(file.read(size), "big")
