"""Compiling kernels by numba, which is loaded on demand and has a cache of the user's own."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

Engine = Literal["numba", "numpy"]
"""What runs a kernel: loops compiled by numba, or whole-array numpy with the same results."""

_decorating = threading.Lock()
"""A lock, since the setting that `jit` changes for a moment belongs to the whole process."""

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def numba_installed() -> bool:
    """Whether numba is installed; to import it would cost 0.5 s and 100 MB."""
    try:
        return importlib.util.find_spec("numba") is not None
    except ValueError:  # a test put None in its place
        return False


def loops(module: str) -> ModuleType:
    """Import the compiled kernels of one file of ``kernels/compiled``, and numba with them.

    Raises
    ------
    ImportError
        If numba is not installed.
    """
    # not from sys.modules: another thread may be half way through the import
    return importlib.import_module(f"edgeface.kernels.compiled.{module}")


def jit(function: Function) -> Function:
    """Let numba compile a function on its first call, and keep it in `cache_folder`.

    Without such a folder, it is compiled anew in every process. If the user has named a cache
    folder by NUMBA_CACHE_DIR, that one is used.
    """
    numba: Any = importlib.import_module("numba")
    with _decorating:
        chosen = numba.config.CACHE_DIR
        folder = chosen or cache_folder()
        if not folder:
            return numba.njit(function)
        # numba reads the setting while it decorates; other people's functions must not see ours
        numba.config.CACHE_DIR = str(folder)
        try:
            return numba.njit(cache=True)(function)
        except (RuntimeError, OSError):  # the folder went away or became read-only
            return numba.njit(function)
        finally:
            numba.config.CACHE_DIR = chosen


@cache
def cache_folder() -> Path | None:
    """This user's folder for compiled kernels, or None if nothing can be written.

    Its name holds a hash of the kernels' source, since numba watches the file of a kernel alone,
    but kernels call each other. Numba itself tells CPUs and its own versions apart.
    """
    for base in base_folders():
        folder = base / "edgeface" / f"kernels-{_source_hash()}"
        with contextlib.suppress(OSError, RuntimeError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # loading a cache runs it: never one that somebody else could have written
            if _is_private(folder) and os.access(folder, os.W_OK | os.X_OK):
                with tempfile.TemporaryFile(dir=folder):
                    _drop_damaged(folder)
                    return folder
    return None


def _drop_damaged(folder: Path) -> None:
    """Remove files that a full disk or a power cut left incomplete; numba would raise on them.

    All are pickles, which end with a full stop. Numba compiles again what is missing.
    """
    for path in folder.rglob("*.nb[ic]"):
        with contextlib.suppress(OSError):
            if not path.read_bytes().endswith(b"."):
                path.unlink()


def base_folders() -> list[Path]:
    """The folders to try, the platform's customary one first."""
    bases: list[Path] = []
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    if os.path.isabs(os.environ.get(variable, "")):  # a relative one is to be passed over
        bases.append(Path(os.environ[variable]))
    with contextlib.suppress(RuntimeError):  # no home
        home = Path.home()
        bases.append(home / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    user = os.getuid() if hasattr(os, "getuid") else "user"
    bases.append(Path(tempfile.gettempdir()) / f"edgeface-{user}")
    return bases


def _is_private(folder: Path) -> bool:
    """Whether folder and parent belong to this user and nobody else may write there."""
    if not hasattr(os, "getuid"):
        return True
    states = [folder.stat(), folder.parent.stat()]
    return all(s.st_uid == os.getuid() and not s.st_mode & 0o022 for s in states)


def _source_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "compiled").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
