"""Reading images ahead of the network, with bounded memory."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from itertools import islice
from typing import TypeVar

from edgeface.errors import EdgeFaceError
from edgeface.types import ImageArray

NUM_READERS = 2
"""The number of threads that decode: one keeps up with a fast pass, two even out large photos."""
LEAVE_S = 0.5
"""How long is waited at the end for a thread that still reads."""

Item = TypeVar("Item")


def read_ahead(
    items: Iterable[Item],
    read: Callable[[Item], ImageArray],
    depth: int,
    num_readers: int = NUM_READERS,
    at_once: Callable[[Item], bool] = lambda _: False,
) -> Generator[tuple[Item, ImageArray | EdgeFaceError], None, None]:
    """Yield each item with the pixels that ``read`` returns, or the project's error that it raises.

    Parameters
    ----------
    items : the items, which are taken one by one in the thread that iterates
    read : the function that reads an item in one of the threads; other errors than the project's
        end the iteration
    depth : the most images that are read and not yet asked for
    num_readers : the number of threads that read
    at_once : tells which items are read in the thread that iterates, before it takes the next one

    Notes
    -----
    Decoders of files work without Python's lock, so that they run beside the network.

    What is read may never come, as from a pipe. So the threads are daemons, and an interrupt leaves
    them behind: whoever waits for a `concurrent.futures` executor cannot be stopped.
    """

    def pixels_of(item: Item) -> ImageArray | EdgeFaceError:
        try:
            return read(item)
        except EdgeFaceError as error:
            return error

    def begun(item: Item) -> Future[ImageArray | EdgeFaceError]:
        future: Future[ImageArray | EdgeFaceError] = Future()
        if at_once(item):
            future.set_result(pixels_of(item))
        else:
            asked.put((item, future))
        return future

    def fulfil(item: Item, future: Future[ImageArray | EdgeFaceError]) -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(pixels_of(item))
            except BaseException as error:  # handed over
                future.set_exception(error)

    def work() -> None:
        while (task := asked.get()) is not None:
            fulfil(*task)
            del task  # which would keep the pixels until the next one

    source = iter(items)
    waiting: deque[tuple[Item, Future[ImageArray | EdgeFaceError]]] = deque()
    asked: queue.SimpleQueue[tuple[Item, Future[ImageArray | EdgeFaceError]] | None]
    asked = queue.SimpleQueue()
    readers = [
        threading.Thread(target=work, name=f"edgeface-read-{number}", daemon=True)
        for number in range(num_readers)
    ]
    for reader in readers:
        reader.start()
    try:
        for item in islice(source, depth):
            waiting.append((item, begun(item)))
        while waiting:
            item, future = waiting.popleft()
            pixels = future.result()
            for following in islice(source, 1):
                waiting.append((following, begun(following)))
            yield item, pixels
    finally:
        for _, future in waiting:
            future.cancel()
        for _ in readers:
            asked.put(None)
        for reader in readers:
            reader.join(LEAVE_S)
