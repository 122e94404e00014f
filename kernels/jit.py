"""Compilation of loop kernels, in one place."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(loops: Callable[..., Any]) -> Callable[..., Any] | None:
    """``loops`` compiled by numba on its first call and cached on disk; None without numba.

    Where nothing can be written (a read-only installation without a home), it is compiled anew
    in every process; NUMBA_CACHE_DIR names a writable folder.
    """
    try:
        numba: Any = importlib.import_module("numba")
    except ImportError:
        return None
    try:
        return numba.njit(cache=True)(loops)
    except RuntimeError:
        return numba.njit(loops)
