"""The last layers of a network's branches, and a network in which they are others."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from edgeface.reference.networks.checkpoint import TrainedNetwork

Change = tuple[Tensor, Tensor]
"""What is added to a linear map (outputs, units) and to its bias (outputs,)."""


def last_layer(network: nn.Module, branch: str) -> nn.Module:
    """The layer from the hidden units of a branch, by its name in the network, to its outputs."""
    return list(network.get_submodule(branch).children())[-1]


@contextmanager
def hidden_units(network: nn.Module, branches: Sequence[str]) -> Generator[dict[str, Tensor]]:
    """Keep what the last layers of branches were given, by branch, each time the network runs."""
    units: dict[str, Tensor] = {}

    def keep(branch: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            units[branch] = given[0].detach()

        return last_layer(network, branch).register_forward_pre_hook(hook)

    handles = [keep(branch) for branch in branches]
    try:
        yield units
    finally:
        for handle in handles:
            handle.remove()


def with_changes(trained: TrainedNetwork, changes: Mapping[str, Change]) -> TrainedNetwork:
    """The network with changes added to the last layers of branches, to all anchors alike."""
    network = copy.deepcopy(trained.network)
    with torch.no_grad():
        for branch, (weight, bias) in changes.items():
            last = last_layer(network, branch)
            last.get_parameter("weight").view(-1, *weight.shape).add_(weight)
            last.get_parameter("bias").view(-1, len(bias)).add_(bias)
    return replace(trained, network=network)
