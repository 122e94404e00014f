"""Calling the compiled loops without changing how many threads torch has."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch

numba: Any = importlib.import_module("numba")  # untyped


def on_own_threads(loop: Callable[..., Any], *arguments: Any) -> Any:
    """Call a parallel loop of numba.

    Both libraries use one OpenMP. When numba starts its threads, torch finds itself with as many,
    whatever it was told, and on a busy machine two threads that wait for each other take ten times
    as long as one. So torch gets its own number back. The loop has no more threads than torch: a
    worker of training has one, and would wait for ever for those that it was forked without.
    """
    own = torch.get_num_threads()
    numba.set_num_threads(min(own, numba.config.NUMBA_NUM_THREADS))
    result = loop(*arguments)
    if torch.get_num_threads() != own:
        torch.set_num_threads(own)
    return result
