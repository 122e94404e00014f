"""Aligned chips: faces turned upright, scaled and cut out, as networks that recognise take them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgeface.errors import InvalidInputError
from edgeface.image import MAX_COORDINATE, ImageLike, read_image
from edgeface.types import Float32Array, Float64Array, FloatArray, ImageArray
from edgeface.values import Whole, array_of, option

MAX_CHIP = 4096
TEMPLATE_SIDE = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
"""The places that ArcFace (Deng et al. 2019) gives the centres of the eyes, the tip of the nose and
the corners of the mouth in a chip of 112 px, counted from the centre of its first pixel."""
_FIVE_POINTS = (range(36, 42), range(42, 48), range(30, 31), range(48, 49), range(54, 55))
"""The same points as means of the 68 landmarks."""


def aligned_chip(image: ImageLike, landmarks_2d: FloatArray, size: int = 112) -> ImageArray:
    """Cut out a square chip in which a face stands upright, at the scale of ArcFace's images.

    Parameters
    ----------
    image : anything that `edgeface.read_image` takes
    landmarks_2d : shape (68, 2), image_px
    size : the side of the chip, px; the template of 112 px is scaled to it

    Returns
    -------
    uint8, shape (size, size, 3), RGB; black beyond the image

    Raises
    ------
    InvalidInputError
        If it is no image, the landmarks are not finite, of another shape or a million pixels away,
        or the size is no whole number from 8 to `MAX_CHIP`.

    Notes
    -----
    The similarity of least squares takes five points to the template: in the plane, what Umeyama
    1991 finds by a singular value decomposition is the regression of complex numbers.
    A face that is larger than its chip is first reduced by a whole factor, the mean of so many
    pixels, so that it does not alias; then it is interpolated between 2 x 2 pixels.

    References
    ----------
    S. Umeyama, *Least-squares estimation of transformation parameters between two point patterns*,
    PAMI 13(4), 1991. doi:10.1109/34.88573
    """
    side = option("size", size, Whole(8, MAX_CHIP))
    pixels = read_image(image)
    landmarks = array_of("landmarks_2d", landmarks_2d, "(68, 2)")
    if landmarks.shape != (68, 2):
        raise InvalidInputError(f"landmarks_2d must have the shape (68, 2), got {landmarks.shape}")
    if np.abs(landmarks).max() > MAX_COORDINATE:
        raise InvalidInputError(
            f"landmarks_2d must lie within {MAX_COORDINATE:,} pixels of the image's corner"
        )
    points = five_points(landmarks)
    template = (TEMPLATE + 0.5) * (side / TEMPLATE_SIDE)
    to_image = similarity(template, points)
    scale = float(np.hypot(to_image[0, 0], to_image[1, 0]))
    factor = max(1, int(scale))
    # of a large image only the part around the chip is touched, from a multiple of the factor on
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ to_image.T
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)) - factor, 0, [width, height]).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + factor, 0, [width, height]).astype(int)
    if (high <= low).any():
        return np.zeros((side, side, 3), np.uint8)
    part = Image.fromarray(np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]]))
    if factor > 1:
        part = part.reduce(factor)
    to_image[:, 2] -= low
    matrix = (to_image / factor).ravel().tolist()
    transform, smooth = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.array(part.transform((side, side), transform, matrix, smooth))


def five_points(landmarks_2d: FloatArray) -> Float32Array:
    """Find the eyes' centres, the nose's tip and the mouth's corners, (5, 2), of the 68 points."""
    points = np.asarray(landmarks_2d, np.float32)
    return np.stack([points[list(run)].mean(axis=0) for run in _FIVE_POINTS])


def similarity(source: FloatArray, target: FloatArray) -> Float64Array:
    """Find the rotation, scale and shift (2, 3) that move points (P, 2) nearest to others.

    With points as complex numbers, it is the linear regression ``target = a * source + b``.
    """
    z, w = (np.asarray(p, np.float64) @ np.array([1, 1j]) for p in (source, target))
    centred = z - z.mean()
    a = complex((centred.conj() * (w - w.mean())).sum() / (np.abs(centred) ** 2).sum())
    b = complex(w.mean() - a * z.mean())
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
