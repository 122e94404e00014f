"""Streaming faces to programs that show avatars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from edgeface.faces import Faces
from edgeface.retarget.casting import Casting
from edgeface.retarget.datagrams import host_and_port
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.reach import calibrate
from edgeface.retarget.retargeter import Retargeter
from edgeface.rotations import quaternion_from_rotation
from edgeface.types import FloatArray

Connect = Callable[[str, int, Retargeter, str], "Stream"]
"""The function that opens a stream to a host and port, for a performer with a name."""


class Stream(Protocol):
    """A connection to an avatar."""

    retargeter: Retargeter

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame of one person.

        Parameters
        ----------
        time_s : the time of the frame, seconds
        blendshapes : the values in [0, 1] of ARKit's shapes by name; those that the network cannot
            see are absent or NaN
        quaternion_wxyz : the rotation of the head, unit, shape (4,), ``model`` frame
        """
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class Avatar:
    """Streams one role of a performance to an avatar, whoever plays it.

    If another person takes over the role, the neutral face and the lids are learned anew.

    Parameters
    ----------
    connect : the function that opens the stream
    address : ``HOST:PORT``, or ``[HOST]:PORT`` for an IPv6 host
    options : the mapping, whose face is streamed, and how many seconds it is neutral at first
    casting : decides who plays which role, if several are streamed; by default there is only role 0
    role : the number of the role; 0 is the first performer

    Raises
    ------
    InvalidInputError
        If the address cannot be read, or its host cannot be found.
    """

    def __init__(
        self,
        connect: Connect,
        address: str,
        options: ExportOptions,
        casting: Casting | None = None,
        role: int = 0,
    ) -> None:
        host, port = host_and_port(address)
        name = "edgeface" if role == 0 else f"edgeface-{role + 1}"
        self._stream = connect(host, port, options.retargeter(clips_only=True), name)
        self._calibrate_s = options.calibrate_s if options.person is None else 0.0
        self._casting, self._role = casting or Casting(options.track_id), role
        self._player: int | None = None
        self._neutral: list[tuple[float, dict[str, float], Any]] = []

    def show(self, time_s: float, faces: Faces) -> None:
        """Send the frame of the person who plays the role; without them in it, nothing is sent."""
        face = self._casting.face(self._role, time_s, faces)
        if face is None:
            return
        if face.track_id != self._player:
            self._player, self._neutral = face.track_id, []
            self._stream.retargeter.forget()
        shapes, quaternion = face.blendshapes, quaternion_from_rotation(face.rotation)
        begun_s = self._neutral[0][0] if self._neutral else time_s
        if self._calibrate_s and time_s - begun_s <= self._calibrate_s:
            self._calibrate(time_s, shapes, quaternion)
        self._stream.retargeter.watch(time_s, shapes)
        self._stream.send(time_s, shapes, quaternion)

    def close(self) -> None:
        """Release the connection."""
        self._stream.close()

    def _calibrate(self, time_s: float, shapes: dict[str, float], quaternion: Any) -> None:
        """Learn the rest pose in the first seconds; every frame makes it better."""
        self._neutral.append((time_s, shapes, quaternion))
        self._stream.retargeter.person = calibrate(
            [s for _, s, _ in self._neutral], np.stack([q for _, _, q in self._neutral])
        )
