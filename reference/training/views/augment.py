"""Colour augmentation of uint8 batches, on the device where they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edgeface.reference.training.views.plan import BLURRED

SHADED = 0.25
"""The share of images that lie partly in shadow."""


def jitter(images: Tensor) -> Tensor:
    """Change brightness, contrast, saturation, tint, greyness, shadow and noise of each image.

    Parameters
    ----------
    images : uint8 (B, H, W, 3)

    Returns
    -------
    uint8 (B, H, W, 3)

    Notes
    -----
    All is random. What is neither shadow nor noise is one affine map of an image's colours:
    ``tint (saturation I + (1 - saturation) J / 3) (contrast (x - m) + brightness m)``, where ``m``
    is the image's mean and ``J`` is all ones.
    """
    count, device = len(images), images.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *(shape or (1, 1)), device=device) * (high - low) + low

    x = images.reshape(count, -1, 3).float()
    mean = x.mean(dim=(1, 2), keepdim=True)
    contrast, brightness = uniform(0.65, 1.35), uniform(0.6, 1.4)
    saturation = torch.where(uniform(0, 1) < 0.12, 0.0, uniform(0.5, 1.5))
    tint = uniform(0.88, 1.12, 1, 3)
    # colours are rows: x @ colour
    colour = (saturation * torch.eye(3, device=device) + (1 - saturation) / 3) * tint
    x = torch.baddbmm(mean * (brightness - contrast) * tint, x, contrast * colour)
    x *= shades(count, images.shape[1], images.shape[2], device).reshape(count, -1, 1)
    noise = 255 * uniform(-0.05, 0.04).clamp(min=0)
    x = torch.addcmul(x, torch.randn_like(x), noise)
    return x.round_().clamp_(0, 255).byte().reshape(images.shape)


def shades(count: int, height: int, width: int, device: torch.device) -> Tensor:
    """How bright each pixel of images is left, (B, H, W) in [0, 1], by shadows with straight edges.

    An edge lies anywhere in an image, at any angle, and is between sharp and half an image wide.
    Images beyond the share `SHADED` have no shadow.
    """

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, device=device) * (high - low) + low

    angle, width_of_edge = uniform(0, 2 * math.pi), uniform(0.02, 1.0)
    depth = torch.where(uniform(0, 1) < SHADED, uniform(0.2, 0.85), 0.0)
    down = torch.linspace(-1, 1, height, device=device)[None, :, None]
    across = torch.linspace(-1, 1, width, device=device)[None, None, :]
    beyond = across * angle.cos() + down * angle.sin() - uniform(-0.6, 0.6)
    return 1 - depth * (beyond / width_of_edge + 0.5).clamp(0, 1)


def blur(images: Tensor) -> Tensor:
    """Halve the resolution of some of the images uint8 (B, H, W, 3), on the CPU."""
    chosen = torch.rand(len(images)) < BLURRED
    small = nn.functional.avg_pool2d(images[chosen].permute(0, 3, 1, 2).float(), 2)
    size = [images.shape[1], images.shape[2]]
    blurred = nn.functional.interpolate(small, size=size, mode="bilinear").round().byte()
    images = images.clone()
    images[chosen] = blurred.permute(0, 2, 3, 1)
    return images
