"""A network whose `eyeBlink` is stretched."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from edgeface.errors import InvalidInputError
from edgeface.face_shapes import NUM_EXPRESSIONS
from edgeface.reference.geometry.lids import BLINK_NAMES
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.last_layers import last_layer


def with_blinks(trained: TrainedNetwork, gain: float, offset: float) -> TrainedNetwork:
    """An SFN or MFN whose logits of both `eyeBlink` are ``gain * logit + offset``.

    That is folded into the last layer of the expressions; nothing else of the network changes.

    Raises
    ------
    InvalidInputError
        If the network is neither, or its face model has no such expressions.
    """
    branch = getattr(trained.network, "expression_branch", None)
    if branch is None:
        raise InvalidInputError(f"eyes are shut in an sfn or mfn, not in a {trained.config.kind}")
    names = trained.face_model.expression_names
    columns = [names.index(name) for name in BLINK_NAMES if name in names]
    if len(columns) < len(BLINK_NAMES):
        raise InvalidInputError(f"the network's face model lacks {' or '.join(BLINK_NAMES)}")
    network = copy.deepcopy(trained.network)
    last = last_layer(network, branch)
    with torch.no_grad():
        for values in (last.get_parameter("weight"), last.get_parameter("bias")):
            values.unflatten(0, (-1, NUM_EXPRESSIONS))[:, columns] *= gain
        last.get_parameter("bias").unflatten(0, (-1, NUM_EXPRESSIONS))[:, columns] += offset
    return replace(trained, network=network)
