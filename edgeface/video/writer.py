"""Writing overlays: H.264 with the source's own times and its sound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgeface.errors import InvalidInputError
from edgeface.output import GrowingFile
from edgeface.video.reader import DEFAULT_FPS, VideoReader, import_av

TIME_BASE = Fraction(1, 90000)
KEYFRAMES_S = 2.0
FRAGMENT_S, LOOKAHEAD_S = 0.4, 0.3
"""Video that waits in the container and in the encoder: together under the second that a program
which is killed may lose."""
_FRAGMENTED = {
    "movflags": "empty_moov+default_base_moof",
    "frag_duration": str(round(1e6 * FRAGMENT_S)),
}
_CLUSTERED = {"cluster_time_limit": str(round(1e3 * FRAGMENT_S))}
CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("mp4", _FRAGMENTED),
    ".m4v": ("mp4", _FRAGMENTED),
    ".mov": ("mov", _FRAGMENTED),
    ".mkv": ("matroska", _CLUSTERED),
    ".webm": ("webm", _CLUSTERED),
    ".avi": ("avi", {}),
}
"""FFmpeg's name of each container, and what makes it readable while it is written."""


class VideoWriter:
    """Writes frames at their times; sound is copied from the source as it is.

    Parameters
    ----------
    path : .mp4, .mov or .mkv
    source : the video being shown; its sound is kept if it is a file
    num_threads : of the encoder; 0 leaves the choice to it

    Raises
    ------
    InvalidInputError
        If the file cannot be written, or its format cannot hold the source's sound.
    """

    def __init__(
        self, path: str | os.PathLike[str], source: VideoReader, *, num_threads: int = 0
    ) -> None:
        self._path, self._source = Path(path), source
        self._num_threads = num_threads
        self._av = import_av()
        if not self._path.parent.is_dir():
            raise InvalidInputError(f"cannot write {path}: there is no folder {self._path.parent}")
        if self._path.suffix.lower() not in CONTAINERS:
            raise InvalidInputError(
                f"cannot write {path}: expected a name that ends in {', '.join(CONTAINERS)}"
            )
        name, options = CONTAINERS[self._path.suffix.lower()]
        self._file = GrowingFile(path, inputs=(source.source,))
        try:
            self._container = self._av.open(
                self._file, "w", format=name, options={**options, "flush_packets": "1"}
            )
            self._stream: Any = None
            self._sound = (
                _SoundCopy(self._av, self._container, source) if source.has_sound else None
            )
        except (self._av.FFmpegError, OSError, ValueError) as error:
            self._file.fail()
            if isinstance(error, InvalidInputError):
                raise
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error
        self._header_bytes = 0

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Append an RGB frame (H, W, 3); one of another size is fitted into the first's."""
        if self._stream is None:
            self._stream = self._add_stream(image)
        size = (self._stream.width, self._stream.height)
        if image.shape[1::-1] != size:
            image = np.asarray(ImageOps.pad(Image.fromarray(image), size))
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture.time_base, picture.pts = TIME_BASE, round(time_s / TIME_BASE)
        self._mux(self._stream.encode(picture))
        if self._sound:
            self._sound.copy_until(time_s)

    def close(self) -> None:
        """Finish the file; what was written before plays."""
        try:
            if self._stream is not None:
                self._mux(self._stream.encode(None))
        finally:
            if self._sound:
                self._sound.close()
            self._finish()

    def _finish(self) -> None:
        try:
            self._container.close()
        except (self._av.FFmpegError, OSError) as error:
            self._file.fail()
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error
        self._file.close()

    def _add_stream(self, image: NDArray[np.uint8]) -> Any:
        fps = self._source.fps or DEFAULT_FPS
        rate = Fraction(fps).limit_denominator(1001)
        threads = {"threads": str(self._num_threads)} if self._num_threads else {}
        # pictures that refer to later ones would begin before zero, which shifts the sound
        options = {"preset": "veryfast", "crf": "20", "bf": "0", **threads}
        # threads that share a picture, rather than one picture each, hold none back
        options["rc-lookahead"] = str(min(10, int(LOOKAHEAD_S * fps)))
        options["x264-params"] = "sliced-threads=1:sync-lookahead=0"
        try:
            stream = self._container.add_stream("libx264", rate=rate, options=options)
        except (self._av.FFmpegError, ValueError) as error:
            raise InvalidInputError(
                f"{self._path.suffix or self._path} cannot hold H.264; write .mp4 or .mkv: {error}"
            ) from error
        # H.264 in its most readable form shares colours between two by two pixels
        stream.height, stream.width = (max(2, n // 2 * 2) for n in image.shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.gop_size = max(1, round(KEYFRAMES_S * fps))
        return stream

    def _mux(self, packets: Any) -> None:
        try:
            if not self._header_bytes:
                self._container.start_encoding()
                self._header_bytes = self._file.num_bytes
            self._container.mux(packets)
        except (self._av.FFmpegError, OSError) as error:
            self._file.fail()
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error
        if self._file.num_bytes > self._header_bytes:
            self._file.show()


class _SoundCopy:
    """Sound packets of a file, moved to another in step with its pictures."""

    def __init__(self, av: Any, target: Any, source: VideoReader) -> None:
        self._source, self._target = source, target
        self._container = av.open(source.source)
        template = self._container.streams.audio[0]
        codec = template.codec_context.name
        if codec not in target.supported_codecs:
            self._container.close()
            raise InvalidInputError(
                f"{Path(target.name).suffix} cannot hold the source's sound ({codec}); write .mkv"
            )
        self._stream = target.add_stream_from_template(template)
        self._packets: Iterator[Any] = self._container.demux(template)
        self._next = next(self._packets, None)

    def copy_until(self, time_s: float) -> None:
        while self._next is not None and self._next.pts is not None:
            shift = round(self._source.start_s / self._next.time_base)
            if float((self._next.pts - shift) * self._next.time_base) > time_s:
                return
            if self._next.pts >= shift:
                self._next.pts -= shift
                self._next.dts = self._next.pts
                self._next.stream = self._stream
                self._target.mux(self._next)
            self._next = next(self._packets, None)

    def close(self) -> None:
        self._container.close()
