"""A bounded queue between the threads of a pipeline."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Channel(Generic[Item]):
    """A bounded queue from one thread to another.

    Parameters
    ----------
    capacity : the number of items that may wait
    drop_oldest : whether a full queue loses its oldest item, as a live view must; otherwise the
        producer waits
    """

    def __init__(self, capacity: int, *, drop_oldest: bool = False) -> None:
        self._items: deque[Item] = deque()
        self._capacity, self._drop_oldest = capacity, drop_oldest
        self._changed = threading.Condition()
        self._finished = self._abandoned = False
        self._error: BaseException | None = None
        self.num_dropped = 0

    def put(self, item: Item) -> bool:
        """Add an item; returns False if nobody reads any more."""
        with self._changed:
            while len(self._items) >= self._capacity and not self._abandoned:
                if self._drop_oldest:
                    self._items.popleft()
                    self.num_dropped += 1
                else:
                    self._changed.wait()
            if self._abandoned:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes; the reader raises ``error`` after the last item."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def abandon(self) -> None:
        """Say that nobody reads any more, and let waiting producers go."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        return self.within(None)

    def within(self, timeout_s: float | None) -> Iterator[Item]:
        """Yield the items; raises ``TimeoutError`` if none comes for ``timeout_s``."""
        while True:
            with self._changed:
                while not self._items and not self._finished and not self._abandoned:
                    if not self._changed.wait(timeout_s):
                        raise TimeoutError
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def feed(items: Iterable[Any], channel: Channel[Any]) -> None:
    """Move items to a channel, and an error that ends them too."""
    try:
        for item in items:
            if not channel.put(item):
                return
    except BaseException as error:  # handed to the reader, who raises it
        channel.finish(error)
    else:
        channel.finish()
