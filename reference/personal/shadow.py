"""Shadows with an edge, which nine harmonics cannot draw: a coarse map of a frame's light in UV."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from edgeface.reference.personal.person import SKIN_MAP
from edgeface.reference.personal.skin import shading_of

SHADOW_MAP = 8
"""Side of the map of a frame's shadow, texels."""
SHADOW_RIDGE = 0.1
"""Pulls an estimated shadow to none, of the mean weight of a texel of its map."""
LEAST_SHADOW = 0.15
"""Root mean square of a shadow's logarithms under which a frame is taken to have none. What shapes
and skin do not explain yet looks like 0.05 to 0.14 in frames of ordinary light."""
LEAST_COLOUR = 0.02


def estimate_shadow(
    colour: Tensor, albedo: Tensor, normal: Tensor, weight: Tensor, light: Tensor
) -> Tensor:
    """What a light leaves to a shadow, as logarithms (B, 1, S, S), in the least squares' sense.

    Parameters are those of `skin.estimate_light`, and the light (B, 9, 3) that it found. Frames
    that need less than `LEAST_SHADOW` have none: zeros.
    """
    shown = albedo * shading_of(normal, light).clamp(min=LEAST_COLOUR)
    level, drawn = (c.mean(-1).clamp(min=LEAST_COLOUR) for c in (colour, shown))
    # a difference of logarithms is one of colours by the colour's square
    certain = (weight * drawn.square()).flatten(1)
    num_texels = SHADOW_MAP**2
    single = torch.eye(num_texels).reshape(-1, 1, SHADOW_MAP, SHADOW_MAP)
    basis = _enlarged(single)[:, 0].flatten(1).T
    weighted = (certain[..., None] * basis).transpose(1, 2)
    ridge = SHADOW_RIDGE * certain.sum(1) / num_texels + 1e-6
    normal_matrix = weighted @ basis + ridge[:, None, None] * torch.eye(num_texels)
    right = weighted @ torch.log(level / drawn).flatten(1)[..., None]
    shadow = torch.linalg.solve(normal_matrix, right).reshape(-1, 1, SHADOW_MAP, SHADOW_MAP)
    size = shadow.square().mean((1, 2, 3), keepdim=True).sqrt()
    return torch.where(size > LEAST_SHADOW, shadow, 0.0)


def shadow_factor(shadow: Tensor) -> Tensor:
    """What shadows (B, 1, S, S) multiply the light by, at the size of the skin: (B, 1, R, R)."""
    return _enlarged(shadow).exp()


def _enlarged(shadow: Tensor) -> Tensor:
    size = (SKIN_MAP, SKIN_MAP)
    return interpolate(shadow, size=size, mode="bilinear", align_corners=False)
