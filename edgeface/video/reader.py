"""Reading video files, streams and cameras through PyAV (the extra ``video``)."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import BackendUnavailableError, InvalidInputError

DEFAULT_FPS = 30.0
"""For sources that do not say when their frames are shown."""

CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none"),
           "win32": ("dshow", "video={}")}  # fmt: skip
"""Platform to FFmpeg's capture format and the name of a camera there."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes
    ----------
    index : from 0
    time_s : since the first frame; strictly rising
    image : uint8, shape (H, W, 3), RGB, upright
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]


def import_av() -> Any:
    """PyAV, or the error that names the remedy."""
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise BackendUnavailableError(
            "reading and writing video needs PyAV: pip install 'edgeface[video]'"
        ) from error


def open_video(source: str | os.PathLike[str]) -> VideoReader:
    """Open a video.

    Parameters
    ----------
    source : a file, an address (``rtsp://...``), or a camera: "camera" or "camera:1" (on Windows
        "camera:NAME")

    Returns
    -------
    VideoReader
        Iterate it once, and close it (it is a context manager).

    Raises
    ------
    InvalidInputError
        If it is absent, empty, damaged, or has no pictures.
    BackendUnavailableError
        If PyAV is not installed.
    """
    av = import_av()
    name = os.fspath(source)
    camera = name == "camera" or name.startswith("camera:")
    live = camera or "://" in name
    if not live:
        _check_file(Path(name))
    try:
        container = _open_camera(av, name) if camera else av.open(name)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InvalidInputError(
            f"cannot open {name}: {error}"
            + ("" if live else "; it is no video, or was cut off before its index was written")
        ) from error
    if not container.streams.video:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        container.close()
        raise InvalidInputError(f"{name} has no pictures, only {kinds}")
    return VideoReader(container, name, live)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InvalidInputError(f"no such video: {path}")
    if not path.is_file():
        raise InvalidInputError(f"{path} is no file")
    if path.stat().st_size == 0:
        raise InvalidInputError(f"{path} is empty")


def _open_camera(av: Any, name: str) -> Any:
    number = name.partition(":")[2] or "0"
    known = CAMERAS.get(sys.platform)
    if known is None:
        raise InvalidInputError(f"no camera is known on {sys.platform}; give an address instead")
    return av.open(known[1].format(number), format=known[0])


class VideoReader:
    """The frames of an open video, in the order and at the times in which they are shown.

    Attributes
    ----------
    source : as it was named; live : whether frames come in their own time
    fps : average, None where the source does not say; num_frames : 0 where unknown
    start_s : time of the first frame on the source's own clock, known after it was read
    """

    def __init__(self, container: Any, source: str, live: bool) -> None:
        self._container = container
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.source, self.live = source, live
        rate: Fraction | None = self._stream.average_rate
        self.fps = float(rate) if rate else None
        self.num_frames: int = 0 if live else self._stream.frames
        self.has_sound = bool(container.streams.audio) and not live
        self.start_s = 0.0

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file or camera."""
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames.

        Raises
        ------
        InvalidInputError
            After the last good frame, if the file is damaged or ends early, or a camera is gone.
        """
        av = import_av()
        count, time_s = 0, -1.0
        try:
            for picture in self._container.decode(self._stream):
                time_s = self._time_of(picture, count, time_s)
                yield Frame(count, time_s, _upright(picture))
                count += 1
        except (av.FFmpegError, OSError) as error:
            raise InvalidInputError(f"{self.source} broke off {_after(count)}: {error}") from error
        if self.live:
            raise InvalidInputError(f"{self.source} stopped {_after(count)}")
        if count == 0:
            raise InvalidInputError(f"{self.source} has no frame that can be decoded")
        if count < self.num_frames:
            raise InvalidInputError(
                f"{self.source} ends {_after(count)}; its header promises {self.num_frames}"
            )

    def _time_of(self, picture: Any, count: int, last_s: float) -> float:
        step = 1.0 / (self.fps or DEFAULT_FPS)
        if picture.time is None:
            return 0.0 if count == 0 else last_s + step
        if count == 0:
            self.start_s = float(picture.time)
            return 0.0
        time_s = float(picture.time) - self.start_s
        return time_s if time_s > last_s else last_s + min(step, 1e-3)


def _upright(picture: Any) -> NDArray[np.uint8]:
    """Pixels turned as the file's display matrix asks, which counts counter-clockwise."""
    image = picture.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(picture.rotation / 90)))


def _after(count: int) -> str:
    return f"after {count} frame{'' if count == 1 else 's'}"
