"""Writing files so that nothing is lost: every file that edgeface writes goes through here.

A file is written beside its name and brought to the disk, and only then it takes the name. If an
error, a full disk or a signal ends the program before, whatever had the name stays as it was. An
input is never overwritten. Devices and pipes (``/dev/stdout``) are written as they are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import IO, Any

from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.values import path_of

PathLike = str | os.PathLike[str]

PREFIX = ".edgeface-"
"""How the names begin under which files are written until they are whole."""


def write_output(
    path: PathLike, content: bytes | memoryview | str, inputs: Iterable[PathLike] = ()
) -> None:
    """Write a whole file, text as UTF-8; inputs and errors are those of `whole_file`.

    What UTF-8 cannot hold, as in names of files that are none, is written as escapes.
    """
    with whole_file(path, inputs) as file:
        file.write(
            content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        )


@contextlib.contextmanager
def whole_file(path: PathLike, inputs: Iterable[PathLike] = ()) -> Generator[IO[bytes], None, None]:
    """Open a file to write into, which takes its name when the block ends without an error.

    Parameters
    ----------
    path : the file to write; a link to a file stays one, and the file that it names is replaced
    inputs : the files that the content is made of; none of them is overwritten

    Raises
    ------
    InvalidInputError
        If the file cannot be written, or is one of the inputs. What was there before stays.
    """
    refuse_inputs(path, inputs)
    with _explained(path):
        target = _resolved(path)
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                yield device
            return
        temporary = _beside(target)
        try:
            with temporary.open("xb") as file:
                yield file
            replace_file(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


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
        with _explained(path):
            self._target = _resolved(path)
            self._regular = self._target.is_file() or not self._target.exists()
            if self._regular:
                self._temporary = _beside(self._target)
                self._file: IO[bytes] = self._temporary.open("xb", buffering=0)
            else:
                self._file = self._target.open("wb", buffering=0)

    def write(self, data: bytes) -> int:
        """Append bytes, or overwrite some after `seek`; raises OSError unless all are written."""
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to another place in the file, and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file where the next byte goes."""
        return self._file.tell()

    @property
    def num_bytes(self) -> int:
        """The number of bytes that were written."""
        return os.fstat(self._file.fileno()).st_size

    def show(self) -> None:
        """Take the name, since what is written by now can be read."""
        if self._temporary is None:
            return
        with contextlib.suppress(OSError):  # where this cannot be done, `close` does it
            if self._target.exists():
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
            with _explained(self.path):
                self._file.close()
                if self._temporary is not None:
                    replace_file(self._temporary, self._target)
                    self._temporary = None
                elif self._regular:
                    _sync(self._target)
                if self._previous is not None:
                    self._previous.unlink(missing_ok=True)
        except BaseException:
            self.fail()
            raise


def refuse_inputs(path: PathLike, inputs: Iterable[PathLike]) -> None:
    """Make sure that a file to write is none of the inputs, nor a link or another name of one.

    Raises
    ------
    InvalidInputError
        If it is one; the message names the input.
    """
    path_of("cannot write: the name", path)
    for source in inputs:
        if _same_file(path, os.fspath(source).removeprefix("file://").removeprefix("file:")):
            raise InvalidInputError(
                f"{path} is the input {source} itself, which writing would destroy; name another "
                "file"
            )


def _same_file(path: PathLike, source: str) -> bool:
    try:
        return os.path.samefile(path, source) and not stat.S_ISCHR(os.stat(source).st_mode)
    except (OSError, ValueError):  # what does not exist is no input
        return False


def refuse_twice(paths: Iterable[PathLike]) -> None:
    """Make sure that the files that one run writes are different ones.

    Raises
    ------
    InvalidInputError
        If two are the same; the message names the file.
    """
    seen: set[str] = set()
    for path in paths:
        name = os.path.realpath(path)
        if name in seen:
            raise InvalidInputError(f"{path} would be written twice; name two files")
        seen.add(name)


def folder_of(name: str, path: PathLike) -> Path:
    """Check an argument that names a folder to write into, which need not be there yet.

    Raises
    ------
    InvalidInputError
        If it is something else than a folder.
    """
    folder = path_of(name, path)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise InvalidInputError(f"{name} needs a folder, and {folder} is a file")
    return folder


def distinct_name(name: str, taken: set[str]) -> str:
    """Take the name, or the first of ``name-2``, ``name-3``... that is not taken yet.

    Names that differ only in case, or in how accents are composed, count as the same, as they do in
    some file systems.
    """
    number, found = 1, name
    while (key := unicodedata.normalize("NFC", found).casefold()) in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(key)
    return found


def replace_file(source: Path, target: Path) -> None:
    """Give a finished file, or a folder of files, its name, and bring both to the disk.

    A file takes the name of an older one at once. No system does that for folders: an older one is
    moved aside first, and back if the new one cannot take its place.
    """
    for file in (source, *source.rglob("*")):
        _sync(file)
    if target.is_dir():
        aside = target.with_name(f"{PREFIX}{secrets.token_hex(6)}")
        os.replace(target, aside)
        try:
            os.replace(source, target)
        except BaseException:
            os.replace(aside, target)
            raise
        shutil.rmtree(aside)
    else:
        with contextlib.suppress(OSError):  # nothing had the name, or the system has no modes
            shutil.copymode(target, source)
        os.replace(source, target)
    _sync(target.parent)


def keep_copy(source: Path, copy: Path) -> None:
    """Give a file a second name, which an older one may have, by a link or else by a copy.

    Raises
    ------
    InvalidInputError
        If the copy cannot be written.
    """
    with _explained(copy):
        temporary = _beside(copy)
        try:
            try:
                os.link(source, temporary)
            except OSError:
                shutil.copy2(source, temporary)
            os.replace(temporary, copy)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(path: PathLike) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, EdgeFaceError):
            raise
        raise InvalidInputError(f"cannot write {path}: {error.strerror or error}") from error


def _resolved(path: PathLike) -> Path:
    return Path(os.path.realpath(path))


def _beside(target: Path) -> Path:
    """A name in the folder of a file that nothing has."""
    return target.with_name(f"{PREFIX}{secrets.token_hex(6)}")


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


def _sync(path: Path) -> None:
    """Bring a file's content, or a folder's names, to the disk."""
    try:
        number = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.EINVAL):  # there is nothing to bring
            raise
    finally:
        os.close(number)


def save_figure(figure: Any, path: Path, **options: Any) -> None:
    """Write a matplotlib figure, in the format that the suffix names (default: PNG).

    Raises
    ------
    InvalidInputError
        If the file cannot be written, or matplotlib does not know the format.
    """
    kind = path.suffix.removeprefix(".").lower() or "png"
    with whole_file(path) as file:
        try:
            figure.savefig(file, format=kind, **options)
        except ValueError as error:
            raise InvalidInputError(f"cannot write {path}: {error}") from error
