"""Which single faces are drawn more often: rare expressions, and the packs that teach most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeface.reference.data.packs import FREE, HUMAN_PACK
from edgeface.reference.data.targets import Targets
from edgeface.reference.geometry.lids import BLINK_NAMES
from edgeface.types import FloatArray

RARE = (*BLINK_NAMES, "jawOpen")
SHOWN = 0.5
"""The least coefficient by which an eye counts as shut, or a mouth as wide open."""
OFTEN = 4.0
"""How many times more often such a face is drawn than another."""


OFTEN_FROM = {HUMAN_PACK: 2.5, **dict.fromkeys(FREE.faces, 2.5)}
"""How many times more often a pack's faces are drawn than others: people placed the points of the
one, and the others are the only photos among rendered faces."""


def draw_shares(targets: Targets, names: tuple[str, ...], pack: NDArray[np.str_]) -> FloatArray:
    """The probability of drawing each of N faces, (N,), summing to 1.

    Parameters
    ----------
    targets : of the faces
    names : of their expressions; none is rare in a face model that does not have the names
    pack : (N,), the name of the pack that each face is from
    """
    columns = [names.index(name) for name in RARE if name in names]
    rare = (targets.expression[:, columns] > SHOWN).any(axis=1)
    weights = np.where(rare, OFTEN, 1.0)
    weights = weights * [OFTEN_FROM.get(name, 1.0) for name in pack.tolist()]
    return weights / weights.sum()
