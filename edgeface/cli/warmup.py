"""``edgeface warmup``: compile the kernels once, so that later processes load them."""

from __future__ import annotations

import argparse
import time

from edgeface.engine import warm_up
from edgeface.kernels import cache_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the command has no arguments."""
    del parser


def execute(arguments: argparse.Namespace) -> int:
    """Fill the cache; returns the exit status, 1 where nothing can be kept."""
    start = time.perf_counter()
    warm_up()
    seconds = time.perf_counter() - start
    folder = cache_folder()
    if folder is None:
        print(f"compiled in {seconds:.1f} s, but no folder can be written to keep the kernels")
        return 1
    print(f"kernels ready in {seconds:.1f} s, kept in {folder}")
    return 0
