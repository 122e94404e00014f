"""`Camera`: the frames of a camera, a stream or a file, in a loop or an asynchronous loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from edgeface.errors import InvalidInputError
from edgeface.video.channel import Channel, feed
from edgeface.video.reader import Frame, VideoReader, open_video

JOIN_S = 2.0
"""How long closing waits for the thread that reads."""


class Camera:
    """A source of frames that is open inside a ``with`` or ``async with`` block.

    A live source is read in a thread of its own. The loop always gets the newest frame, and frames
    that come faster than the loop are dropped. A file gives every frame, in order.

    Parameters
    ----------
    source : a camera's number, "camera", "camera:1", an address (``rtsp://...``) or a file, as
        `edgeface.video.reader.open_video` takes it

    Raises
    ------
    InvalidInputError
        On entering, if the source cannot be opened; while iterating, if it is lost; and if the
        loop is outside the block.
    BackendUnavailableError
        On entering, if PyAV is not installed.

    Examples
    --------
    >>> model = edgeface.load("mfn")                              # doctest: +SKIP
    >>> with edgeface.Camera() as camera:                         # doctest: +SKIP
    ...     for frame in camera:
    ...         faces = model.run(frame.image)
    >>> async with edgeface.Camera("rtsp://door/1") as camera:    # doctest: +SKIP
    ...     async for frame in camera:
    ...         faces = await model.run_async(frame.image)
    """

    def __init__(self, source: str | os.PathLike[str] | int = "camera") -> None:
        self._source = source
        self._reader: VideoReader | None = None
        self._frames: Channel[Frame] = Channel(1)
        self._thread = threading.Thread(target=lambda: None)

    @property
    def num_dropped(self) -> int:
        """The number of frames of a live source that were dropped."""
        return self._frames.num_dropped

    def __enter__(self) -> Camera:
        return self._read(open_video(self._source))

    def _read(self, reader: VideoReader) -> Camera:
        self._reader = reader
        self._frames = Channel(1, drop_oldest=reader.live)
        self._thread = threading.Thread(
            target=feed, args=(reader, self._frames), daemon=True, name="camera"
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Camera:
        beside = ThreadPoolExecutor(1)
        opening = beside.submit(open_video, self._source)
        beside.shutdown(wait=False)
        try:
            return self._read(await asyncio.wrap_future(opening))
        except asyncio.CancelledError:  # the thread opens it all the same
            opening.add_done_callback(_close_opened)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close the source; calling it again is no error."""
        self._frames.abandon()
        if self._reader is not None:
            self._reader.close()
            self._thread.join(JOIN_S)
        self._reader = None

    def __iter__(self) -> Iterator[Frame]:
        if self._reader is None:
            raise InvalidInputError("a Camera is open inside a with block only")
        return iter(self._frames)

    async def __aiter__(self) -> AsyncIterator[Frame]:
        frames = iter(self)
        while (frame := await asyncio.to_thread(next, frames, None)) is not None:
            yield frame


def _close_opened(opening: Future[VideoReader]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
