"""VRChat's face tracking over OSC: the parameters of VRCFaceTracking's unified expressions."""

from __future__ import annotations

from edgeface.gaze import LIDS
from edgeface.retarget.datagrams import ArkitSender, Osc
from edgeface.types import FloatArray

PREFIX = "/avatar/parameters/v2/"


def _sided(name: str, arkit: str, **others: float) -> dict[str, dict[str, float]]:
    return {
        name + side: {arkit + side: 1.0} | {other + side: w for other, w in others.items()}
        for side in ("Left", "Right")
    }


PARAMETERS: dict[str, dict[str, float]] = {
    **_sided("EyeSquint", "eyeSquint"),
    **_sided("EyeWide", "eyeWide"),
    **_sided("BrowDown", "browDown"),
    **_sided("BrowOuterUp", "browOuterUp"),
    "BrowInnerUp": {"browInnerUp": 1.0},
    "EyeLeftX": {"eyeLookInLeft": 1.0, "eyeLookOutLeft": -1.0},
    "EyeRightX": {"eyeLookOutRight": 1.0, "eyeLookInRight": -1.0},
    "EyeLeftY": {"eyeLookUpLeft": 1.0, "eyeLookDownLeft": -1.0},
    "EyeRightY": {"eyeLookUpRight": 1.0, "eyeLookDownRight": -1.0},
    **_sided("NoseSneer", "noseSneer"),
    **_sided("CheekSquint", "cheekSquint"),
    "CheekPuffLeft": {"cheekPuff": 1.0},
    "CheekPuffRight": {"cheekPuff": 1.0},
    "JawOpen": {"jawOpen": 1.0},
    "JawForward": {"jawForward": 1.0},
    "JawX": {"jawRight": 1.0, "jawLeft": -1.0},
    "MouthClosed": {"mouthClose": 1.0},
    "MouthX": {"mouthRight": 1.0, "mouthLeft": -1.0},
    "LipFunnel": {"mouthFunnel": 1.0},
    "LipPucker": {"mouthPucker": 1.0},
    "LipSuckUpper": {"mouthRollUpper": 1.0},
    "LipSuckLower": {"mouthRollLower": 1.0},
    "MouthRaiserUpper": {"mouthShrugUpper": 1.0},
    "MouthRaiserLower": {"mouthShrugLower": 1.0},
    **_sided("MouthUpperUp", "mouthUpperUp"),
    **_sided("MouthLowerDown", "mouthLowerDown"),
    **_sided("SmileFrown", "mouthSmile", mouthFrown=-1.0),
    **_sided("MouthStretch", "mouthStretch"),
    **_sided("MouthDimple", "mouthDimple"),
    **_sided("MouthPress", "mouthPress"),
    "TongueOut": {"tongueOut": 1.0},
}
"""For each parameter in [-1, 1], the weights of ARKit's shapes that sum to it."""
EYES_ADDRESS = "/tracking/eye/LeftRightPitchYaw"
OPEN_LID = 0.75
"""The value of VRChat's lids when they are open; that of a wide eye is 1."""


class VRChatSender(ArkitSender):
    """Streams one person to VRChat: each frame is an OSC message over UDP for each parameter.

    Parameters
    ----------
    host : the machine on which VRChat runs, by default this one
    port : the port, by default 9000
    retargeter : calibrates, scales and mirrors the performance; its names must be ARKit's

    Raises
    ------
    InvalidInputError
        If the host cannot be found, or the retargeter has other names than ARKit's.
    BackendUnavailableError
        If python-osc is not installed.

    Notes
    -----
    - ``EyeLid`` is ``0.75 (1 - blink) + 0.25 wide``. For avatars without parameters of their own,
      ``/tracking/eye/EyesClosedAmount`` is the mean blink.
    - ``/tracking/eye/LeftRightPitchYaw`` is the gaze in degrees; down and to the person's right are
      positive.
    - The head is not sent, since VRChat turns it by itself.
    - A parameter is not sent if the network sees none of the shapes that it is made of; if it saw
      one before, they are at rest.
    """

    PROTOCOL = "VRChat"
    PORT = 9000

    def _prepare(self) -> None:
        self._osc = Osc()
        super()._prepare()

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> None:
        """Send one frame; parameters are those of `Stream.send`. Time and head are not sent."""
        del time_s
        shapes, _, eyes = self._retargeted(blendshapes, quaternion_wxyz)
        values = {address: [value] for address, value in messages(shapes).items()}
        if eyes is not None:
            (right_pitch, right_yaw), (left_pitch, left_yaw) = eyes.tolist()
            values[EYES_ADDRESS] = [left_pitch, -left_yaw, right_pitch, -right_yaw]
        for address, numbers in values.items():
            self._socket.send(self._osc.message(address, *numbers).dgram)


def messages(shapes: dict[str, float]) -> dict[str, float]:
    """Make VRChat's values in [-1, 1], by OSC address, of ARKit's shapes in [0, 1], by name."""
    found = {
        PREFIX + name: min(1.0, max(-1.0, sum(w * shapes.get(s, 0.0) for s, w in weights.items())))
        for name, weights in PARAMETERS.items()
        if weights.keys() & shapes.keys()
    }
    blinks = [shapes[name] for name in LIDS if name in shapes]
    for side in ("Left", "Right"):
        if f"eyeBlink{side}" in shapes:
            wide = shapes.get(f"eyeWide{side}", 0.0)
            opened = OPEN_LID * (1 - shapes[f"eyeBlink{side}"])
            found[f"{PREFIX}EyeLid{side}"] = min(1.0, opened + (1 - OPEN_LID) * wide)
    if blinks:
        found["/tracking/eye/EyesClosedAmount"] = sum(blinks) / len(blinks)
    return found
