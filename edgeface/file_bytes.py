"""Reading files of strangers whole, which may be larger than memory, or have no end."""

from __future__ import annotations

import os
from pathlib import Path


def bytes_of(path: Path, most: int) -> bytes:
    """The content of a file, or of a pipe.

    Raises
    ------
    ValueError
        If it has more than ``most`` bytes, of which no more are read.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > most else file.read((size or most) + 1)  # pipes and devices have none
    if max(size, len(data)) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return data
