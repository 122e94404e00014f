"""Capture, inference and output at the same time, over bounded queues."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Generic, TypeVar

from edgeface.faces import Faces
from edgeface.video.reader import Frame

Item = TypeVar("Item")

QUEUE_FRAMES = 4
"""Pictures that wait between two steps: enough to even out, few enough to stay current."""
JOIN_S = 2.0
"""How long to wait for a step that hangs in a camera or a network."""


class Channel(Generic[Item]):
    """A bounded queue from one thread to another.

    Parameters
    ----------
    capacity : items that may wait
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
        """Add an item; False if nobody reads any more."""
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
        """Nothing more comes; ``error`` is raised in the reader after the last item."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nobody reads any more; producers that wait are let go."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                while not self._items and not self._finished and not self._abandoned:
                    self._changed.wait()
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def run_pipeline(
    frames: Iterable[Frame], update: Callable[[Frame], Faces], *, live: bool
) -> Generator[tuple[Frame, Faces], None, None]:
    """Yield every frame with its faces, while the next ones are read and inferred.

    Parameters
    ----------
    frames : of a reader; read in a thread of its own
    update : inference on one frame, in order, in a thread of its own
    live : drop the oldest waiting frame rather than fall behind; otherwise none is ever lost

    Raises
    ------
    EdgeFaceError
        What a step raised, after everything before it was yielded. Closing the generator, or an
        interrupt while it waits, stops the steps.
    """
    captured: Channel[Frame] = Channel(QUEUE_FRAMES, drop_oldest=live)
    inferred: Channel[tuple[Frame, Faces]] = Channel(QUEUE_FRAMES)

    def infer() -> Iterator[tuple[Frame, Faces]]:
        for frame in captured:
            yield frame, update(frame)

    steps = [
        threading.Thread(target=_feed, args=(frames, captured), daemon=True, name="capture"),
        threading.Thread(target=_feed, args=(infer(), inferred), daemon=True, name="inference"),
    ]
    for step in steps:
        step.start()
    try:
        yield from inferred
    finally:
        captured.abandon()
        inferred.abandon()
        for step in steps:
            step.join(JOIN_S)


def _feed(items: Iterable[Any], channel: Channel[Any]) -> None:
    """Move items to a channel; an error goes with them."""
    try:
        for item in items:
            if not channel.put(item):
                return
    except BaseException as error:  # handed to the reader, who raises it
        channel.finish(error)
    else:
        channel.finish()
