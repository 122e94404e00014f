"""Writing overlays in H.264, with the source's own times and its sound.

Pictures are converted to the matrix that players expect of their size, BT.709 for HD and BT.601
below, in limited range. They are tagged with it, so that no player needs to guess.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from edgeface.errors import InvalidInputError
from edgeface.growing_file import GrowingFile
from edgeface.output import check_place
from edgeface.types import ImageArray
from edgeface.values import path_of
from edgeface.video.clock import Clock
from edgeface.video.picture import BT601, BT709, SWSCALE_MATRIX, is_hd
from edgeface.video.reader import DEFAULT_FPS, VideoReader
from edgeface.video.source import import_av, open_container

TIME_BASE = Fraction(1, 90000)
KEYFRAMES_S = 2.0
FRAGMENT_S, LOOKAHEAD_S = 0.4, 0.3
"""How long video waits in the container and in the encoder: together, less than the second that may
be lost when the program is killed."""
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
MP4_FORMATS = ("mp4", "mov", "ipod")
SOUND_STEP_S = 0.02
"""The usual length of a packet of sound."""
LIMITED_RANGE = 1
"""The number of that range in FFmpeg, one more than in ISO/IEC 23091-2."""


class VideoWriter:
    """Writes frames at their times; sound is copied from the source as it is.

    Parameters
    ----------
    path : the file to write, .mp4, .mov or .mkv
    source : the video that the overlay shows; its sound is kept if it is a file
    num_threads : the number of threads that the encoder may use; 0 leaves the choice to it

    Raises
    ------
    InvalidInputError
        If the file cannot be written, or its format cannot hold the source's sound.
    """

    def __init__(
        self, path: str | os.PathLike[str], source: VideoReader, *, num_threads: int = 0
    ) -> None:
        self._path, self._source = path_of("path", path), source
        self._num_threads = num_threads
        self._av = import_av()
        check_place(path)
        if self._path.suffix.lower() not in CONTAINERS:
            raise InvalidInputError(
                f"cannot write {path}: expected a name that ends in {', '.join(CONTAINERS)}"
            )
        name, options = CONTAINERS[self._path.suffix.lower()]
        options = {**options, "flush_packets": "1"}
        self._file = GrowingFile(path, inputs=(source.source,))
        self._header_bytes = self._num_packets = 0
        self._stream: Any = None
        self._sound: _SoundCopy | None = None
        try:
            reformatter = self._av.video.reformatter
            self._converter = reformatter.VideoReformatter()
            kinds = reformatter.Interpolation
            self._interpolation = kinds.AREA | kinds.ACCURATE_RND | kinds.FULL_CHR_H_INP
            self._container = self._av.open(self._file, "w", format=name, options=options)
            if source.has_sound:
                self._sound = _SoundCopy(self._av, self._container, source)
        except BaseException as error:
            self._file.fail()
            if isinstance(error, InvalidInputError) or not isinstance(error, Exception):
                raise
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error

    def write(self, image: ImageArray, time_s: float) -> None:
        """Append an RGB frame (H, W, 3); if its size is another, it is fitted into the first's."""
        if self._stream is None:
            self._stream = self._add_stream(image)
        width, height = self._stream.width, self._stream.height
        if 0 <= image.shape[1] - width <= 1 and 0 <= image.shape[0] - height <= 1:
            image = image[:height, :width]
        else:
            image = np.asarray(ImageOps.pad(Image.fromarray(image), (width, height)))
        picture = self._coded(np.ascontiguousarray(image))
        picture.time_base, picture.pts = TIME_BASE, round(time_s / TIME_BASE)
        self._mux(self._stream.encode(picture))
        if self._sound:
            self._sound.copy_until(time_s)

    def close(self) -> None:
        """Finish the file, which plays up to the last frame."""
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
        if self._num_packets:
            self._file.close()
        else:  # a header alone shall not take the place of an older file
            self._file.fail()

    def _coded(self, image: ImageArray) -> Any:
        """Turn an RGB image into luma and colour differences of the stream's matrix."""
        matrix = self._stream.codec_context.colorspace
        return self._converter.reformat(
            self._av.VideoFrame.from_ndarray(image, format="rgb24"),
            format="yuv420p",
            dst_colorspace=SWSCALE_MATRIX.get(matrix, matrix),
            dst_color_range=self._stream.codec_context.color_range,
            interpolation=self._interpolation,
        )

    def _add_stream(self, image: ImageArray) -> Any:
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
        matrix = BT709 if is_hd(stream.width, stream.height) else BT601
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = LIMITED_RANGE
        # what reading leaves as it is
        stream.codec_context.color_primaries = self._source.primaries or BT709
        stream.codec_context.color_trc = self._source.transfer or BT709
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.gop_size = max(1, round(KEYFRAMES_S * fps))
        return stream

    def _mux(self, packets: Any) -> None:
        try:
            if not self._header_bytes:
                self._container.start_encoding()
                self._header_bytes = self._file.num_bytes
            self._container.mux(packets)
            self._num_packets += len(packets)
        except (self._av.FFmpegError, OSError) as error:
            self._file.fail()
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error
        if self._file.num_bytes > self._header_bytes:
            self._file.show()


class _SoundCopy:
    """Copies sound packets of a file to another, in step with its pictures."""

    def __init__(self, av: Any, target: Any, source: VideoReader) -> None:
        self._source, self._target = source, target
        assert source.address is not None
        self._container = open_container(source.address)
        template = self._container.streams.audio[0]
        codec = template.codec_context.name
        # broadcasts describe AAC in every packet; .mp4 wants it before the first
        packed = codec == "aac" and not template.codec_context.extradata
        if codec not in target.supported_codecs or (packed and target.format.name in MP4_FORMATS):
            self._container.close()
            raise InvalidInputError(
                f"{Path(target.name).suffix} cannot hold the source's sound ({codec}"
                f"{' as broadcasts pack it' if packed else ''}); write .mkv"
            )
        self._stream = target.add_stream_from_template(template)
        self._packets: Iterator[Any] = self._container.demux(template)
        self._clock: Clock | None = None
        self._next: tuple[Any, float] | None = None

    def copy_until(self, time_s: float) -> None:
        """Copy the sound up to a time of the pictures; the clocks of both may jump."""
        if self._clock is None:
            self._clock = Clock(SOUND_STEP_S, self._source.forwards_s, self._source.start_s)
            self._next = self._read()
        while self._next is not None and self._next[1] <= time_s:
            packet, begins_s = self._next
            if begins_s >= 0:
                packet.pts = packet.dts = round(begins_s / packet.time_base)
                packet.stream = self._stream
                self._target.mux(packet)
            self._next = self._read()

    def _read(self) -> tuple[Any, float] | None:
        """Read the next packet and its time."""
        assert self._clock is not None
        packet = next(self._packets, None)
        if packet is None or packet.pts is None:
            return None
        return packet, self._clock(float(packet.pts * packet.time_base))

    def close(self) -> None:
        self._container.close()
