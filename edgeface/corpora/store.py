"""Files of a local folder, or of a bucket that fsspec reaches, by the same verbs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from edgeface.addresses import local_name, text_without_secrets, without_secrets
from edgeface.errors import InvalidInputError
from edgeface.image_files import bytes_of_file, bytes_of_stream, is_special
from edgeface.output import PREFIX, explained, make_folder, write_output
from edgeface.tables import needed
from edgeface.values import path_of


class Store:
    """A folder: local, or the address of one, like ``s3://bucket/photos``.

    Parameters
    ----------
    root : a path, or an address with a scheme that fsspec knows; its options, as keys and
        endpoints, come from where fsspec looks for them (environment, configuration files)

    Raises
    ------
    InvalidInputError
        If it is neither a path nor an address, or fsspec cannot reach it.
    BackendUnavailableError
        If fsspec, or what it needs for the scheme, is not installed.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        text = local_name(root) if isinstance(root, str) else root
        if not isinstance(text, str) or "://" not in text:
            text = str(path_of("a folder", text))
        self.root = text.rstrip("/") or "/"
        self.shown = without_secrets(self.root)
        self._remote: Any = None
        if "://" in self.root:
            fsspec = needed("fsspec", "addresses of buckets", "corpora")
            try:
                self._remote, self._base = fsspec.core.url_to_fs(self.root)
            except (ImportError, ValueError) as error:
                raise InvalidInputError(
                    f"{self.shown} cannot be reached: {text_without_secrets(str(error))}"
                ) from error

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.root,)

    def names(self) -> Iterator[str]:
        """The names of all files, with those of folders in it, below the root, in their order.

        Hidden files and folders are passed over. A root that does not exist has none.

        Raises
        ------
        InvalidInputError
            If they cannot be listed.
        """
        if self._remote is None:
            yield from _local_names(Path(self.root), "")
            return
        try:
            paths = sorted(self._ask("find", self._base))
            if not paths:  # as of what cannot be reached, of which `ls` says why
                self._ask("ls", self._base)
        except FileNotFoundError:
            return
        except OSError as error:
            raise InvalidInputError(f"{self.shown} cannot be read: {error}") from error
        start = len(self._base.rstrip("/")) + 1
        for path in paths:
            name = path[start:]
            if not any(part.startswith(".") for part in name.split("/")):
                yield name

    def exists(self) -> bool:
        """Whether there is such a folder; True if nobody can tell."""
        if self._remote is None:
            return os.path.exists(self.root)
        try:
            return self._ask("exists", self._base)
        except OSError:
            return True

    def read(self, name: str) -> bytes:
        """The whole of an image file; of one that is none, only the first bytes.

        Raises
        ------
        InvalidInputError
            If it is too large, or a local file that cannot be read.
        OSError
            If it is elsewhere, and does not come now.
        """
        if self._remote is None:
            return bytes_of_file(Path(self.root, name))
        with _as_oserror(), self._remote.open(f"{self._base}/{name}", "rb") as file:
            return bytes_of_stream(file, name)

    def open(self, name: str) -> Any:
        """A file, binary, to read parts of."""
        if self._remote is None:
            return Path(self.root, name).open("rb")
        return self._remote.open(f"{self._base}/{name}", "rb")

    def prepare(self) -> None:
        """Make the folder unless it is there; InvalidInputError if it cannot be made."""
        if self._remote is None:
            make_folder(self.root)
        elif not self.exists():
            with explained(self.shown):
                self._ask("makedirs", self._base, True)

    def write(self, name: str, content: bytes) -> None:
        """A whole file, which has its name only once it is whole; an older one is replaced."""
        if self._remote is not None:
            with explained(self.shown):
                self._ask("pipe_file", f"{self._base}/{name}", content)
            return
        target = Path(self.root, name)
        make_folder(target.parent)
        write_output(target, content)

    def _ask(self, verb: str, *arguments: Any) -> Any:
        """Call fsspec."""
        with _as_oserror():
            return getattr(self._remote, verb)(*arguments)


@contextlib.contextmanager
def _as_oserror() -> Generator[None, None, None]:
    """Raise what file systems of fsspec raise, which is what they like, as an OSError."""
    try:
        yield
    except (FileNotFoundError, InvalidInputError):
        raise
    except Exception as error:
        said = text_without_secrets(str(error)) or type(error).__name__
        raise OSError(said) from error


def _local_names(folder: Path, below: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidInputError(f"cannot read {folder}: {error.strerror or error}") from error
    for entry in entries:
        if entry.name.startswith((".", PREFIX)):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _local_names(Path(entry.path), f"{below}{entry.name}/")
        elif not is_special(entry.path):
            yield f"{below}{entry.name}"
