"""The VMC protocol, whose OSC messages move avatars in VSeeFace, Warudo, VNyan and others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgeface.gaze import eye_quaternions
from edgeface.retarget.datagrams import Osc, UdpSender
from edgeface.types import FloatArray
from edgeface.values import SECONDS, option

MAX_BUNDLE_BYTES = 1200
"""The size of a datagram. More than 1,472 bytes do not fit into an Ethernet frame, and a tunnel's
takes even fewer: they travel in pieces, and one lost piece loses all."""
BUNDLE_HEAD_BYTES, SIZE_BYTES = 16, 4
"""The bytes that OSC adds to a bundle and to each message in it."""
LONGEST_S = 10_000.0
"""A first time beyond this is a clock's, of which float32 does not tell two frames apart."""


class VmcSender(UdpSender):
    """Streams one person by the VMC protocol: each frame is some OSC bundles over UDP.

    Parameters
    ----------
    host : the machine whose program shows the avatar, by default this one
    port : the port, by default 39539; programs that take only a face use 39540
    retargeter : turns a person's expression into the avatar's. Its targets are the blend shape
        clips of the avatar. Without targets, ARKit's names are sent in VRM's spelling ("JawOpen"),
        which "perfect sync" avatars have.

    Raises
    ------
    InvalidInputError
        If the host cannot be found.
    BackendUnavailableError
        If python-osc is not installed.

    Notes
    -----
    The protocol is at https://protocol.vmc.info. Its times are float32 and count from the program's
    start, so those of a clock, such as the system's, are sent from the first frame on. Its bones
    are Unity's humanoid ones, whatever the avatar calls them, so the mapping's ``head_bone`` plays
    no part. Unity's frame is left-handed with the avatar's left at -x, so a rotation is sent as
    (w, x, -y, -z).

    A bundle has at most 1,200 bytes, so that it is one packet. Each bundle of a frame begins with
    the time, the head and, if the gaze is seen, the eyes; so each one that arrives is useful by
    itself. The last one ends with ``/VMC/Ext/Blend/Apply``. Bundles that cannot be sent are lost
    without an error.
    """

    PORT = 39539

    def _prepare(self) -> None:
        self._osc = Osc()
        self._begun_s: float | None = None

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame; parameters are those of `Stream.send`."""
        time_s = option("time_s", time_s, SECONDS)
        if self._begun_s is None:
            self._begun_s = time_s if abs(time_s) > LONGEST_S else 0.0
        shapes, head, eyes = self._retargeted(blendshapes, quaternion_wxyz)
        own = self.retargeter.mapping.recipes
        named = {n if own else n[0].upper() + n[1:]: v for n, v in shapes.items()}
        first = [
            self._osc.message("/VMC/Ext/OK", 1),
            self._osc.message("/VMC/Ext/T", time_s - self._begun_s),
        ]
        for bone, turn in self.retargeter.bone_turns(head).items():
            w, x, y, z = (float(v) for v in turn)
            called = bone.capitalize()
            first.append(
                self._osc.message("/VMC/Ext/Bone/Pos", called, 0.0, 0.0, 0.0, x, -y, -z, w)
            )
        turns: list[list[float]] = [] if eyes is None else eye_quaternions(eyes).tolist()
        for bone, (w, x, y, z) in zip(("RightEye", "LeftEye"), turns, strict=False):
            first.append(self._osc.message("/VMC/Ext/Bone/Pos", bone, 0.0, 0.0, 0.0, x, -y, -z, w))
        rest = [
            *(
                self._osc.message("/VMC/Ext/Blend/Val", clip, value)
                for clip, value in named.items()
            ),
            self._osc.message("/VMC/Ext/Blend/Apply"),
        ]
        for packet in _packets(first, rest):
            self._socket.send(self._osc.bundle(packet))


def _packets(first: list[Any], messages: list[Any]) -> Iterator[list[Any]]:
    """Pack messages in turn, as many as fit after the ``first`` into each packet."""
    start = BUNDLE_HEAD_BYTES + sum(SIZE_BYTES + m.size for m in first)
    packet, size = list(first), start
    for message in messages:
        more = SIZE_BYTES + message.size
        if size + more > MAX_BUNDLE_BYTES and size > start:
            yield packet
            packet, size = list(first), start
        packet.append(message)
        size += more
    yield packet
