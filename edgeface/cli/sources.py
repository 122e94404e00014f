"""Which images the arguments of `edgeface run` mean: files, folders, patterns, addresses, stdin."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from edgeface.addresses import is_web_address, local_name, without_secrets
from edgeface.errors import InvalidInputError
from edgeface.image import read_image
from edgeface.image_files import is_image_name, is_special
from edgeface.model import DEMO_PHOTO
from edgeface.output import distinct_name
from edgeface.types import ImageArray

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp",
     ".ts", ".mts"}
)  # fmt: skip

_SLASHES = re.escape(os.sep + (os.altsep or ""))
_ANY_FOLDERS = re.compile(rf"(?:(?<=[{_SLASHES}])|^)\*\*(?:[{_SLASHES}]+|$)")
"""``**``, alone between slashes, in a pattern."""
_NO_NAME = re.compile(r'[<>:"|*\\\x00-\x1f]')
"""What an address may hold and a file's name may not, on Windows at least."""
LONGEST_STEM_BYTES = 230
"""File systems hold names of 255 bytes."""


@dataclass(frozen=True)
class Source:
    """One image to look at.

    Attributes
    ----------
    name : what reports call it
    image : its path or address; None for what standard input gives
    place : where it lies below the folder that was given; outputs lie so, too
    problem : why it is not known which images there are, in a folder that cannot be read
    """

    name: str
    image: str | Path | None
    place: PurePath
    problem: InvalidInputError | None = None

    def read(self) -> ImageArray:
        """The pixels; errors are those of `edgeface.read_image`, and its own problem."""
        if self.problem is not None:
            raise self.problem
        if self.image is not None:
            return read_image(self.image)
        if sys.stdin is None:  # it was closed
            raise InvalidInputError("'-' is what is piped into the command, and nothing is")
        # without its buffer, whose lock is needed at the end by Python, which a reader may hold
        return read_image(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))


def find_sources(arguments: Sequence[str], recursive: bool) -> list[Source]:
    """The images that arguments mean, in their order; those of a folder by name.

    Parameters
    ----------
    arguments : paths, folders, patterns like ``photos/*.jpg`` or ``photos/**/*.jpg``, addresses,
        ``-`` for one image from standard input, ``demo`` for the photo that ships
    recursive : whether folders are searched with the folders in them

    Raises
    ------
    InvalidInputError
        If an argument means no image at all, or a video.
    """
    sources: list[Source] = []
    for argument in arguments:
        found = [*_sources_of(argument, recursive)]
        if not found:
            raise InvalidInputError(_nothing(argument, recursive))
        sources += found
    return sources


def _sources_of(argument: str, recursive: bool) -> Iterator[Source]:
    argument = local_name(argument)
    path = Path(argument)
    if not argument:
        raise InvalidInputError("an empty name means no image")
    if argument == "demo":
        yield Source(argument, DEMO_PHOTO, PurePath("demo.jpg"))
    elif argument == "-":
        yield Source("-", None, PurePath("stdin"))
    elif is_web_address(argument):
        name = _NO_NAME.sub("_", PurePosixPath(re.split("[?#]", argument)[0]).name)
        yield Source(without_secrets(argument), argument, PurePath(name))
    elif os.path.isdir(argument):
        for file in _files_in(path, recursive):
            if isinstance(file, InvalidInputError):
                yield Source(argument, path, PurePath("unreadable"), file)
            elif is_image_name(file.name):
                yield Source(str(file), file, file.relative_to(path))
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        for name in sorted({*_matching(argument)}):
            if os.path.isdir(name) or is_special(name):
                continue
            if Path(name).suffix.lower() not in VIDEO_SUFFIXES:
                yield Source(name, Path(name), PurePath(Path(name).name))
    elif path.suffix.lower() in VIDEO_SUFFIXES:
        raise InvalidInputError(
            f"{argument} is a video: edgeface track {argument} follows the faces in it"
        )
    else:
        yield Source(argument, path, PurePath(path.name))


def _matching(pattern: str) -> Iterator[str]:
    """The names that a pattern matches; ``**`` does not follow links to folders.

    Those may lead in a circle, where `glob` lists a photo forty times, or has no end.
    """
    stars = _ANY_FOLDERS.search(pattern)
    if stars is None:
        yield from glob.glob(pattern)
        return
    before, after = pattern[: stars.start()], pattern[stars.end() :] or "*"
    for root in glob.glob(before) if before else [""]:
        for folder, inside, _ in os.walk(root or os.curdir):
            inside[:] = [name for name in inside if not name.startswith(".")]
            below = os.path.relpath(folder, root or os.curdir)
            place = root if below == os.curdir else os.path.join(root, below)
            yield from _matching(os.path.join(glob.escape(place), after))


def _files_in(folder: Path, recursive: bool) -> Iterator[Path | InvalidInputError]:
    """The files of a folder by name, without hidden ones, and then those of the folders in it.

    In place of the files of a folder in it that cannot be read, there is the error.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidInputError(f"cannot read {folder}: {error.strerror or error}") from error
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in entries:
        if not _is_folder(entry, links=True) and not is_special(entry.path):
            yield Path(entry.path)
    for entry in entries:
        if recursive and _is_folder(entry, links=False):
            try:
                yield from _files_in(Path(entry.path), recursive)
            except InvalidInputError as error:
                yield error


def _is_folder(entry: os.DirEntry[str], links: bool) -> bool:
    """Whether an entry is a folder, or a link to one if ``links``."""
    try:
        return entry.is_dir(follow_symlinks=links)
    except OSError:  # links that go round in a circle
        return False


def _nothing(argument: str, recursive: bool) -> str:
    if not os.path.isdir(argument):
        return f"no image matches {argument}"
    found = _files_in(Path(argument), recursive=True)
    files = [file for file in found if isinstance(file, Path)]
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    if not recursive and any(is_image_name(file.name) for file in files):
        return f"the folder {argument} has images in folders only: --recursive searches them"
    if videos:
        return f"the folder {argument} has videos only: edgeface track {videos[0]} is for them"
    return f"the folder {argument} has no images"


def overlay_paths(folder: Path, sources: Sequence[Source]) -> list[Path]:
    """Where each overlay goes: no two to one file, and none to one of the images."""
    taken: set[str] = set()
    inputs = {_identity(0 if source.image is None else source.image) for source in sources}
    targets: list[Path] = []
    for source in sources:
        target: Path | None = None
        stem = _shortened(source.place.stem)
        while target is None or _identity(target) in inputs - {None}:
            name = distinct_name(str(source.place.with_name(f"{stem}-faces")), taken)
            target = folder / f"{name}.png"
        targets.append(target)
    return targets


def _shortened(stem: str) -> str:
    """A name to which an ending can be added, where an address or file has the longest one."""
    while len(os.fsencode(stem)) > LONGEST_STEM_BYTES:
        stem = stem[:-1]
    return stem


def _identity(path: Path | str | int) -> tuple[int, int] | None:
    """What a file, or an open one of this number, is by whatever name; None where there is none."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino
