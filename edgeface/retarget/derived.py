"""Shapes that no network has learned, guessed from those that usually go with them.

The teacher of the shipped networks never shows six of ARKit's shapes: cheekPuff, jawForward, and
both sides of cheekSquint and noseSneer. It does not know tongueOut either. In most faces, four of
these go with shapes that are seen, and can be made of them::

    cheekSquint = sqrt(mouthSmile eyeSquint)     a smile that narrows the eyes lifts the cheeks
    noseSneer   = sqrt(mouthUpperUp browDown)    a raised lip under lowered brows wrinkles the nose

for the left and the right side separately. The mean is geometric, so one of the two alone makes
nothing. These are rules, not measurements: what truly moved is not known.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.retarget.seen import seen_shapes

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
    """Add the shapes of `RULES` that are missing and can be made.

    Parameters
    ----------
    blendshapes : values in [0, 1] by ARKit's names; those that are not seen are absent or NaN

    Returns
    -------
    The same shapes with those that were made; shapes that were seen keep their values.

    Raises
    ------
    InvalidInputError
        If they are no numbers by name.

    Examples
    --------
    >>> derive({"mouthSmileLeft": 0.9, "eyeSquintLeft": 0.4})["cheekSquintLeft"]
    0.6
    """
    made: dict[str, float] = {}
    seen = seen_shapes(blendshapes)
    for name, (first, second) in RULES.items():
        product = seen.get(first, math.nan) * seen.get(second, math.nan)
        if name not in seen and product >= 0:
            made[name] = round(math.sqrt(product), 6)
    return blendshapes | made


def origins(seen: Collection[str], *, derived: bool) -> dict[str, Origin]:
    """Tell where each of ARKit's 52 shapes comes from.

    Parameters
    ----------
    seen : the names of the shapes that a network sees
    derived : whether `derive` adds others

    Returns
    -------
    dict
        "estimated", "derived" or "absent" for each of ARKit's 52 names.
    """
    made = derive(dict.fromkeys(seen, 0.0)) if derived else {}
    return {
        name: "estimated" if name in seen else "derived" if name in made else "absent"
        for name in ARKIT_NAMES
    }
