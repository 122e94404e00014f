"""Light as spherical harmonics of the second order, nine coefficients a colour."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math

import torch
from torch import Tensor

NUM_BASIS = 9

# Ramamoorthi and Hanrahan 2001: the basis' constants, and the Lambertian kernel of each order
_Y0 = 0.5 / math.sqrt(math.pi)
_Y1 = math.sqrt(3 / (4 * math.pi))
_Y2 = 0.5 * math.sqrt(15 / math.pi)
_KERNEL = (math.pi, 2 * math.pi / 3, math.pi / 4)


def harmonic_basis(normals: Tensor) -> Tensor:
    """The nine irradiance harmonics of unit normals (..., 3), shape (..., 9).

    ``(1, y, z, x, xy, yz, 3z^2 - 1, xz, x^2 - y^2)`` with the real spherical harmonics' constants
    times the Lambertian kernel of their order, so that coefficients are those of the light itself.
    """
    x, y, z = normals.unbind(-1)
    second = _KERNEL[2] * _Y2
    return torch.stack(
        [
            torch.full_like(x, _KERNEL[0] * _Y0),
            _KERNEL[1] * _Y1 * y,
            _KERNEL[1] * _Y1 * z,
            _KERNEL[1] * _Y1 * x,
            second * x * y,
            second * y * z,
            second / math.sqrt(12) * (3 * z * z - 1),
            second * x * z,
            second / 2 * (x * x - y * y),
        ],
        dim=-1,
    )


def shade(normals: Tensor, light: Tensor) -> Tensor:
    """Irradiance at unit normals, over pi.

    Parameters
    ----------
    normals : float, shape (B, ..., 3); light : float, shape (B, 9, 3), a column a colour

    Returns
    -------
    float, shape (B, ..., 3); what an albedo of 1 shows (2020, Sec. 3.3, and Tewari et al. 2019)
    """
    basis = harmonic_basis(normals).flatten(1, -2)
    return (basis @ light / math.pi).reshape(normals.shape)


def ambient_light(num_images: int, level: float = 1.0) -> Tensor:
    """Coefficients (B, 9, 3) of a white light that comes from everywhere alike."""
    light = torch.zeros(num_images, NUM_BASIS, 3)
    light[:, 0] = level / _Y0
    return light
