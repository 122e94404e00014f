"""Sources that do not end: clips over and over, cameras whenever they are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from edgeface.errors import InvalidInputError
from edgeface.video.reader import DEFAULT_FPS, Frame, VideoReader

RETRY_S = 2.0
"""Between two attempts to find a camera that is gone."""


def paced(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames of a file when they are due, as a camera does."""
    started = time.perf_counter()
    for frame in frames:
        time.sleep(max(0.0, frame.time_s - (time.perf_counter() - started)))
        yield frame


def unending(
    open_source: Callable[[], VideoReader],
    tell: Callable[[str], None],
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[Frame]:
    """Yield a clip over and over, or a camera whenever it is there; numbers and times go on.

    Parameters
    ----------
    open_source : the function that opens the clip or the camera anew
    tell : a function that is told when the source is gone, until it is back

    Raises
    ------
    InvalidInputError
        If the source cannot be opened the first time, or has no frame then.
    """
    index, now_s = 0, 0.0
    video: VideoReader | None = open_source()
    while True:
        lost_at = time.monotonic()
        if video is not None:
            begins_s, step_s, first = now_s, 1 / (video.fps or DEFAULT_FPS), index
            try:
                with video:
                    for frame in video if video.live else paced(video):
                        now_s = begins_s + frame.time_s
                        yield Frame(index, now_s, frame.image)
                        index += 1
                        if not is_wanted():
                            break
            except InvalidInputError as error:
                if index == 0:
                    raise
                if video.live or index == first:
                    tell(str(error))
            now_s += step_s
            lost_at = time.monotonic()
            if (video.live and is_wanted()) or index == first:
                time.sleep(RETRY_S)
        try:
            video = open_source()
        except InvalidInputError as error:
            tell(str(error))
            video = None
            time.sleep(RETRY_S)
        now_s += time.monotonic() - lost_at
