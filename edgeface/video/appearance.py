"""How a face looks: brightness at the points of its mesh, wherever and however large it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LUMA = np.array([77, 150, 29], np.int32)
"""Of red, green and blue, in parts of 256 (ITU-R BT.601)."""
SPREAD = 1 / 60
"""How far, in face sizes, the four samples lie around a point whose mean is its brightness."""
LEAST_CONTRAST = 2.0
"""Standard deviation, in grey levels, below which there is nothing to recognise."""


def appearance(pixels: Array, points: Array) -> NDArray[np.float32]:
    """The look of faces, which does not change with light that is the same everywhere.

    Parameters
    ----------
    pixels : uint8, shape (H, W, 3)
    points : float, shape (N, V, 2 or more), image_px, of dense meshes

    Returns
    -------
    float32, shape (N, V)
        Zero mean, unit length; zeros where nothing but one shade is there. The product of two is
        their correlation.
    """
    height, width = pixels.shape[:2]
    looks = np.zeros(points.shape[:2], np.float32)
    for look, mesh in zip(looks, points[..., :2], strict=True):
        spread = SPREAD * np.sqrt(np.ptp(mesh, axis=0).prod())
        total = 0
        for offset in ((-spread, -spread), (spread, -spread), (-spread, spread), (spread, spread)):
            x, y = (mesh + offset).astype(np.int64).T
            total = total + pixels[y.clip(0, height - 1), x.clip(0, width - 1)] @ LUMA
        shade = np.asarray(total, np.float64) / 1024
        shade -= shade.mean()
        length = np.linalg.norm(shade)
        if length >= LEAST_CONTRAST * np.sqrt(len(shade)):
            look[:] = shade / length
    return looks
