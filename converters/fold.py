"""Batch norms folded into the convolutions before them, once for all formats.

Exporters fold as well, each in its own arithmetic. Folded here, the files of all formats hold the
same numbers, which `edgeface.converters.pack` makes use of, and the graphs that exporters trace are
smaller.
"""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import torch
from torch import nn

from edgeface.reference.networks.checkpoint import TrainedNetwork


def folded(trained: TrainedNetwork) -> TrainedNetwork:
    """The same function without batch norms.

    Notes
    -----
    A batch norm in evaluation is ``gamma (y - mean) / sqrt(var + eps) + beta`` of each channel,
    which a factor in the convolution's weights and a bias do as well. Computed in float64.
    """
    network = copy.deepcopy(trained.network)
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for (name, layer), (after, norm) in pairwise(list(module.named_children())):
                if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(module, name, _with_norm(layer, norm))
                    setattr(module, after, nn.Identity())
    return replace(trained, network=network.eval())


def _with_norm(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    bias = 0.0 if layer.bias is None else layer.bias.double()
    whole = copy.deepcopy(layer)
    with torch.no_grad():
        weight = layer.weight.double() * scale.reshape(-1, 1, 1, 1)
        shift = (bias - norm.running_mean.double()) * scale + norm.bias.double()
        whole.weight = nn.Parameter(weight.float())
        whole.bias = nn.Parameter(shift.float())
    return whole
