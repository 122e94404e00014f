"""A network whose `eyeBlink` is stretched."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from edgeface.errors import InvalidInputError
from edgeface.face_shapes import NUM_EXPRESSIONS
from edgeface.reference.geometry.lids import BLINKS
from edgeface.reference.networks.checkpoint import TrainedNetwork


def with_blinks(trained: TrainedNetwork, gain: float, offset: float) -> TrainedNetwork:
    """An SFN or MFN whose logits of both `eyeBlink` are ``gain * logit + offset``.

    That is folded into the last layer of the expressions; nothing else of the network changes.

    Raises
    ------
    InvalidInputError
        If the network is neither.
    """
    branch = getattr(trained.network, "expression_branch", None)
    if branch is None:
        raise InvalidInputError(f"eyes are shut in an sfn or mfn, not in a {trained.config.kind}")
    network = copy.deepcopy(trained.network)
    last = list(network.get_submodule(branch).children())[-1]
    weight, bias = (
        last.get_parameter(name).unflatten(0, (-1, NUM_EXPRESSIONS)) for name in ("weight", "bias")
    )
    with torch.no_grad():
        for values in (weight, bias):
            values[:, BLINKS] *= gain
        bias[:, BLINKS] += offset
    return replace(trained, network=network)
