"""Reading zip archives of strangers, which may be small and unpack to more than memory holds."""

from __future__ import annotations

import io
import os
import zipfile
from typing import IO

import numpy as np

from edgeface.types import AnyArray

MAX_BYTES = 1 << 32
"""4 GiB; the labels of 10,000 faces take 50 MB, a multilinear tensor of doubles 640."""


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
