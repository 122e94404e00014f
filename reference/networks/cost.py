"""Parameters and multiply-adds of a network."""

from __future__ import annotations

import torch
from torch import nn

from edgeface.reference.networks import build_network
from edgeface.reference.networks.config import NetworkConfig


def count(config: NetworkConfig) -> tuple[int, int]:
    """Count parameters, and the multiply-adds of convolutions and linear layers for one image."""
    network = build_network(config).eval()
    total = 0

    def add(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        places = output.numel() // output.shape[1]  # every output channel at every place
        total += weight.numel() * places

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(add)
    with torch.inference_mode():
        network(torch.zeros(1, config.input_size, config.input_size, 3, dtype=torch.uint8))
    return sum(p.numel() for p in network.parameters()), total
