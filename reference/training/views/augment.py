"""Colour augmentation of uint8 batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def jitter(images: Tensor) -> Tensor:
    """Random brightness, contrast, saturation, tint, greyness, blur and noise, an image each.

    Parameters
    ----------
    images : uint8 (B, H, W, 3)

    Returns
    -------
    uint8 (B, H, W, 3)
    """
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *(shape or (1, 1, 1))) * (high - low) + low

    x = images.float() / 255.0
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * uniform(0.65, 1.35) + mean * uniform(0.6, 1.4)
    grey = x.mean(dim=3, keepdim=True)
    saturation = torch.where(uniform(0, 1) < 0.12, torch.zeros(1), uniform(0.5, 1.5))
    x = grey + (x - grey) * saturation
    x = x * uniform(0.88, 1.12, 1, 1, 3)
    x = torch.where(uniform(0, 1) < 0.2, _blurred(x), x)
    x = x + torch.randn_like(x) * (uniform(-0.05, 0.04).clamp(min=0))
    return (x * 255.0).round().clamp(0, 255).byte()


def _blurred(x: Tensor) -> Tensor:
    """Half-resolution copies: what small or badly compressed faces look like."""
    small = nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), 2)
    size = [x.shape[1], x.shape[2]]
    return nn.functional.interpolate(small, size=size, mode="bilinear").permute(0, 2, 3, 1)
