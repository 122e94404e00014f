"""An MFN on another range of its cells."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from edgeface.reference.networks.checkpoint import TrainedNetwork


def with_cell_range(trained: TrainedNetwork, cell_range: float) -> TrainedNetwork:
    """An MFN whose weights were learned with another ``cell_range``, to train on from.

    t_xy is multiplied by the ratio of the ranges. So boxes are placed as before near the middle of
    a cell, where ``s sigmoid(t)`` has the slope s / 4, and a little nearer to it elsewhere. Of
    other networks, and of the same range, the network itself is returned.
    """
    config = trained.config
    if not config.network_kind.detects or config.cell_range == cell_range:
        return trained
    network = copy.deepcopy(trained.network)
    last = list(network.get_submodule("heads.0").children())[-1]
    with torch.no_grad():
        for values in (last.get_parameter("weight"), last.get_parameter("bias")):
            values.unflatten(0, (-1, 5))[:, :2] *= config.cell_range / cell_range
    return replace(trained, network=network, config=replace(config, cell_range=cell_range))
