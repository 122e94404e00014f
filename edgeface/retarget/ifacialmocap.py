"""Sending iFacialMocap's text over UDP, which VTube Studio, Blender add-ons and others read."""

from __future__ import annotations

from edgeface.retarget.datagrams import ArkitSender, angles_of
from edgeface.types import FloatArray


class IFacialMocapSender(ArkitSender):
    """Sends a frame as one line of text; parameters and errors are those of `ArkitSender`.

    Notes
    -----
    The line is ``mouthSmile_L-42|...|=head#x,y,z,px,py,pz|rightEye#x,y,z|leftEye#x,y,z|``. It has
    whole per cent by ARKit's names, in which a letter stands for the side, then degrees about x, y
    and z of ARKit's frame, which is our ``model`` frame, and metres. The head does not move, since
    that is not measured; eyes look ahead if the network does not tell the gaze. Shapes that it
    cannot see are left out.
    """

    PROTOCOL = "iFacialMocap"
    PORT = 49983

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame of one person; the protocol has no time."""
        del time_s
        shapes, head = self.retargeter(blendshapes, quaternion_wxyz)
        pitch, yaw, roll = angles_of(head)
        parts = [f"{_lettered(name)}-{round(100 * value)}" for name, value in shapes.items()]
        parts.append(f"=head#{pitch:.4f},{yaw:.4f},{roll:.4f},0,0,0")
        eyes = self.retargeter.eyes_deg(blendshapes)
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
