"""Running a command so that neither its streams nor a signal ends it by a traceback."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from edgeface.addresses import text_without_secrets
from edgeface.errors import EdgeFaceError
from edgeface.output import is_written_in_place

CLEAR = "\r\x1b[K"
"""What takes a line of progress away, and the ``^C`` that a terminal shows on it."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
INTERRUPTED = 130
"""The exit status after Ctrl-C, SIGTERM and SIGHUP, as shells have it."""


def named_path(text: str) -> Path:
    """The path that an argument of a command names.

    An empty one, as of a shell's variable that is not set, names none; `Path` would take it for the
    current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty name is no path")
    return Path(text)


def run_command(program: str, execute: Callable[[], int | None]) -> int:
    """Run a command and return its exit status; its errors go to stderr, each as one line.

    Parameters
    ----------
    program : the name that errors begin with
    execute : the command, which returns its exit status; None is 0

    Notes
    -----
    What the terminal's encoding cannot hold is printed as escapes, and so are control characters in
    names of files, which would command the terminal. If the output cannot be written, as on a full
    disk, that is an error, but not if nobody reads it any more.
    """
    _open_closed_streams()
    _tolerate_any_name()
    try:
        try:
            with ended_by_signals():
                return execute() or 0
        finally:  # also where the parser ends the program
            sys.stdout.flush()
    except KeyboardInterrupt:
        _fail(f"{CLEAR if sys.stderr.isatty() else ''}{program}: stopped")
        return INTERRUPTED
    except EdgeFaceError as error:
        # also of what is no source: an address that was given where a file was asked for
        said = printable(text_without_secrets(str(error)))
        return _fail(f"{program}: {said}{_where_to_read_more(error)}")
    except BrokenPipeError:
        _drop_output()
        return 1
    except OSError as error:
        _drop_output()
        # a stream that cannot be written has no name; anything else is a file or folder
        what = "cannot write the output" if error.filename is None else error.filename
        return _fail(printable(f"{program}: {what}: {error.strerror or error}"))


def printable(text: object) -> str:
    """A text whose control characters are written as escapes, except ends of lines."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", str(text))


def told_on(outputs: Iterable[Path]) -> TextIO:
    """Where to speak of outputs: stderr if one is a pipe or an open stream, as stdout itself is."""
    return sys.stderr if any(map(is_written_in_place, outputs)) else sys.stdout


def _open_closed_streams() -> None:
    """Let whoever closed standard output or error have it go nowhere, rather than be None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for the program's life)


@contextlib.contextmanager
def ended_by_signals() -> Generator[None, None, None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: by a KeyboardInterrupt, cleaning up.

    Signals that the process ignores, as under ``nohup``, stay ignored. In other threads than the
    main one nothing changes, since only that one receives signals.
    """

    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        if not ended:  # a second one shall not disturb the cleaning up
            ended = True
            raise KeyboardInterrupt

    previous: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _tolerate_any_name() -> None:
    streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
    for stream in streams:  # None where it is closed, without `reconfigure` under a test
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _where_to_read_more(error: EdgeFaceError) -> str:
    """A second line for whoever sits at a terminal: the page that explains such errors."""
    if not sys.stderr.isatty():
        return ""
    return f"\n  more: {page_address(error.page)}"


def page_address(page: str) -> str:
    """Where a page of the documentation is: on the site that the distribution names, or, while that
    is a placeholder under ``.example``, in the sources."""
    import importlib.metadata

    urls: list[str] = []
    # a checkout may not be installed
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        urls = importlib.metadata.metadata("edgeface").get_all("Project-URL") or []
    site: str = dict(url.split(", ", 1) for url in urls).get("Documentation", "")
    if not site or (urlsplit(site).hostname or "").endswith(".example"):
        return f"docs/{page.replace('.html', '.md')}"
    return f"{site}/{page}"


def _fail(message: str) -> int:
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)
    return 1


def _drop_output() -> None:
    """Drop what is left in the buffer, which Python would try to write once more at the end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
