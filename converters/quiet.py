"""Keeping what the export libraries print off the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Generator
from typing import IO

from edgeface.errors import ConversionError

TAIL = 500


@contextlib.contextmanager
def silenced() -> Generator[IO[bytes]]:
    """Send what the process prints to a file, also from C++, and drop warnings."""
    with tempfile.TemporaryFile() as log, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _flush()
        saved = os.dup(1), os.dup(2)
        try:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield log
        finally:
            _flush()
            for number, original in zip((1, 2), saved, strict=True):
                os.dup2(original, number)
                os.close(original)


@contextlib.contextmanager
def quietly(step: str) -> Generator[None]:
    """Run a library without letting it print.

    Raises
    ------
    ConversionError
        In place of any error that the library raises. The message says which ``step`` failed and
        ends with what the library printed last.
    """
    with silenced() as log:
        try:
            yield
        except Exception as error:
            _flush()
            log.seek(0)
            printed = log.read().decode(errors="replace").strip()[-TAIL:]
            raise ConversionError(f"{step} failed: {error}\n{printed}".strip()) from error


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
