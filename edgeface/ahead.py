"""Reading images ahead of the network, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from edgeface.errors import EdgeFaceError
from edgeface.types import ImageArray

NUM_READERS = 2
"""The number of threads that decode: one keeps up with a fast pass, two even out large photos."""

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
    """

    def pixels_of(item: Item) -> ImageArray | EdgeFaceError:
        try:
            return read(item)
        except EdgeFaceError as error:
            return error

    def begun(item: Item) -> Future[ImageArray | EdgeFaceError]:
        if not at_once(item):
            return pool.submit(pixels_of, item)
        done: Future[ImageArray | EdgeFaceError] = Future()
        done.set_result(pixels_of(item))
        return done

    source = iter(items)
    waiting: deque[tuple[Item, Future[ImageArray | EdgeFaceError]]] = deque()
    pool = ThreadPoolExecutor(num_readers, thread_name_prefix="edgeface-read")
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
        pool.shutdown(cancel_futures=True)
