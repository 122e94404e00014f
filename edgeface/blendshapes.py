"""Telling expression coefficients by the names that ARKit has for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from edgeface.gaze import LOOKS, eye_looks
from edgeface.types import Float32Array, FloatArray

ARKIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight",
    "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight", "jawForward",
    "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight",
    "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft",
    "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft",
    "noseSneerRight", "tongueOut",
)  # fmt: skip
"""ARKit's 52 names, in the order of Apple's Live Link Face."""

# Coefficients that ARKit names otherwise. Both of a pair come from one coefficient, or one name
# from the mean of two.
SPLIT = {
    "eyeLookUp": ("eyeLookUpLeft", "eyeLookUpRight"),
    "eyeLookDown": ("eyeLookDownLeft", "eyeLookDownRight"),
}
MERGED = {"browInnerUp": ("browInnerUpLeft", "browInnerUpRight")}


def blendshapes(
    names: Sequence[str],
    coefficients: FloatArray,
    unseen: Collection[str],
    gaze_deg: FloatArray | None = None,
) -> dict[str, float]:
    """Tell coefficients (46,) by ARKit's names, sorted; those that are unseen are left out.

    Where the gaze (2, 2) is known, it tells the eight ``eyeLook`` names (`edgeface.gaze`).
    """
    named = {
        name: float(value)
        for name, value in zip(names, coefficients, strict=True)
        if name not in unseen
    }
    for merged, parts in MERGED.items():
        if all(part in named for part in parts):
            named[merged] = sum(named.pop(part) for part in parts) / len(parts)
    for single, parts in SPLIT.items():
        if single in named:
            value = named.pop(single)
            named |= dict.fromkeys(parts, value)
    if gaze_deg is not None:
        looks = zip(LOOKS, eye_looks(gaze_deg[None])[0].tolist(), strict=True)
        named |= {name: value for name, value in looks if value == value}
    return dict(sorted(named.items()))


def arkit_coefficients(
    names: Sequence[str],
    coefficients: FloatArray,
    unseen: Collection[str],
    gaze_deg: FloatArray | None = None,
) -> Float32Array:
    """Put coefficients (N, 46) in the order of `ARKIT_NAMES` (N, 52); NaN if a name is unseen.

    Where the gaze (N, 2, 2) is known, it tells the eight ``eyeLook`` names (`edgeface.gaze`).
    """
    named = dict(zip(names, np.asarray(coefficients, np.float32).T, strict=True))
    for name in unseen:
        named.pop(name, None)
    for merged, parts in MERGED.items():
        if all(part in named for part in parts):
            named[merged] = np.mean([named[part] for part in parts], axis=0)
    for single, parts in SPLIT.items():
        if single in named:
            named |= dict.fromkeys(parts, named[single])
    nothing = np.full(len(coefficients), np.nan, np.float32)
    if gaze_deg is not None:
        for name, look in zip(LOOKS, eye_looks(gaze_deg).T, strict=True):
            named[name] = np.where(np.isfinite(look), look, named.get(name, nothing))
    return np.stack([named.get(name, nothing) for name in ARKIT_NAMES], axis=1)


def mirrored_name(name: str) -> str:
    """The name of the same shape on the other side, or itself if there is none.

    Examples
    --------
    >>> mirrored_name("mouthSmileLeft"), mirrored_name("jawOpen"), mirrored_name("mouthLeft")
    ('mouthSmileRight', 'jawOpen', 'mouthRight')
    """
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name
