"""How the expressions of a VRM act on each other before they move morph targets."""

from __future__ import annotations

import numpy as np

from edgeface.retarget.character import OVERRIDDEN, Character
from edgeface.types import FloatArray

HALF = 0.5
"""Where a shape that is either 0 or 1 becomes 1, as in VRM 1.0."""


def acting_values(character: Character, frames: list[dict[str, float]]) -> dict[str, FloatArray]:
    """The values (T,) of a character's shapes in T frames, of those that are in any.

    Binary ones are 0 or 1. What an expression overrides is held back by its value, also where the
    file says "block": that is meant for expressions that are switched, and a trace of a smile would
    hold the lids open.
    """
    names = sorted(set[str]().union(*frames) & character.shapes.keys())
    values = {name: np.array([frame.get(name, 0.0) for frame in frames]) for name in names}
    for name in character.binary & values.keys():
        values[name] = (values[name] > HALF).astype(float)
    left = {
        key: np.clip(1 - sum(values[name] for name in sorted(overriding & values.keys())), 0, 1)
        for key, overriding in character.overriding.items()
    }
    for key, share in left.items():
        for name in values.keys() & set(OVERRIDDEN[key]):
            values[name] = values[name] * share
    return values
