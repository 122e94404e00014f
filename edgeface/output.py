"""Writing files so that nothing is lost: every file that edgeface writes goes through here.

A file is written beside its name and brought to the disk, and only then it takes the name. If an
error, a full disk or a signal ends the program before, whatever had the name stays as it was. An
input is never overwritten. Devices, pipes and open streams (``/dev/stdout``) are written as they
are.
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
from typing import IO, Any, cast

from edgeface.addresses import local_name
from edgeface.descriptors import descriptor_of, open_in_place
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
    with explained(path):
        if is_written_in_place(path):
            with open_in_place(path) as device:
                yield device
            return
        target = resolved(path)
        temporary = beside(target)
        try:
            with temporary.open("xb") as file:
                yield file
            replace_file(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def refuse_inputs(path: PathLike, inputs: Iterable[PathLike]) -> None:
    """Make sure that a file to write is none of the inputs, nor a link or another name of one.

    The input ``-`` is what standard input was redirected from.

    Raises
    ------
    InvalidInputError
        If it is one; the message names the input.
    """
    path_of("cannot write: the name", path)
    for source in inputs:
        name = os.fspath(source)
        if _same_file(path, 0 if name == "-" else local_name(name)):
            raise InvalidInputError(
                f"{path} is the input {source} itself, which writing would destroy; name another "
                "file"
            )


def file_of(image: Any) -> PathLike | None:
    """The file of an image that is a path, an open file or a PIL image of one."""
    if not isinstance(image, (str, os.PathLike)):
        image = getattr(image, "filename", getattr(image, "name", None))
    return cast(PathLike, image) if isinstance(image, (str, os.PathLike)) else None


def _same_file(path: PathLike, source: str | int) -> bool:
    try:
        state = os.stat(source)
        return os.path.samestat(os.stat(path), state) and not stat.S_ISCHR(state.st_mode)
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


def check_place(path: PathLike) -> None:
    """Make sure, before long work, that there is a folder for a file that the work will write.

    Raises
    ------
    InvalidInputError
        If there is none, it may not be written to, or the name is that of a folder.
    """
    named = path_of("cannot write: the name", path)
    folder = resolved(named).parent if named.is_symlink() else named.parent
    if named.is_dir():
        raise InvalidInputError(f"cannot write {path}: it is a folder")
    if is_written_in_place(named):
        return
    if not folder.is_dir():
        raise InvalidInputError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise InvalidInputError(f"cannot write {path}: nothing may be written to {folder}")


def folder_of(name: str, path: PathLike) -> Path:
    """Check an argument that names a folder to write into, which need not be there yet.

    Raises
    ------
    InvalidInputError
        If it is something else than a folder, or nothing may be written to it, or if it cannot be
        made where it is to be.
    """
    folder = path_of(name, path)
    there = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)
    if os.path.lexists(there) and not os.path.isdir(there):
        raise InvalidInputError(f"{name} needs a folder, and {there} is a file")
    if not os.access(there, os.W_OK):
        raise InvalidInputError(f"{name}: nothing may be written to {there}")
    return folder


def make_folder(folder: PathLike) -> Path:
    """Make a folder to write into, and those that it lies in, unless they are there.

    Raises
    ------
    InvalidInputError
        If it cannot be made.
    """
    path = path_of("cannot make the folder: the name", folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"cannot make the folder {folder}: {error.strerror or error}"
        ) from error
    return path


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
        sync(file)
    if target.is_dir():
        aside = target.with_name(f"{PREFIX}{secrets.token_hex(6)}")
        os.replace(target, aside)
        try:
            os.replace(source, target)
        except BaseException:
            os.replace(aside, target)
            raise
        if aside.is_symlink():
            aside.unlink()
        else:
            shutil.rmtree(aside)
    else:
        with contextlib.suppress(OSError):  # nothing had the name, or the system has no modes
            shutil.copymode(target, source)
        os.replace(source, target)
    sync(target.parent)


def keep_copy(source: Path, copy: Path) -> None:
    """Give a file a second name, which an older one may have, by a link or else by a copy.

    Raises
    ------
    InvalidInputError
        If the copy cannot be written.
    """
    with explained(copy):
        temporary = beside(copy)
        try:
            try:
                os.link(source, temporary)
            except OSError:
                shutil.copy2(source, temporary)
            os.replace(temporary, copy)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def explained(path: PathLike) -> Generator[None, None, None]:
    """Raise what the system says of a file that cannot be written as an InvalidInputError."""
    try:
        yield
    except OSError as error:
        if isinstance(error, EdgeFaceError):
            raise
        raise InvalidInputError(f"cannot write {path}: {error.strerror or error}") from error


def is_written_in_place(path: PathLike) -> bool:
    """Whether a path names a device, a pipe, or a stream that is open (`edgeface.descriptors`)."""
    if descriptor_of(path) is not None:
        return True
    return os.path.exists(path) and not resolved(path).is_file()


def resolved(path: PathLike) -> Path:
    """The file that a path names, through all links."""
    return Path(os.path.realpath(path))


def beside(target: Path) -> Path:
    """A name in the folder of a file that nothing has."""
    return target.with_name(f"{PREFIX}{secrets.token_hex(6)}")


def sync(path: Path) -> None:
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
