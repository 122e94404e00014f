"""Paths that name what the program has open already: ``/dev/stdout``, and those in ``/dev/fd``.

Opening such a path anew would empty the file behind it, and writing beside that file and renaming
would take its place. So they are written as the shell means them: on from where the stream is.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import IO

_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_NUMBERED = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})")


def descriptor_of(path: str | os.PathLike[str]) -> int | None:
    """The number of the open stream that a path names; None if it names a file.

    The names mean the same on Windows, which has no such files.

    Examples
    --------
    >>> descriptor_of("/dev/stdout"), descriptor_of("/dev/fd/63"), descriptor_of("out.json")
    (1, 63, None)
    """
    text = path.as_posix() if isinstance(path, PurePath) else os.fspath(path)
    numbered = _NUMBERED.fullmatch(text)
    return int(numbered[1]) if numbered else _STREAMS.get(text)


def open_in_place(path: str | os.PathLike[str], buffering: int = -1) -> IO[bytes]:
    """Open a device or a pipe, or an open stream once more, to write to it; raises OSError."""
    number = descriptor_of(path)
    return open(path if number is None else os.dup(number), "wb", buffering)
