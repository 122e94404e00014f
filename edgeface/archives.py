"""Reading zip archives of strangers, which may be small and unpack to more than memory holds."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from edgeface.types import AnyArray

MAX_BYTES = 1 << 32
"""4 GiB; the labels of 10,000 faces take 50 MB, a multilinear tensor of doubles 640."""

_MAT_HEADER_BYTES, _MAT_PACKED = 128, 15
_PIECE = 1 << 20


def unpacked_bytes(file: str | os.PathLike[str] | IO[bytes]) -> int:
    """How many bytes a zip archive is said to unpack to, than which Python unpacks no more."""
    with zipfile.ZipFile(file) as archive:
        return sum(info.file_size for info in archive.infolist())


def arrays_of(data: bytes, max_bytes: int = MAX_BYTES) -> dict[str, AnyArray]:
    """Unpack the arrays of an ``.npz`` file.

    Raises
    ------
    ValueError
        If they are said to take more than ``max_bytes``, than which no more is then unpacked.
    Exception
        Whatever zips, compression and numpy raise if they are damaged.
    """
    total = unpacked_bytes(io.BytesIO(data))
    if total > max_bytes:
        raise ValueError(f"unpacked it has {total:,} bytes, more than {max_bytes:,}")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def refuse_large_mat(data: bytes, max_bytes: int = MAX_BYTES) -> None:
    """Raise ValueError for a ``.mat`` file whose variables unpack to more than ``max_bytes``.

    Those of version 5 are packed one by one. Older ones are not, and newer ones are not read.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_MAT_HEADER_BYTES])
    place, left = _MAT_HEADER_BYTES, max_bytes
    while order is not None and place + 8 <= len(data):
        kind, length = struct.unpack_from(order + "II", data, place)
        packed = data[place + 8 : place + 8 + length] if kind == _MAT_PACKED else b""
        left -= inflated_bytes(zlib.decompressobj(), packed, left)
        if left < 0:
            raise ValueError(f"unpacked it has more than {max_bytes:,} bytes")
        place += 8 + length


def inflated_bytes(inflater: Any, packed: bytes, most: int) -> int:
    """How many bytes a part of a zlib stream unpacks to; beyond ``most``, it is not read on.

    It goes in and comes out by pieces, since zlib copies what it has not read yet at every call.
    """
    found = 0
    for start in range(0, len(packed), _PIECE):
        rest = packed[start : start + _PIECE]
        while rest and found <= most:
            found += len(inflater.decompress(rest, _PIECE))
            rest = inflater.unconsumed_tail
    return found
