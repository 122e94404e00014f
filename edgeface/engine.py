"""Choosing a model's kernels: numpy's, numba's, or numpy's first and numba's when it pays."""

from __future__ import annotations

import importlib
import threading
from typing import Any, Literal, get_args

from edgeface.errors import BackendUnavailableError
from edgeface.kernels import Engine, loops, numba_installed
from edgeface.values import Choice, option

KernelChoice = Literal["auto", "numba", "numpy"]

SWITCH_AFTER = 200
"""The number of runs after which "auto" loads numba. Loading takes about 0.5 s and 100 MB, and each
later run gains 1 to 4 ms, by the size of the image (``docs/explanation/speed.md``); fewer runs do
not pay for that."""


class CompiledKernels:
    """The compiled kernels of a process, which all its models share.

    Attributes
    ----------
    ready : whether they can be run
    problem : why they cannot be loaded; empty if nothing is wrong
    """

    def __init__(self) -> None:
        self.ready = False
        self.problem = ""
        self._started = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Load them in a thread, unless that was begun before, for whatever model."""
        with self._lock:
            if self._started:
                return
            self._started = True
        try:
            # not a daemon: a process that ends meanwhile must not pull memory from under LLVM
            threading.Thread(target=self._load, name="edgeface-kernels").start()
        except RuntimeError as error:  # no more threads, or the process is ending
            self.problem = str(error)

    def _load(self) -> None:
        try:
            warm_up()
        except Exception as error:  # a numba that is broken; numpy goes on
            self.problem = str(error)
        else:
            self.ready = True


compiled_kernels = CompiledKernels()
_warming = threading.Lock()


class KernelEngine:
    """The engine of one model's kernels.

    Parameters
    ----------
    choice : what the user asked for
        "numpy" and "numba" always run these. "auto" starts on numpy; if numba is installed, it is
        loaded in a thread after `SWITCH_AFTER` runs, and no run waits for it. If it cannot be
        loaded, numpy goes on, and `explain` says why.

    Raises
    ------
    InvalidInputError
        If there is no such choice.
    BackendUnavailableError
        If numba is asked for and not installed, or broken.
    """

    def __init__(self, choice: KernelChoice) -> None:
        option("kernels", choice, Choice(get_args(KernelChoice)))
        if choice == "numba":
            if not numba_installed():
                raise BackendUnavailableError(
                    "kernels='numba' needs numba: pip install 'edgeface[fast]'; "
                    "kernels='numpy' gives the same results without it"
                )
            _import_compiled()
        self.choice: KernelChoice = choice
        self._runs_left = SWITCH_AFTER

    @property
    def current(self) -> Engine:
        """The engine that a run would use now; it may change from one moment to the next."""
        if self.choice != "auto":
            return self.choice
        return "numba" if self._runs_left <= 0 and compiled_kernels.ready else "numpy"

    def next_run(self) -> Engine:
        """Count one more run, and tell the engine that it uses from its beginning to its end."""
        if self.choice == "auto" and self._runs_left > 0 and numba_installed():
            self._runs_left -= 1
            if self._runs_left <= 0:
                compiled_kernels.start()
        return self.current

    def explain(self) -> str:
        """Tell people what was asked for and what it means."""
        if self.choice != "auto":
            return self.choice
        if not numba_installed():
            return "auto: numpy; numba is not installed"
        if compiled_kernels.problem:
            return f"auto: numpy; numba cannot be used: {compiled_kernels.problem}"
        return f"auto: numpy at first, numba after {SWITCH_AFTER} runs"


def warm_up() -> None:
    """Load the compiled kernels, compiling and caching those that are not cached yet.

    Threads that call it at the same time wait for the first of them.

    Raises
    ------
    BackendUnavailableError
        If numba is not installed, or broken.
    """
    if not numba_installed():
        raise BackendUnavailableError("warming up needs numba: pip install 'edgeface[fast]'")
    with _warming:
        _import_compiled()
        warm: Any = importlib.import_module("edgeface.kernels.compiled.warm")
        warm.compile_all()


def _import_compiled() -> None:
    """Import the loops, and numba with them.

    Raises
    ------
    BackendUnavailableError
        If numba cannot be imported.
    """
    try:
        for module in ("resize", "detect", "pose"):
            loops(module)
    except Exception as error:  # of numba, llvmlite, or a library of theirs: there are many
        raise BackendUnavailableError(
            f"numba is installed, but broken: {error}. Install it again: pip install "
            "--force-reinstall 'edgeface[fast]'; kernels='numpy' gives the same results without it"
        ) from error
