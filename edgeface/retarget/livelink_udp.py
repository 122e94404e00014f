"""Sending Live Link Face over UDP, as Apple's app does and Unreal's Live Link receives it."""

from __future__ import annotations

import math
import struct
import uuid

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.retarget.datagrams import SUBJECT, ArkitSender, angles_of, eye_radians
from edgeface.retarget.retargeter import Retargeter
from edgeface.types import FloatArray
from edgeface.values import SECONDS, option

PACKET_VERSION, FRAME_RATE = 6, 60
NUM_VALUES = len(ARKIT_NAMES) + 9


class LiveLinkSender(ArkitSender):
    """Streams one person to Unreal by Live Link Face: each frame is a UDP packet of 61 numbers.

    Parameters
    ----------
    host : the machine on which Unreal's plugin "Apple ARKit Face Support" listens
    port : the port, by default 11111
    retargeter : calibrates, scales and mirrors the performance; its names must be ARKit's
    name : the Live Link subject, which tells several performers on one port apart

    Raises
    ------
    InvalidInputError
        If the host cannot be found, or the retargeter has other names than ARKit's.

    Notes
    -----
    A packet is big-endian and consists of:

    1. uint8: 6, the version;
    2. int32 and text: the length of the device's id, and the id;
    3. int32 and text: the same for the subject;
    4. int32, float32, int32, int32: the time as a frame and a part of it, then the rate, 60 and 1;
    5. uint8: 61, the number of values;
    6. 61 float32: ARKit's 52 shapes in the order of `edgeface.ARKIT_NAMES`, then yaw, pitch and
       roll in radians of the head, the left eye and the right eye.

    No value can be left out. Shapes that the network cannot see are 0, and so are the angles of the
    eyes if the gaze is not seen.
    """

    PROTOCOL = "Live Link Face"
    PORT = 11111

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int | None = None,
        retargeter: Retargeter | None = None,
        name: str = "edgeface",
    ) -> None:
        name = option("name", name, SUBJECT)
        super().__init__(host, port, retargeter)
        device = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.edgeface")).upper()
        self._head = struct.pack(">B", PACKET_VERSION) + _text(device) + _text(name)

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame; parameters are those of `Stream.send`."""
        time_s = option("time_s", time_s, SECONDS)
        shapes, head = self.retargeter(blendshapes, quaternion_wxyz)
        pitch, yaw, roll = (math.radians(angle) for angle in angles_of(head))
        part, frame = math.modf(time_s * FRAME_RATE)
        values = [*(shapes.get(name, 0.0) for name in ARKIT_NAMES), yaw, pitch, roll,
                  *eye_radians(self.retargeter, blendshapes)]  # fmt: skip
        time = struct.pack(">ifii", int(frame) & 0x7FFFFFFF, part, FRAME_RATE, 1)
        self._socket.send(self._head + time + struct.pack(f">B{NUM_VALUES}f", NUM_VALUES, *values))


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">i", len(data)) + data
