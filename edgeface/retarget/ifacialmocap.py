"""Sending iFacialMocap's text over UDP, which VTube Studio, Blender add-ons and others read."""

from __future__ import annotations

from edgeface.retarget.datagrams import ArkitSender, angles_of
from edgeface.types import FloatArray


class IFacialMocapSender(ArkitSender):
    """Streams one person by iFacialMocap's protocol: each frame is a line of text over UDP.

    Parameters
    ----------
    host : the name or address of the machine whose program listens
    port : the port, by default 49983
    retargeter : calibrates, scales and mirrors the performance; its names must be ARKit's

    Raises
    ------
    InvalidInputError
        If the host cannot be found, or the retargeter has other names than ARKit's.

    Notes
    -----
    The line is ``mouthSmile_L-42|...|=head#x,y,z,px,py,pz|rightEye#x,y,z|leftEye#x,y,z|``.

    - Shapes are whole per cent, by ARKit's names with a letter for the side. Shapes that the
      network cannot see are left out, or 0 if it saw them before.
    - x, y and z are angles in degrees about the axes of ARKit's frame, which is our ``model``
      frame. If the gaze is not seen, the eyes look ahead.
    - px, py and pz are the head's position in metres. They are 0, because it is not measured.
    """

    PROTOCOL = "iFacialMocap"
    PORT = 49983

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame; parameters are those of `Stream.send`. The protocol has no time."""
        del time_s
        shapes, head, eyes = self._retargeted(blendshapes, quaternion_wxyz)
        pitch, yaw, roll = angles_of(head)
        parts = [f"{_lettered(name)}-{round(100 * value)}" for name, value in shapes.items()]
        parts.append(f"=head#{pitch:.4f},{yaw:.4f},{roll:.4f},0,0,0")
        turns = [[0.0, 0.0], [0.0, 0.0]] if eyes is None else eyes.tolist()
        for name, (eye_pitch, eye_yaw) in zip(("rightEye", "leftEye"), turns, strict=True):
            parts.append(f"{name}#{eye_pitch:.2f},{eye_yaw:.2f},0")
        self._socket.send(("|".join(parts) + "|").encode())


def _lettered(name: str) -> str:
    """Spell ``mouthSmileLeft`` as ``mouthSmile_L``; mouthLeft and jawLeft keep their names."""
    for side in ("Left", "Right"):
        if name.endswith(side) and name.removesuffix(side) not in ("mouth", "jaw"):
            return f"{name.removesuffix(side)}_{side[0]}"
    return name
