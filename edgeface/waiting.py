"""Waiting for something that may never come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def within(timeout_s: float | None, call: Callable[[], Result], name: str) -> Result:
    """Call a function in a thread of this name, so that Ctrl-C ends the wait; returns its result.

    Raises
    ------
    TimeoutError
        If it has not returned in time; its thread then ends by itself, or with the program.
    BaseException
        If the function raises it.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((call(), None))
        except BaseException as error:  # handed over
            results.put((None, error))

    threading.Thread(target=run, daemon=True, name=name).start()
    try:
        result, error = results.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError from None
    try:
        if error is not None:
            raise error
        return result
    finally:
        del error  # whose traceback refers to this frame
