"""A network between two trainings of it."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from dataclasses import replace

from edgeface.errors import InvalidInputError
from edgeface.reference.networks.cells import with_cell_range
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.rebase import on_face_model


def average(first: TrainedNetwork, second: TrainedNetwork, share: float) -> TrainedNetwork:
    """Average the weights of a network and of what further training made of it.

    ``w = (1 - share) * w_first + share * w_second``, on the face model of the second. Such a mean
    keeps much of what the first did better and of what the second has learned, as long as one
    training went on from the other.

    Parameters
    ----------
    share : of the second, in [0, 1]

    Raises
    ------
    InvalidInputError
        If the networks differ in their layers, their face models' meshes differ, the second is of a
        free run and the first is not, or ``share`` is out of range.
    """
    if not 0 <= share <= 1:
        raise InvalidInputError(f"the share of the second must be in [0, 1], got {share}")
    first = with_cell_range(first, second.config.cell_range)
    if first.config != second.config:
        raise InvalidInputError(
            f"only trainings of one network can be averaged: {first.config.kind} and "
            f"{second.config.kind} have other layers"
        )
    if second.is_free and not first.is_free:
        raise InvalidInputError(
            "the second was learned in a free run and the first was not: their mean would be free "
            "by its recipe alone"
        )
    old = on_face_model(first, second.face_model).network.state_dict()
    network = copy.deepcopy(second.network)
    new = network.state_dict()
    network.load_state_dict(
        {
            name: old[name].lerp(weight, share) if weight.is_floating_point() else weight
            for name, weight in new.items()
        }
    )
    return replace(second, network=network)
