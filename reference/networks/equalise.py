"""Making the channels of a network alike in range, which int8 needs and float does not notice.

An int8 tensor has one scale: where channels differ a hundredfold, the small ones are lost. Since
``relu(x / s) s = relu(x)``, the layer that makes a channel can be divided by s and those that read
it multiplied by s, and nothing else changes (Nagel et al. 2019, Sec. 4.1). The ranges are those of
real activations.
"""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.types import ImageArray

SMALLEST = 0.01
"""The least range that a channel counts as; so those that hardly ever fire are not blown up."""
SHARED = 0.5
"""The power of its range that a channel is divided by where the layer that reads it mixes channels.
More would only move the differences into that layer's weights, which share one scale. A depthwise
convolution has a scale for each channel, and takes the whole range."""
BATCH = 32


def equalised(trained: TrainedNetwork, images: ImageArray) -> TrainedNetwork:
    """The same function of an image by weights whose channels are alike in range.

    Parameters
    ----------
    images : uint8, shape (N, S, S, 3), the network's inputs of real photos

    Notes
    -----
    The ``joints`` of the blocks say which layers make a channel and which read it.
    """
    network: Any = copy.deepcopy(trained.network)
    joints = [
        joint for module in network.modules() if hasattr(module, "joints")
        for joint in module.joints()
    ]  # fmt: skip
    ranges = _ranges(network, [maker for maker, _ in joints], images)
    with torch.no_grad():
        for (maker, readers), reach in zip(joints, ranges, strict=True):
            depthwise = all(getattr(r, "groups", 1) > 1 for r in readers)
            scale = (reach / reach.max()).clamp(min=SMALLEST) ** (1.0 if depthwise else SHARED)
            maker.weight.div_(_along(scale, maker.weight, 0))
            maker.bias.div_(scale)
            for reader in readers:
                reader.weight.mul_(_along(scale, reader.weight, 0 if depthwise else 1))
    return replace(trained, network=network)


def _ranges(network: nn.Module, makers: list[nn.Module], images: ImageArray) -> list[Tensor]:
    """The largest absolute value of each channel that each layer makes, over all images."""
    largest: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, _: Any, output: Tensor) -> None:
        found = output.abs().transpose(0, 1).flatten(1).amax(dim=1)
        largest[layer] = torch.maximum(largest.get(layer, found), found)

    hooks = [maker.register_forward_hook(note) for maker in makers]
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            network(torch.from_numpy(images[start : start + BATCH]))
    for hook in hooks:
        hook.remove()
    return [largest[maker].clone() for maker in makers]


def _along(scale: Tensor, weight: Tensor, axis: int) -> Tensor:
    """The scale (C,) in a shape that multiplies an axis of a weight."""
    return scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
