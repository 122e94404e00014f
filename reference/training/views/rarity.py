"""Drawing faces with shut eyes or wide open mouths more often, since they are rare."""

from __future__ import annotations

import numpy as np

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.data.targets import Targets
from edgeface.reference.geometry.lids import BLINKS
from edgeface.types import FloatArray

JAW = EXPRESSION_NAMES.index("jawOpen")
SHOWN = 0.5
"""The least coefficient by which an eye counts as shut, or a mouth as wide open."""
OFTEN = 4.0
"""How many times more often such a face is drawn than another."""


def draw_shares(targets: Targets) -> FloatArray:
    """The probability of drawing each of N faces, (N,), summing to 1."""
    blink = targets.expression[:, list(BLINKS)].max(axis=1)
    rare = (blink > SHOWN) | (targets.expression[:, JAW] > SHOWN)
    weights = np.where(rare, OFTEN, 1.0)
    return weights / weights.sum()
