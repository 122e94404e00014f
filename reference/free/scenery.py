"""Backgrounds and lights of rendered people, all made up."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from edgeface.types import FloatArray, ImageArray

HARD_EXPOSURE = 1.5
"""A camera exposes longer where one lamp lights a side alone."""


def background(height: int, width: int, random: np.random.Generator) -> ImageArray:
    """A made-up scene without faces, uint8 (H, W, 3): clouds of colour, planes, blobs and bars."""
    base = colour_drawn(random)
    if random.random() < 0.15:
        canvas = np.broadcast_to(base, (height, width, 3)).astype(np.uint8)
        image = Image.fromarray(np.ascontiguousarray(canvas))
    else:
        image = Image.fromarray(_clouds(height, width, base, random))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(0, 14))):
        _shape(pen, height, width, random)
    if random.random() < 0.6:
        image = image.filter(ImageFilter.BoxBlur(float(random.uniform(0, 9))))
    return np.asarray(image)


def colour_drawn(random: np.random.Generator) -> FloatArray:
    """A colour in [0, 255], mostly a dull one."""
    level, strength = random.uniform(10, 245), random.beta(1, 2.5)
    return np.clip(level + strength * random.uniform(-150, 150, 3), 0, 255)


def _clouds(height: int, width: int, base: FloatArray, random: np.random.Generator) -> ImageArray:
    """Noise of several sizes, each octave weaker than the one before."""
    total = np.zeros((height, width, 3), np.float32) + base
    strength = random.uniform(10, 90)
    for cells in (2, 4, 9, 20, 60)[: random.integers(1, 6)]:
        coarse = random.normal(0, 1, (cells, cells, 1)) + 0.5 * random.normal(
            0, 1, (cells, cells, 3)
        )
        tile = np.clip(coarse * 40 + 128, 0, 255).astype(np.uint8)
        fine = Image.fromarray(tile).resize((width, height), Image.Resampling.BICUBIC)
        total += (np.asarray(fine, np.float32) - 128) * strength / 64
        strength *= random.uniform(0.4, 0.9)
    return np.clip(total, 0, 255).astype(np.uint8)


def _shape(pen: ImageDraw.ImageDraw, height: int, width: int, random: np.random.Generator) -> None:
    colour = tuple(colour_drawn(random).astype(int).tolist())
    x, y = random.uniform(-0.2, 1.1, 2) * [width, height]
    w, h = random.uniform(0.02, 0.6, 2) * [width, height]
    kind = random.random()
    if kind < 0.35:
        pen.rectangle([x, y, x + w, y + h], fill=colour)
    elif kind < 0.6:
        pen.ellipse([x, y, x + w, y + h], fill=colour)
    elif kind < 0.8:
        points = random.uniform(-0.1, 1.1, (int(random.integers(3, 6)), 2)) * [width, height]
        pen.polygon([tuple(p) for p in points.tolist()], fill=colour)
    else:
        step = float(random.uniform(4, 24))
        for k in range(int(random.integers(3, 16))):
            pen.line([x + k * step, y, x + k * step + w / 8, y + h], fill=colour,
                     width=int(random.integers(1, 6)))  # fmt: skip


def shading(
    normals: FloatArray, view: FloatArray, shine: FloatArray, random: np.random.Generator,
    hard: bool = False,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """What light makes of surfaces: factors (V, 3) of their colour, and gloss (V, 3) to add.

    A dim light from everywhere, one from the sky or the ground, and one to three lamps, tinted. A
    ``hard`` light is one lamp from a side or from behind, with little else.

    Parameters
    ----------
    normals : (V, 3), the camera's side is +z, y is up; view : (V, 3), unit, towards the camera
    shine : (V,), how strongly a surface mirrors lamps
    """

    def tint(spread: float) -> FloatArray:
        return random.normal(1, spread, 3)

    least, most = (0.12, 0.4) if hard else (0.25, 0.75)
    light = np.full_like(normals, random.uniform(least, most)) * tint(0.04)
    sky = random.uniform(-0.15, 0.25)
    light = light + sky * normals[:, 1:2] * tint(0.1)
    gloss = np.zeros_like(normals)
    for k in range(1 if hard else int(random.integers(1, 4))):
        direction = random.normal(size=3) * [1.0, 0.7, 0.6] + [0, 0.35, 0.8 if k == 0 else 0.2]
        if hard:
            side = random.choice([-1, 1]) * random.uniform(0.7, 1.5)
            direction = np.array([side, random.normal(0.2, 0.5), random.uniform(-0.3, 0.7)])
        direction /= np.linalg.norm(direction)
        colour = random.uniform(0.15, 0.75) * tint(0.1) + (0.4 if hard else 0.0)
        soft = random.uniform(0, 0.1 if hard else 0.5)
        lit = np.clip((normals @ direction + soft) / (1 + soft), 0, None)
        light = light + lit[:, None] * colour
        half = view + direction
        half /= np.linalg.norm(half, axis=1, keepdims=True) + 1e-9
        spot = np.clip((normals * half).sum(axis=1), 0, None) ** random.uniform(8, 40)
        gloss = gloss + (spot * shine)[:, None] * colour * random.uniform(0.1, 0.6)
    level = random.uniform(0.6, 1.15) * (HARD_EXPOSURE if hard else 1.0)
    return light * level, gloss * level
