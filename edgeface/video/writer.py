"""Writing overlays in H.264, with the source's own times and its sound.

Pictures are converted to the matrix that players expect of their size, BT.709 for HD and BT.601
below, in limited range. They are tagged with it, so that no player needs to guess.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from edgeface.errors import InvalidInputError
from edgeface.growing_file import GrowingFile
from edgeface.image import ImageLike, read_image
from edgeface.output import check_place
from edgeface.types import ImageArray
from edgeface.values import Number, option, path_of, shown
from edgeface.video.picture import BT601, BT709, SWSCALE_MATRIX, is_hd
from edgeface.video.reader import DEFAULT_FPS, VideoReader
from edgeface.video.sound import SoundCopy
from edgeface.video.source import import_av

TIME_BASE = Fraction(1, 90000)
MAX_TIME_S = 1e10
"""The latest time of a picture."""
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
    ".avi": ("avi", {}),
}
"""FFmpeg's name of each container that holds H.264, and what makes it readable while written."""
LIMITED_RANGE = 1
"""The number of that range in FFmpeg, one more than in ISO/IEC 23091-2."""


class VideoWriter:
    """Writes frames at their times; sound is copied from the source as it is.

    Parameters
    ----------
    path : the file to write; its suffix is one of `CONTAINERS`
    source : the video that the overlay shows; its sound is kept if it is a file
    num_threads : the number of threads that the encoder may use; 0 leaves the choice to it

    Raises
    ------
    InvalidInputError
        If the file cannot be written, its format cannot hold the source's sound, or the source is
        no open video.
    """

    def __init__(
        self, path: str | os.PathLike[str], source: VideoReader, *, num_threads: int = 0
    ) -> None:
        if not hasattr(source, "has_sound"):
            raise InvalidInputError(f"source must be an open video, got {shown(source)}")
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
        file = None if source.address is None else source.address.file
        names = (source.source, file)
        self._file = GrowingFile(path, inputs=[name for name in names if name is not None])
        self._header_bytes = self._num_packets = 0
        self._last_s, self._last_stamp = 0.0, -1
        self._broken = self._closed = False
        # an .avi has no times: its pictures follow each other at one rate
        self._time_base = 1 / self._rate if name == "avi" else TIME_BASE
        self._stream: Any = None
        self._sound: SoundCopy | None = None
        try:
            reformatter = self._av.video.reformatter
            self._converter = reformatter.VideoReformatter()
            kinds = reformatter.Interpolation
            self._interpolation = kinds.AREA | kinds.ACCURATE_RND | kinds.FULL_CHR_H_INP
            self._container = self._av.open(self._file, "w", format=name, options=options)
            if source.has_sound:
                self._sound = SoundCopy(self._container, source, options)
        except BaseException as error:
            self._file.fail()
            if isinstance(error, InvalidInputError) or not isinstance(error, Exception):
                raise
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error

    @property
    def _rate(self) -> Fraction:
        fps = self._source.fps or DEFAULT_FPS
        if fps < 1:  # a picture an hour would become none at all
            return 1 / Fraction(1 / fps).limit_denominator(1001)
        return Fraction(fps).limit_denominator(1001)

    def write(self, image: ImageLike, time_s: float) -> None:
        """Append a frame; if its size is another, it is fitted into the first's.

        Parameters
        ----------
        image : anything that `edgeface.read_image` takes
        time_s : when it is shown, seconds, at least 0

        Raises
        ------
        InvalidInputError
            If it is no image, its time lies before the last one's, or it cannot be written.
        """
        if self._closed:
            raise InvalidInputError(f"{self._path} is finished: a frame came after close()")
        image = read_image(image)
        time_s = option("time_s", time_s, Number(0, MAX_TIME_S))
        if time_s < self._last_s:
            raise InvalidInputError(
                f"a frame's time must not lie before the last one's, {self._last_s}; got {time_s}"
            )
        self._last_s = time_s
        if self._stream is None:
            self._stream = self._add_stream(image)
        width, height = self._stream.width, self._stream.height
        if 0 <= image.shape[1] - width <= 1 and 0 <= image.shape[0] - height <= 1:
            image = image[:height, :width]
        else:
            image = np.asarray(ImageOps.pad(Image.fromarray(image), (width, height)))
        picture = self._coded(np.ascontiguousarray(image))
        self._last_stamp = max(round(time_s / self._time_base), self._last_stamp + 1)
        picture.time_base, picture.pts = self._time_base, self._last_stamp
        self._encode(picture)
        if self._sound:
            self._copy_sound(self._sound, time_s)

    def close(self) -> None:
        """Finish the file, which plays up to the last frame; calling it again is no error."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._stream is not None and not self._broken:
                self._encode(None)
                if self._sound:  # what is heard while the last frame is shown
                    self._copy_sound(self._sound, self._last_s + float(1 / self._rate))
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
        rate = self._rate
        fps = float(rate)
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
                f"cannot write {self._path}: this build of FFmpeg does not encode H.264: {error}"
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
        stream.codec_context.time_base = self._time_base
        stream.codec_context.gop_size = max(1, round(KEYFRAMES_S * fps))
        return stream

    def _encode(self, picture: Any) -> None:
        """Code a picture, or, without one, those that wait for another, and write them."""
        with self._explained():
            packets = self._stream.encode(picture)
        self._mux(packets)
        self._num_packets += len(packets)

    def _copy_sound(self, sound: SoundCopy, time_s: float) -> None:
        with self._explained():
            for packet in sound.until(time_s):
                # without a damaged one, the rest can still be heard
                with contextlib.suppress(self._av.InvalidDataError):
                    self._container.mux(packet)

    def _mux(self, packets: Any) -> None:
        with self._explained():
            if not self._header_bytes:
                self._container.start_encoding()
                self._header_bytes = self._file.num_bytes
            self._container.mux(packets)
        if self._file.num_bytes > self._header_bytes:
            self._file.show()

    @contextlib.contextmanager
    def _explained(self) -> Generator[None, None, None]:
        """Give the file up, by an error of ours, if something of it cannot be written."""
        try:
            yield
        except (self._av.FFmpegError, OSError) as error:
            self._broken = True  # FFmpeg ends the program if a header is tried again
            self._file.fail()
            raise InvalidInputError(f"cannot write {self._path}: {error}") from error
