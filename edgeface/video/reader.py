"""Reading video files, streams and cameras through PyAV (the extra ``video``)."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from edgeface.errors import InvalidInputError
from edgeface.timecode import is_timecode
from edgeface.types import ImageArray
from edgeface.video.channel import Channel, feed
from edgeface.video.clock import FORWARDS_FILE_S, FORWARDS_S, Clock
from edgeface.video.ending import is_cut
from edgeface.video.picture import shown, told_colours
from edgeface.video.source import (
    GRACE_S,
    READ_TIMEOUT_S,
    Address,
    address_of,
    hint,
    import_av,
    is_live,
    open_container,
    reason_of,
    sound_of,
)

DEFAULT_FPS = 30.0
"""The rate of sources that do not say when their frames are shown."""
MAX_FPS = 1000.0
"""A rate above this is a time base that was taken for one."""
SLACK_S = 0.5
"""How long before its stated length a file may end."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes
    ----------
    index : the number of the frame, from 0
    time_s : the time when it is shown, seconds since the first frame; strictly rising
    image : the picture, uint8, shape (H, W, 3), RGB, upright, of square pixels
    """

    index: int
    time_s: float
    image: ImageArray


def open_video(source: str | os.PathLike[str] | int) -> VideoReader:
    """Open a video.

    Parameters
    ----------
    source : a file, an address (``rtsp://...``), a camera ("camera", "camera:1" or its number; on
        Windows "camera:NAME"), or "-" for what is piped in

    Returns
    -------
    VideoReader
        It is to be iterated once and closed; it is a context manager.

    Raises
    ------
    InvalidInputError
        If the source is absent, empty or damaged, has no pictures, or sends nothing for
        `edgeface.video.source.OPEN_TIMEOUT_S`.
    BackendUnavailableError
        If PyAV is not installed.
    """
    import_av()
    address = address_of(source)
    container = open_container(address)
    try:
        return VideoReader(container, address.name, is_live(address, container), address)
    except InvalidInputError:
        container.close()
        raise


def _film(container: Any, name: str) -> Any:
    """Find the stream of pictures that is meant to be watched, not a cover.

    Raises
    ------
    InvalidInputError
        If there is none, or none that can be decoded.
    """
    disposition = import_av().stream.Disposition.attached_pic
    films = [s for s in container.streams.video if not s.disposition & disposition]
    if not films:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        if container.streams.video:
            kinds = "a cover" + (" and audio" if container.streams.audio else "")
        raise InvalidInputError(f"{name} has no pictures, only {kinds}")
    readable = [s for s in films if s.codec_context is not None]
    if not readable:
        raise InvalidInputError(f"{name} holds pictures in a code that FFmpeg cannot read here")
    best = container.streams.best("video")
    return best if best in readable else readable[0]


class VideoReader:
    """The frames of an open video, in the order and at the times in which they are shown.

    Attributes
    ----------
    source : the source as the user named it
    live : whether the source has no end, so that its frames come in their own time
    fps : the average number of frames a second; None if the source does not say
    num_frames : the number of frames; 0 if it is not known
    timecode : the timecode of the first frame, ``HH:MM:SS:FF``; None if the source has none
    start_s : the time of the first frame on the source's own clock, known once it was read
    address : where the source can be opened again; None if it cannot
    primaries, transfer : how the colours of the last frame are meant, by the numbers of
        ISO/IEC 23091-2; 0 if the source does not say
    """

    def __init__(
        self, container: Any, source: str, live: bool, address: Address | None = None
    ) -> None:
        self._container = container
        self._stream = _film(container, source)
        self._stream.thread_type = "AUTO"
        self.source, self.live = source, live
        self.address = None if address is None or address.kind == "pipe" else address
        self._hint = "" if address is None else hint(address)
        rates = [float(r or 0) for r in (self._stream.average_rate, self._stream.guessed_rate)]
        # of a format without times, FFmpeg makes up a rate, which is not that of a camera
        flags = import_av().format.Flags
        self._untimed = live and bool(container.format.flags & flags.no_timestamps.value)
        known = [] if self._untimed else rates
        self.fps = next((rate for rate in known if 0 < rate <= MAX_FPS), None)
        self.timecode = _timecode(container, self._stream)
        self._num_packets, self.num_frames = (0, 0) if live else _lengths(self._stream)
        self.has_sound = sound_of(container) is not None and not live and self.address is not None
        self.clock = Clock(1 / (self.fps or DEFAULT_FPS), self.forwards_s)
        self.primaries = self.transfer = 0
        # of an AVI: the stamps of what was coded and not yet shown, and how many usually wait
        self._waiting: deque[int] = deque()
        self._num_waiting: int | None = None
        self._use = threading.Lock()
        self._closed = self._ended = False

    @property
    def forwards_s(self) -> float:
        """How far the source's clock may go ahead at once without having jumped."""
        flags = import_av().format.Flags
        joined = bool(self._container.format.flags & flags.ts_discont.value)
        return FORWARDS_S if self.live or joined else FORWARDS_FILE_S

    @property
    def start_s(self) -> float:
        """The time of the first frame on the source's own clock; 0 before it was read."""
        return self.clock.origin_s or 0.0

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file or camera; a thread that waits for its next frame does so instead."""
        self._closed = True
        if self._use.acquire(blocking=False):
            self._container.close()
            self._use.release()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises
        ------
        InvalidInputError
            After the last good frame, if the file is damaged or ends early, or a camera is gone or
            silent for `edgeface.video.source.READ_TIMEOUT_S`. At once, if the video is closed, or
            was read to its end.
        """
        if self._closed or self._ended:
            state = "is closed" if self._closed else "was read to its end"
            raise InvalidInputError(f"{self.source} {state}: open it again")
        frames = self._frames()
        return watched(frames, self.source) if self.live else frames

    def _frames(self) -> Iterator[Frame]:
        count, shown_s, came_s = 0, 0.0, time.monotonic()
        state = _Reading()
        for picture in self._pictures(state):
            waited_s = time.monotonic() - came_s if self.live else 0.0
            came_s = time.monotonic()
            shown_s = self.clock(self._stamp(picture), waited_s)
            state.ends_s = shown_s + float((picture.duration or 0) * self._stream.time_base)
            self.primaries, self.transfer = told_colours(picture)
            yield Frame(count, shown_s, shown(picture, self._stream.sample_aspect_ratio))
            count += 1
        self._ended = True
        if not self._closed:
            self._check_end(state, count)

    def _stamp(self, picture: Any) -> float | None:
        """The time that the source gives a picture; None if it gives none.

        Pictures of a live source without times have that at which they come.

        An AVI gives times to what is coded alone. Those that FFmpeg makes up of them for pictures
        are in disorder where others are coded before the one that is shown next, and else late.
        """
        if self._untimed:
            return time.monotonic()
        if self._container.format.name != "avi":
            return picture.time
        if self._num_waiting is None:
            self._num_waiting = max(len(self._waiting) - 1, 0)
        # pictures at the end come without a stamp of their own; before, what is damaged shows none
        while picture.dts is not None and len(self._waiting) > self._num_waiting + 1:
            self._waiting.popleft()
        return float(self._waiting.popleft() * self._stream.time_base) if self._waiting else None

    def _pictures(self, state: _Reading) -> Iterator[Any]:
        """Yield decoded pictures; ``state`` tells what ended them, and what was damaged."""
        av = import_av()
        try:
            for packet in self._packets():
                state.num_packets += packet.dts is not None or packet.size > 0
                try:
                    pictures = self._decoded(packet)
                except av.InvalidDataError:
                    state.num_damaged += 1
                    continue
                yield from pictures
        except (av.FFmpegError, OSError) as error:
            state.error = error
            with contextlib.suppress(av.FFmpegError):  # those that were still being decoded
                yield from self._decoded(None)

    def _check_end(self, state: _Reading, count: int) -> None:
        """Raise unless everything came that the source promised."""
        name, after = self.source, _after(count)
        if isinstance(state.error, import_av().ExitError):
            raise _silent(name, count) from state.error
        if state.error is not None:
            why = self._hint if count == 0 else ""
            raise InvalidInputError(
                f"{name} broke off {after}: {reason_of(state.error)}{why}"
            ) from state.error
        if self.live:
            raise InvalidInputError(f"{name} stopped {after}")
        # a file cut before its first picture, or a server that answers no more, has undecoded ones
        if count == 0 and (state.num_packets or not self._num_packets):
            raise InvalidInputError(f"{name} has no frame that can be decoded")
        if state.num_damaged:
            raise InvalidInputError(
                f"{name} ends {after}; {state.num_damaged} of its {state.num_packets} parts are "
                "damaged"
            )
        if state.num_packets < self._num_packets:
            raise InvalidInputError(f"{name} ends {after}; its index promises {self.num_frames}")
        stated_s = _stated_length(self._stream) - self.start_s
        if state.ends_s + 1 / (self.fps or DEFAULT_FPS) + SLACK_S < stated_s:
            raise InvalidInputError(
                f"{name} ends {after}, at {state.ends_s:.1f} s; its header promises {stated_s:.1f}"
            )
        if self._is_cut():
            raise InvalidInputError(f"{name} ends {after}, where it was cut off")

    def _is_cut(self) -> bool:
        path = None if self.address is None else self.address.file
        if path is None:
            return False
        try:
            return is_cut(path, self._container.format.name)
        except OSError:  # it is gone by now
            return False

    def _packets(self) -> Iterator[Any]:
        """Yield coded pictures until the end or `close`."""
        packets = self._container.demux(self._stream)
        while True:
            with self._use:
                packet = None if self._closed else next(packets, None)
                if self._closed:
                    self._container.close()
            if packet is None:
                return
            if self._container.format.name == "avi":
                packet.pts = None  # so that a picture's `dts` is that of its packet
                if packet.size and packet.dts is not None:
                    self._waiting.append(packet.dts)
            yield packet

    def _decoded(self, packet: Any) -> list[Any]:
        """Decode the pictures that a packet completes; without one, those that wait for another."""
        with self._use:
            return [] if self._closed else self._stream.codec_context.decode(packet)


@dataclass
class _Reading:
    """What is known of a source by the end of its pictures."""

    num_packets: int = 0
    num_damaged: int = 0
    ends_s: float = 0.0
    error: Exception | None = None


def watched(frames: Iterable[Frame], name: str) -> Iterator[Frame]:
    """Yield frames of a live source, read in a thread of their own that may hang in a driver."""
    channel: Channel[Frame] = Channel(1)
    reader = threading.Thread(target=feed, args=(frames, channel), daemon=True, name="camera")
    reader.start()
    count = 0
    try:
        for frame in channel.within(READ_TIMEOUT_S + GRACE_S):
            yield frame
            count += 1
    except TimeoutError as error:
        raise _silent(name, count) from error
    finally:
        channel.abandon()


def _silent(name: str, count: int) -> InvalidInputError:
    return InvalidInputError(f"{name} fell silent {_after(count)}, for {READ_TIMEOUT_S:.0f} s")


def _timecode(container: Any, film: Any) -> str | None:
    """The timecode that the pictures, the container or a track of its own states."""
    for holder in (film, container, *container.streams):
        text = holder.metadata.get("timecode")
        if text is not None:
            return text if is_timecode(text) else None
    return None


def _lengths(stream: Any) -> tuple[int, int]:
    """The number of coded pictures in a file's index, and of those to be shown; 0 without one.

    An edit list may hide some that others are decoded from.
    """
    if not stream.frames:
        return 0, 0
    index = stream.index_entries
    if not 0 < len(index) <= stream.frames:
        return stream.frames, stream.frames
    return len(index), sum(not entry.is_discard for entry in index)


def _stated_length(stream: Any) -> float:
    """The seconds that a Matroska file states for a stream; 0 if it does not."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if match is None:
        return 0.0
    hours, minutes, seconds = match.groups()
    return 3600.0 * int(hours) + 60.0 * int(minutes) + float(seconds)


def _after(count: int) -> str:
    return f"after {count} frame{'' if count == 1 else 's'}"
