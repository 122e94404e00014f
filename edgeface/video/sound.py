"""Copying the sound of a video into its overlay."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from edgeface.errors import InvalidInputError
from edgeface.video.clock import Clock
from edgeface.video.reader import VideoReader
from edgeface.video.source import import_av, open_container, sound_of

MP4_FORMATS = ("mp4", "mov", "ipod")
SOUND_STEP_S = 0.02
"""The usual length of a packet of sound."""


class SoundCopy:
    """The sound of a file for another, in step with its pictures.

    Parameters
    ----------
    target : the ``av`` output container that gets it
    source : the video that has it
    options : those with which ``target`` was opened

    Raises
    ------
    InvalidInputError
        If a file of the target's format cannot hold it.
    """

    def __init__(self, target: Any, source: VideoReader, options: Mapping[str, str]) -> None:
        self._source = source
        assert source.address is not None
        self._container = open_container(source.address)
        template = sound_of(self._container)
        codec = template.codec_context.name
        self._packets: Iterator[Any] = self._container.demux(template)
        # broadcasts describe AAC in every packet; .mp4 wants it before the first
        packed = codec == "aac" and not template.codec_context.extradata
        packed = packed and target.format.name in MP4_FORMATS
        described = self._description() if packed else None
        if (packed and described is None) or not _is_held(target, template, options):
            self._container.close()
            raise InvalidInputError(
                f"{Path(target.name).suffix} cannot hold the source's sound ({codec}"
                f"{' as this broadcast packs it' if packed else ''}); write .mkv"
            )
        self._stream = target.add_stream_from_template(template)
        self._unpacking: Any = None
        if packed:
            self._stream.codec_context.extradata = described
            self._unpacking = import_av().BitStreamFilterContext("aac_adtstoasc", template)
        self._clock: Clock | None = None
        self._next: tuple[Any, float] | None = None

    def until(self, time_s: float) -> Iterator[Any]:
        """Yield the packets up to a time of the pictures; the clocks of both may jump."""
        if self._clock is None:
            self._clock = Clock(SOUND_STEP_S, self._source.forwards_s, self._source.start_s)
            self._next = self._read()
        while self._next is not None and self._next[1] <= time_s:
            packet, begins_s = self._next
            if begins_s >= 0:
                packet.pts = packet.dts = round(begins_s / packet.time_base)
                for copied in self._unpacked(packet):
                    copied.stream = self._stream
                    yield copied
            self._next = self._read()

    def _description(self) -> bytes | None:
        """What MPEG-4 calls AudioSpecificConfig, of the first packet's header (ADTS).

        None if there is no such header, or if it leaves the channels to what follows it.
        """
        try:
            first = next(self._packets)
        except (import_av().FFmpegError, OSError, StopIteration):
            return None
        self._packets = chain([first], self._packets)
        bits = int.from_bytes(bytes(first)[:4].ljust(4, b"\0"), "big")
        kind, rate, channels = (bits >> 14 & 3) + 1, bits >> 10 & 15, bits >> 6 & 7
        if bits >> 20 != 0xFFF or not channels:
            return None
        return (kind << 11 | rate << 7 | channels << 3).to_bytes(2, "big")

    def _unpacked(self, packet: Any) -> list[Any]:
        """A packet without the description that the header has; none if it is damaged."""
        if self._unpacking is None:
            return [packet]
        try:
            return list(self._unpacking.filter(packet))
        except import_av().FFmpegError:  # without it, the rest can still be heard
            return []

    def _read(self) -> tuple[Any, float] | None:
        """Read the next packet and its time; sound that is damaged ends, as the pictures do."""
        assert self._clock is not None
        try:
            packet = next(self._packets, None)
        except (import_av().FFmpegError, OSError):
            return None
        if packet is None or packet.pts is None:
            return None
        return packet, self._clock(float(packet.pts * packet.time_base))

    def close(self) -> None:
        """Release the source."""
        self._container.close()


def _is_held(target: Any, template: Any, options: Mapping[str, str]) -> bool:
    """Whether a container like the target can hold sound like this, which its header shows."""
    av = import_av()
    if template.codec_context.name not in target.supported_codecs:
        return False
    name = target.format.name
    with av.open(io.BytesIO(), "w", format=name, options=dict(options)) as trial:
        try:
            trial.add_stream_from_template(template)
            trial.start_encoding()
        except (av.FFmpegError, OSError, ValueError):
            return False
    return True
