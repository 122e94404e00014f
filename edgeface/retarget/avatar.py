"""Streaming one person's face to a program that shows an avatar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face import Face
from edgeface.faces import Faces
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.reach import calibrate
from edgeface.retarget.retargeter import Retargeter
from edgeface.rotations import quaternion_from_rotation
from edgeface.types import FloatArray

WAIT_S = 1.5
"""How long somebody who is away is waited for: as long as a tracker keeps their number."""


class Stream(Protocol):
    """A connection to an avatar."""

    retargeter: Retargeter

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame of one person: shapes by ARKit name, head in the ``model`` frame."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class Avatar:
    """One person's face, streamed.

    Who is followed stays until they were away for `WAIT_S`; then whoever is nearest, so looks
    largest, is next, and is calibrated anew.

    Parameters
    ----------
    connect : the function that opens the stream to a host and port
    address : ``HOST:PORT``
    options : whose face is streamed, by which mapping, and for how long it is neutral at first

    Raises
    ------
    InvalidInputError
        If the address is none, or the host cannot be found.
    """

    def __init__(
        self,
        connect: Callable[[str, int, Retargeter], Stream],
        address: str,
        options: ExportOptions,
    ) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise InvalidInputError(f"--vmc takes HOST:PORT, as 127.0.0.1:39539; got {address!r}")
        self._stream = connect(host, int(port), options.retargeter(clips_only=True))
        self._wanted = options.track_id
        self._calibrate_s = options.calibrate_s if options.person is None else 0.0
        self._followed, self._seen_s = options.track_id, 0.0
        self._neutral: list[tuple[float, dict[str, float], Any]] = []

    def show(self, time_s: float, faces: Faces) -> None:
        """Send the followed person, if in this frame."""
        face = self._follow(time_s, faces)
        if face is None:
            return
        shapes, quaternion = face.blendshapes, quaternion_from_rotation(face.rotation)
        begun_s = self._neutral[0][0] if self._neutral else time_s
        if self._calibrate_s and time_s - begun_s <= self._calibrate_s:
            self._calibrate(time_s, shapes, quaternion)
        self._stream.retargeter.watch(time_s, shapes)
        self._stream.send(time_s, shapes, quaternion)

    def close(self) -> None:
        """Release the connection."""
        self._stream.close()

    def _follow(self, time_s: float, faces: Faces) -> Face | None:
        gone = self._followed is None or time_s - self._seen_s > WAIT_S
        if self._wanted is None and gone and len(faces):
            height = faces.boxes_xyxy[:, 3] - faces.boxes_xyxy[:, 1]
            nearest = faces[int(height.argmax())].track_id
            if nearest != self._followed:
                self._followed, self._neutral = nearest, []
        face = next((face for face in faces if face.track_id == self._followed), None)
        if face is not None:
            self._seen_s = time_s
        return face

    def _calibrate(self, time_s: float, shapes: dict[str, float], quaternion: Any) -> None:
        """Take the first seconds as the rest pose, better with every frame."""
        self._neutral.append((time_s, shapes, quaternion))
        self._stream.retargeter.person = calibrate(
            [s for _, s, _ in self._neutral], np.stack([q for _, _, q in self._neutral])
        )
