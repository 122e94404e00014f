"""The standard streams of a command: whatever they are, no traceback."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from edgeface.errors import EdgeFaceError
from edgeface.output import ended_by_signals

INTERRUPTED = 130
"""Exit status after Ctrl-C, SIGTERM and SIGHUP, as shells have it."""


def run_command(program: str, execute: Callable[[], int | None]) -> int:
    """The exit status of a command; its errors go to stderr, each as one line.

    Parameters
    ----------
    program : the name before errors
    execute : the command, which returns its exit status; None is 0

    Notes
    -----
    Names of files that the terminal's encoding cannot hold are printed with escapes. Output that
    cannot be written, as on a full disk, is an error; who stops reading it has seen enough.
    """
    _tolerate_any_name()
    try:
        try:
            with ended_by_signals():
                return execute() or 0
        finally:  # also where the parser ends the program
            if sys.stdout is not None:
                sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except EdgeFaceError as error:
        return _fail(f"{program}: {error}")
    except BrokenPipeError:
        _drop_output()
        return 1
    except OSError as error:
        _drop_output()
        return _fail(f"{program}: cannot write the output: {error.strerror or error}")


def _tolerate_any_name() -> None:
    streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
    for stream in streams:  # None where it is closed, without `reconfigure` under a test
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str) -> int:
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)
    return 1


def _drop_output() -> None:
    """Let what is left in the buffer go, which Python would try to write once more at the end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
