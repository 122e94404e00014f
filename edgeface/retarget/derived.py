"""Guessing shapes that no network has been taught from those that go with them.

The teacher of the shipped networks never shows these six: cheekPuff, cheekSquint, jawForward and
noseSneer; nobody taught the tongue. Of them four go, in most faces, with others that are seen, and
are made of them where that is asked for::

    cheekSquint = sqrt(mouthSmile eyeSquint)     a smile that narrows the eyes lifts the cheeks
    noseSneer   = sqrt(mouthUpperUp browDown)    a raised lip under lowered brows wrinkles the nose

side by side. The mean is geometric, so that either alone makes none. They are rules, not
measurements: what truly moved is not known.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal

from edgeface.blendshapes import ARKIT_NAMES

Origin = Literal["estimated", "derived", "absent"]

RULES: dict[str, tuple[str, str]] = {
    f"{name}{side}": (f"{first}{side}", f"{second}{side}")
    for name, first, second in (
        ("cheekSquint", "mouthSmile", "eyeSquint"),
        ("noseSneer", "mouthUpperUp", "browDown"),
    )
    for side in ("Left", "Right")
}
"""For each derived shape, the two whose geometric mean it is."""


def derive(blendshapes: dict[str, float]) -> dict[str, float]:
    """Add those of `RULES` to shapes by ARKit's names that are absent or NaN and can be made.

    Examples
    --------
    >>> derive({"mouthSmileLeft": 0.9, "eyeSquintLeft": 0.4})["cheekSquintLeft"]
    0.6
    """
    made: dict[str, float] = {}
    for name, (first, second) in RULES.items():
        product = blendshapes.get(first, math.nan) * blendshapes.get(second, math.nan)
        if not math.isfinite(blendshapes.get(name, math.nan)) and product >= 0:
            made[name] = round(math.sqrt(product), 6)
    return blendshapes | made


def origins(seen: Collection[str], *, derived: bool) -> dict[str, Origin]:
    """Tell where each of ARKit's 52 shapes comes from, if a network sees some of them."""
    made = derive(dict.fromkeys(seen, 0.0)) if derived else {}
    return {
        name: "estimated" if name in seen else "derived" if name in made else "absent"
        for name in ARKIT_NAMES
    }
