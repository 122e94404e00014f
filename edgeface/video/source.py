"""Telling what a source is, and opening it without waiting for ever."""

from __future__ import annotations

import importlib
import numbers
import os
import stat
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

from edgeface.addresses import local_name, without_secrets
from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.values import path_of
from edgeface.waiting import within

OPEN_TIMEOUT_S = 10.0
"""How long a camera or server may take to say what it sends."""
READ_TIMEOUT_S = 10.0
"""How long it may be silent between two pictures."""
GRACE_S = 2.0
"""How much longer than FFmpeg's own time-out is waited, which does not end every call."""

CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none"),
           "win32": ("dshow", "video={}")}  # fmt: skip
"""For each platform, FFmpeg's capture format and the name of a camera in it."""
STANDARD_INPUT = "-"
PLAYLISTS = ("hls", "dash", "sdp")
"""FFmpeg's formats whose bytes only say where the pictures are."""


@dataclass(frozen=True)
class Address:
    """A source as FFmpeg knows it.

    Attributes
    ----------
    name : the name that the user gave, as others may see it
    url : FFmpeg's name of the source
    kind : what the source is; a pipe can be read once, and only as fast as it is written
    capture : FFmpeg's format of a camera
    """

    name: str
    url: str
    kind: Literal["file", "pipe", "network", "camera"]
    capture: str | None = None

    @property
    def file(self) -> str | None:
        """The absolute path of a file; None of what is none."""
        return self.url.removeprefix("file:") if self.kind == "file" else None


def import_av() -> Any:
    """Import PyAV; the error names the remedy."""
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise BackendUnavailableError(
            "reading and writing video needs PyAV: pip install 'edgeface[video]'"
        ) from error


def address_of(source: str | os.PathLike[str] | int) -> Address:
    """Find where a source lies.

    Raises
    ------
    InvalidInputError
        If it is an absent or empty file, no file at all, or a camera that cannot be.
    """
    given: Any = source
    if isinstance(given, numbers.Integral) and not isinstance(source, bool):
        return _camera(f"camera:{source}", str(source))
    name = local_name(source) if isinstance(source, str) else str(path_of("the video", source))
    if name == "camera" or name.startswith("camera:"):
        return _camera(name, name.partition(":")[2] or "0")
    if name == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise InvalidInputError("'-' is what is piped into the command, and nothing is")
        return Address(name, "pipe:0", "pipe")
    if "://" in name and not name.lower().startswith("file:"):
        return Address(without_secrets(name), name, "network")
    if name.isdecimal() and not os.path.exists(name):
        return _camera(name, name)
    return _local(name)


def _camera(name: str, device: str) -> Address:
    known = CAMERAS.get(sys.platform)
    if known is None:
        raise InvalidInputError(f"no camera is known on {sys.platform}; give an address instead")
    if known[0] != "dshow" and not device.isdecimal():
        raise InvalidInputError(f"{name}: a camera has a number here, as camera:0")
    return Address(name, known[1].format(device), "camera", known[0])


def _local(name: str) -> Address:
    try:
        found = os.stat(name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidInputError(f"no such video: {name}") from error
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot open {name}: {error}") from error
    if stat.S_ISFIFO(found.st_mode):
        return Address(name, f"file:{name}", "pipe")
    # names that stay, as in /dev/v4l/by-id, are links
    if stat.S_ISCHR(found.st_mode) and os.path.realpath(name).startswith("/dev/video"):
        return Address(name, name, "camera", CAMERAS["linux"][0])
    if stat.S_ISDIR(found.st_mode):
        raise InvalidInputError(f"{name} is a folder: edgeface run {name} looks at its images")
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInputError(f"{name} is no file")
    if found.st_size == 0:
        raise InvalidInputError(f"{name} is empty")
    # the prefix keeps FFmpeg from taking a name with a colon for an address; the file is opened
    # again for its sound, maybe when the program has gone to another folder
    return Address(name, f"file:{os.path.abspath(name)}", "file")


def open_container(address: Address) -> Any:
    """Open an ``av`` input container.

    Cameras, servers and pipes are opened in a thread of their own, so that Ctrl-C ends the wait.

    Raises
    ------
    InvalidInputError
        If FFmpeg can read nothing there, or nothing comes for `OPEN_TIMEOUT_S`.
    """
    av = import_av()
    timeout = None if address.kind in ("file", "pipe") else (OPEN_TIMEOUT_S, READ_TIMEOUT_S)

    def connect() -> Any:
        # titles of old files are in the code of the country where they were made
        return av.open(
            address.url, format=address.capture, timeout=timeout, metadata_errors="replace"
        )

    started = time.monotonic()
    try:
        if address.kind == "file":
            return connect()
        limit_s = None if timeout is None else OPEN_TIMEOUT_S + GRACE_S
        return within(limit_s, connect, "open")
    except (av.FFmpegError, OSError, ValueError) as error:
        about_content = isinstance(error, (av.InvalidDataError, av.EOFError, av.ArgumentError))
        reason = f"{reason_of(error)}{hint(address) if about_content else ''}"
        if address.capture is not None:
            reason += f" ({address.url})"
        # what is interrupted fails in any way
        if timeout is not None and time.monotonic() - started >= OPEN_TIMEOUT_S:
            reason = f"it said nothing for {OPEN_TIMEOUT_S:.0f} s"
        raise InvalidInputError(f"cannot open {address.name}: {reason}") from error


def sound_of(container: Any) -> Any:
    """The sound that players choose of those whose code FFmpeg knows; None if there is none."""
    readable = [s for s in container.streams.audio if s.codec_context is not None]
    best = container.streams.best("audio")
    return best if best in readable else next(iter(readable), None)


def reason_of(error: Exception) -> str:
    """What FFmpeg or the system says, without the number and the name that go with it."""
    return str(getattr(error, "strerror", None) or error)


def hint(address: Address) -> str:
    """A hint why a source of this kind cannot be read."""
    if address.kind == "camera":
        return ""
    if address.kind == "pipe":
        return (
            "; if it is a whole file whose index lies at its end, as in many .mp4, name the file: "
            "a pipe is read only once"
        )
    if address.kind == "network":
        return (
            "; if it is a whole file whose index lies at its end, the server must answer requests "
            "for parts of it"
        )
    return "; it is no video, or was cut off before its index was written"


def is_live(address: Address, container: Any) -> bool:
    """Whether a source has no end, so that its pictures come in their own time.

    The container says so: a recording at an address has a length, in time or in bytes.
    """
    if address.kind != "network":
        return address.kind == "camera"
    measured = container.size > 0 and container.format.name not in PLAYLISTS
    return container.duration is None and not measured
