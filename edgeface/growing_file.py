"""`GrowingFile`: a file that can be used while it is written, as recordings and videos can."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from edgeface.descriptors import open_in_place
from edgeface.output import (
    PathLike,
    beside,
    explained,
    is_written_in_place,
    refuse_inputs,
    replace_file,
    resolved,
    sync,
)


class GrowingFile:
    """A file that can be used while it grows, as recordings and videos can.

    It takes its name at `show`, once it can be read. An older file of that name is then kept beside
    it, as ``NAME.previous.SUFFIX``, until the new one is finished. If writing fails, the older one
    gets its name back and the new one is called ``NAME.part.SUFFIX``. What was written reaches the
    system at once, so that killing the program loses none of it.

    Parameters
    ----------
    path, inputs : the file to write and the files that it is made of, as in `whole_file`

    Raises
    ------
    InvalidInputError
        If the file cannot be written, or is one of the inputs.
    """

    def __init__(self, path: PathLike, inputs: Iterable[PathLike] = ()) -> None:
        refuse_inputs(path, inputs)
        self.path, self.name = Path(path), os.fspath(path)
        self._temporary: Path | None = None
        self._previous: Path | None = None
        self._failed = False
        with explained(path):
            self._target = resolved(path)
            self._regular = not is_written_in_place(path)
            if self._regular:
                self._temporary = beside(self._target)
                self._file: IO[bytes] = self._temporary.open("xb", buffering=0)
            else:
                self._file = open_in_place(path, buffering=0)

    def write(self, data: bytes) -> int:
        """Append bytes, or overwrite some after `seek`; raises OSError unless all are written.

        After `fail` they are dropped, since encoders write an end to whatever they have begun.
        """
        left = memoryview(b"" if self._failed else data)
        while left:
            left = left[self._file.write(left) :]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to another place in the file, and return it."""
        return 0 if self._failed else self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file where the next byte goes."""
        return 0 if self._failed else self._file.tell()

    @property
    def num_bytes(self) -> int:
        """The number of bytes that were written."""
        return os.fstat(self._file.fileno()).st_size

    def show(self) -> None:
        """Take the name, since what is written by now can be read."""
        if self._temporary is None:
            return
        with contextlib.suppress(OSError):  # where this cannot be done, `close` does it
            if self._previous is None and self._target.exists():
                self._previous = _keep(self._target)
                shutil.copymode(self._target, self._temporary)
            os.replace(self._temporary, self._target)
            self._temporary = None

    def fail(self) -> None:
        """Give up, and leave an older file of the name as it was before."""
        if self._failed:
            return
        self._failed = True
        self._file.close()
        with contextlib.suppress(OSError):
            if self._temporary is not None:
                self._temporary.unlink()
                if self._previous is not None:
                    self._previous.unlink()
            elif self._previous is not None:
                os.replace(self._target, _with_mark(self._target, "part"))
                os.replace(self._previous, self._target)

    def close(self) -> None:
        """Bring the file to the disk under its name, unless it is empty."""
        if self._failed or self._file.closed:
            return
        if self._temporary is not None and not self.num_bytes:  # nothing came that could be kept
            self.fail()
            return
        try:
            with explained(self.path):
                self._file.close()
                if self._temporary is not None:
                    replace_file(self._temporary, self._target)
                    self._temporary = None
                elif self._regular:
                    sync(self._target)
                if self._previous is not None:
                    self._previous.unlink(missing_ok=True)
        except BaseException:
            self.fail()
            raise


def _keep(target: Path) -> Path:
    """Give a file a second name, so that it outlives the first, and return it."""
    number = 1
    while True:
        mark = "previous" if number == 1 else f"previous-{number}"
        kept = _with_mark(target, mark)
        try:
            os.link(target, kept)
        except FileExistsError:
            number += 1
        else:
            return kept


def _with_mark(path: Path, mark: str) -> Path:
    return path.with_name(f"{path.stem}.{mark}{path.suffix}")
