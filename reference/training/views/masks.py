"""Drawing masks over labelled faces by their landmarks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from edgeface.types import FloatArray, ImageArray

COLOURS = ((150, 195, 215), (235, 235, 235), (35, 35, 40), (120, 160, 120), (205, 130, 150))
"""Surgical blue, white, black, and two cloths."""
JAW = slice(2, 15)
OVERSAMPLED = 2


def masked(pixels: ImageArray, landmarks: FloatArray, random: np.random.Generator) -> ImageArray:
    """A picture (H, W, 3) in which the face with these landmarks (68, 2) wears a mask.

    The mask reaches from jaw to jaw over the nose, up to a random height of its bridge. It is
    pleated, lit from a side, and has loops towards the ears. The labels of the picture stay true.
    """
    height, width = pixels.shape[:2]
    top = landmarks[27] + (landmarks[30] - landmarks[27]) * random.uniform(0.3, 1.1)
    jaw = landmarks[JAW]
    centre = landmarks[33]
    jaw = centre + (jaw - centre) * random.uniform(1.0, 1.08)
    outline = np.concatenate([jaw, [(jaw[-1] + top) / 2 + (top - centre) * 0.1], [top],
                              [(jaw[0] + top) / 2 + (top - centre) * 0.1]])  # fmt: skip
    colour = np.array(COLOURS[random.integers(len(COLOURS))]) + random.normal(0, 12, 3)
    size = (OVERSAMPLED * width, OVERSAMPLED * height)
    cover = Image.new("L", size, 0)
    pen = ImageDraw.Draw(cover)
    pen.polygon([tuple(p) for p in (outline * OVERSAMPLED).tolist()], fill=255)
    for ear, start in ((landmarks[0], jaw[0]), (landmarks[16], jaw[-1])):
        loop = np.stack([ear, start]) * OVERSAMPLED
        pen.line([tuple(p) for p in loop.tolist()], fill=200, width=OVERSAMPLED)
    alpha = cover.resize((width, height), Image.Resampling.BOX).filter(ImageFilter.BoxBlur(0.7))
    share = np.asarray(alpha, np.float32)[..., None] / 255
    row, column = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (column - centre[0]) / max(np.ptp(jaw[:, 0]), 1.0)
    down = (row - top[1]) / max(np.ptp(outline[:, 1]), 1.0)
    pleats = 0.05 * np.sin(2 * np.pi * down * random.integers(2, 6) + random.uniform(0, 6))
    light = 0.9 + random.uniform(-0.5, 0.5) * across - 0.3 * across**2 + pleats
    # as bright as the face that wears it
    level = random.uniform(0.75, 1.1) * (0.4 + 0.6 * pixels[share[..., 0] > 0.5].mean() / 140
                                         if (share > 0.5).any() else 1.0)  # fmt: skip
    cloth = np.clip(colour * (light * level)[..., None] + random.normal(0, 3, pixels.shape), 0, 255)
    return (pixels * (1 - share) + cloth * share).round().astype(np.uint8)
