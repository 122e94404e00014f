"""Which kernels a model runs: numpy's, numba's, or numpy's first and numba's when it pays."""

from __future__ import annotations

import importlib
import threading
from typing import Any, Literal, get_args

from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.kernels import Engine, numba_installed

KernelChoice = Literal["auto", "numba", "numpy"]

SWITCH_AFTER = 200
"""Runs after which "auto" loads numba. Loading it takes about 0.5 s and 100 MB, and each later run
gains some 1 to 4 ms, by the size of the image (``docs/speed.md``): a one-shot never pays for it."""


class KernelEngine:
    """The engine of one model's kernels.

    Parameters
    ----------
    choice : what the user asked for
        "numpy" and "numba" are what they say. "auto" starts on numpy and, where numba is
        installed, loads it in a thread after `SWITCH_AFTER` runs; no run waits for it.

    Raises
    ------
    InvalidInputError
        If the choice is none of these.
    BackendUnavailableError
        If numba is asked for and not installed.
    """

    def __init__(self, choice: KernelChoice) -> None:
        if choice not in get_args(KernelChoice):
            raise InvalidInputError(
                f"kernels must be one of {', '.join(get_args(KernelChoice))}, got {choice!r}"
            )
        if choice == "numba" and not numba_installed():
            raise BackendUnavailableError(
                "kernels='numba' needs numba: pip install 'edgeface[fast]'; "
                "kernels='numpy' gives the same results without it"
            )
        self.choice: KernelChoice = choice
        self.current: Engine = "numba" if choice == "numba" else "numpy"
        self._runs_left = SWITCH_AFTER if choice == "auto" and numba_installed() else 0

    def next_run(self) -> Engine:
        """The engine for one more run."""
        if self._runs_left > 0:
            self._runs_left -= 1
            if self._runs_left == 0:
                # not a daemon: a process that ends meanwhile must not pull memory from under LLVM
                threading.Thread(target=self._load, name="edgeface-kernels").start()
        return self.current

    def explain(self) -> str:
        """What was asked for and what it means, for people."""
        if self.choice != "auto":
            return self.choice
        if not numba_installed():
            return "auto: numpy; numba is not installed"
        return f"auto: numpy at first, numba after {SWITCH_AFTER} runs"

    def _load(self) -> None:
        warm_up()
        self.current = "numba"


def warm_up() -> None:
    """Load the compiled kernels, compiling and caching those that are not cached yet.

    Raises
    ------
    BackendUnavailableError
        If numba is not installed.
    """
    if not numba_installed():
        raise BackendUnavailableError("warming up needs numba: pip install 'edgeface[fast]'")
    warm: Any = importlib.import_module("edgeface.kernels.compiled.warm")
    warm.compile_all()
