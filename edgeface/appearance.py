"""The look of a face: its brightness at certain points, wherever and however large it is."""

from __future__ import annotations

import numpy as np

from edgeface.types import Float32Array, Float64Array, FloatArray, ImageArray

LUMA = np.array([77, 150, 29], np.int32)
"""The weights of red, green and blue, in parts of 256 (ITU-R BT.601)."""
SPREAD = 1 / 60
"""How far from a point, in face sizes, the four samples lie that are averaged for it."""
LEAST_CONTRAST = 2.0
"""The standard deviation, in grey levels, below which there is nothing to recognise."""
JAW, NOSE_TIP, INNER = slice(0, 17), 30, slice(17, 68)
"""Landmarks of Multi-PIE's order."""
NUM_POINTS = 85
PARTS = (slice(10), slice(10, 14), slice(19, 31), slice(31, 51),
         [53, 54, 55, 56, 62, 63, 64, 65], [70, 71, 72, 73, 79, 80, 81, 82])  # fmt: skip
"""The points of a look on brows, nose, eyes, mouth, and cheeks by the jaw and by the nose."""
THIRDS = np.array([1 / 3, 2 / 3], np.float32)[:, None, None]


def appearance(pixels: ImageArray, landmarks: FloatArray) -> Float32Array:
    """Compute the look of faces, which does not change with light that is the same everywhere.

    Parameters
    ----------
    pixels : uint8, shape (H, W, 3)
    landmarks : float, shape (N, 68, 2), image_px

    Returns
    -------
    float32, shape (N, 85)
        The brightness at the inner landmarks, and at the cheeks between the jaw and the tip of the
        nose, with zero mean and unit length, so that the product of two looks is their correlation.
        A face of one shade has zeros.
    """
    height, width = pixels.shape[:2]
    points = [_points(face) for face in landmarks]
    looks = np.zeros((len(points), NUM_POINTS), np.float32)
    for look, places in zip(looks, points, strict=True):
        spread = SPREAD * np.sqrt(np.ptp(places, axis=0).prod())
        total = 0
        for offset in ((-spread, -spread), (spread, -spread), (-spread, spread), (spread, spread)):
            x, y = (places + offset).astype(np.int64).T
            total = total + pixels[y.clip(0, height - 1), x.clip(0, width - 1)] @ LUMA
        shade = np.asarray(total, np.float64) / 1024
        shade -= shade.mean()
        length = np.linalg.norm(shade)
        if length >= LEAST_CONTRAST * np.sqrt(len(shade)):
            look[:] = shade / length
    return looks


def _points(face: FloatArray) -> FloatArray:
    jaw, tip = face[JAW], face[NOSE_TIP]
    cheeks = (jaw + THIRDS * (tip - jaw)).reshape(-1, 2)
    return np.concatenate([face[INNER], cheeks])


def contrast(looks: Float32Array) -> Float64Array:
    """How much brighter cheeks and nose are than eyes, brows and mouth, as of most upright faces.

    Parameters
    ----------
    looks : float32, shape (N, 85), what `appearance` returned

    Returns
    -------
    float64, shape (N,), in standard deviations of the face's brightness
    """
    looks = looks.astype(np.float64) * np.sqrt(NUM_POINTS)
    brows, nose, eyes, mouth, outer, inner = (looks[:, part].mean(axis=1) for part in PARTS)
    return outer + inner + 2 * nose - 2 * eyes - brows - mouth
