"""Colour augmentation of uint8 batches, on the device where they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.reference.training.views.plan import BLURRED


def jitter(images: Tensor) -> Tensor:
    """Change brightness, contrast, saturation, tint, greyness and noise of each image at random.

    Parameters
    ----------
    images : uint8 (B, H, W, 3)

    Returns
    -------
    uint8 (B, H, W, 3)

    Notes
    -----
    All but the noise is one affine map of an image's colours, so that a batch is passed over once:
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
    noise = 255 * uniform(-0.05, 0.04).clamp(min=0)
    x = torch.addcmul(x, torch.randn_like(x), noise)
    return x.round_().clamp_(0, 255).byte().reshape(images.shape)


def blur(images: Tensor) -> Tensor:
    """Halve the resolution of some of the images uint8 (B, H, W, 3), on the CPU."""
    chosen = torch.rand(len(images)) < BLURRED
    small = nn.functional.avg_pool2d(images[chosen].permute(0, 3, 1, 2).float(), 2)
    size = [images.shape[1], images.shape[2]]
    blurred = nn.functional.interpolate(small, size=size, mode="bilinear").round().byte()
    images = images.clone()
    images[chosen] = blurred.permute(0, 2, 3, 1)
    return images
