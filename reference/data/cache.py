"""Keeping results that took long between runs: arrays by a hash of all that they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgeface.reference.data.packs import no_pack
from edgeface.types import AnyArray

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder that results are kept in: $EDGEFACE_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("EDGEFACE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "edgeface" / "training"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "edgeface" / "training"


def digest(*parts: Any) -> str:
    """A hash of arrays, of the contents of paths, and of anything that its ``repr`` tells whole."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            array = cast("AnyArray", part)
            total.update(repr((array.shape, array.dtype.str)).encode())
            total.update(np.ascontiguousarray(array).data)
        elif isinstance(part, Path):
            total.update(part.read_bytes())
        else:
            total.update(repr(part).encode())
        total.update(b"\0")
    return total.hexdigest()[:32]


def archive_digest(path: Path) -> str:
    """A hash of a zip's directory, which has the names, sizes and checksums of its files.

    Raises
    ------
    InvalidInputError
        If it is no zip that can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return digest([(i.filename, i.file_size, i.CRC) for i in archive.infolist()])
    except (OSError, zipfile.BadZipFile) as error:
        raise no_pack(path, error) from error


def remembered(key: str, make: Callable[[], dict[str, AnyArray]]) -> dict[str, AnyArray]:
    """The arrays that ``make`` returned for ``key`` before; the first time, it is called."""
    path = cache_folder() / f"{key}.npz"
    if (kept := read_arrays(path)) is not None:
        return kept
    arrays = make()
    with keeping(path) as temporary:
        save_arrays(temporary, arrays)
    return arrays


def save_arrays(path: Path, arrays: dict[str, AnyArray]) -> None:
    """Write arrays to an ``.npz``."""
    np.savez(path, allow_pickle=False, **arrays)


def read_arrays(path: Path) -> dict[str, AnyArray] | None:
    """The arrays of an ``.npz``; None if it is absent or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception:  # zips, compression and numpy have each their own
        return None


@contextlib.contextmanager
def keeping(path: Path) -> Any:
    """Yield a temporary path that becomes ``path`` in one step once all is written.

    Where nothing can be kept (a full disk, no home), the run goes on without.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(dir=path.parent)
    except OSError as error:
        log.warning("cannot keep results in %s: %s", path.parent, error)
        folder = tempfile.mkdtemp()
    temporary = Path(folder) / path.name
    try:
        yield temporary
        with contextlib.suppress(OSError):
            os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
