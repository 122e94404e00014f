"""A planned view drawn by Pillow, layer over layer."""

from __future__ import annotations

import numpy as np
from PIL import Image

PASTE, FADE, COVER = 0, 1, 2


def draw(layers, size):
    """uint8 (size, size, 3) of layers ``(copy, halvings, full_hw, inverse, area, mode)``.

    ``copy`` is the picture, or a smaller one of the same, of which ``inverse`` (2, 3) tells in
    pixels of the full size.
    """
    view = np.full((size, size, 3), 127, np.uint8)
    for copy, halvings, full_hw, inverse, (x0, y0, x1, y1), mode in layers:
        height, width = np.array(full_hw) / 2**halvings
        affine = inverse / 2**halvings
        source = copy
        if mode == COVER:  # its edge goes on: enough of it
            margin = 4 * size
            source = np.pad(copy, ((margin, margin), (margin, margin), (0, 0)), "edge")
            affine = affine + np.array([[0, 0, margin], [0, 0, margin]])
        coefficients = tuple(affine.ravel().tolist())
        drawn = np.stack([_transformed(source[..., c], coefficients, size) for c in range(3)], 2)
        y, x = np.mgrid[0:size, 0:size] + 0.5
        u, v = (np.stack([x, y, np.ones_like(x)], axis=2) @ affine.T).transpose(2, 0, 1)
        inside = (mode == COVER) | ((u >= 0) & (v >= 0) & (u < width) & (v < height))
        opacity = inside.astype(float)
        if mode == FADE:
            radius = np.hypot(u / width - 0.5, v / height - 0.5)
            opacity *= np.clip((0.5 - radius) / 0.1, 0, 1)
        opacity[(x < x0) | (y < y0) | (x > x1) | (y > y1)] = 0
        view = np.floor(view + opacity[..., None] * (drawn - view) + 0.5).astype(np.uint8)
    return view


def _transformed(channel, coefficients, size):
    """In floats, for Pillow cuts off what it does not round."""
    image = Image.fromarray(channel.astype(np.float32))
    method, filter_ = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.asarray(image.transform((size, size), method, coefficients, filter_))
