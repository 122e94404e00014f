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
from edgeface.video.reader import DEFAULT_FPS, VideoReader, import_av

TIME_BASE = Fraction(1, 90000)
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
"""So that an .mp4 plays up to its last second even if the program that wrote it was killed."""
KEYFRAMES_S = 2.0


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
        options = FRAGMENTED if self._path.suffix in (".mp4", ".mov", ".m4v") else {}
        try:
            self._container = self._av.open(str(self._path), "w", options=options)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error
        self._stream: Any = None
        self._sound = _SoundCopy(self._av, self._container, source) if source.has_sound else None

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
            self._container.close()

    def _add_stream(self, image: NDArray[np.uint8]) -> Any:
        fps = self._source.fps or DEFAULT_FPS
        rate = Fraction(fps).limit_denominator(1001)
        threads = {"threads": str(self._num_threads)} if self._num_threads else {}
        # pictures that refer to later ones would begin before zero, which shifts the sound
        options = {"preset": "veryfast", "crf": "20", "bf": "0", **threads}
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
            self._container.mux(packets)
        except (self._av.FFmpegError, OSError) as error:
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error


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
