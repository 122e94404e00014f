"""Checking the shapes of a frame, and leaving out those that nobody has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgeface.errors import InvalidInputError
from edgeface.values import shown


def seen_shapes(blendshapes: Mapping[str, float]) -> dict[str, float]:
    """The shapes that are seen: those whose value is finite.

    Raises
    ------
    InvalidInputError
        If they are no numbers by name.
    """
    given: Any = blendshapes
    try:
        return {name: value for name, value in given.items() if math.isfinite(value)}
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"blendshapes must be numbers by name, got {shown(blendshapes)}"
        ) from error
