"""The photo that ships: ``python docs/draw_demo_photo.py OUT.jpg``.

NASA's portrait of Eileen Collins (public domain, in scikit-image as ``astronaut``) at five
places, sizes and tilts, two of them mirrored, on a wall.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

HEAD = (40, 0, 400, 360)  # head and shoulders
SIZE = (1280, 800)
WALL = (176, 170, 160)
# centre x and y, side, tilt in degrees, mirrored
PRINTS = (
    (300, 300, 520, 0, False),
    (860, 230, 400, -12, True),
    (1090, 590, 330, 17, False),
    (690, 610, 290, 4, True),
    (400, 670, 190, -20, False),
)


def compose() -> Image.Image:
    """The picture, RGB, 1280 x 800."""
    portrait = Image.fromarray(data.astronaut()).crop(HEAD)
    shade = np.linspace(1.08, 0.85, SIZE[1])[:, None, None] * np.array(WALL)
    wall = np.broadcast_to(shade, (SIZE[1], SIZE[0], 3)).round().astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(wall))
    for x, y, side, tilt, mirrored in PRINTS:
        photo = portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else portrait
        photo = photo.resize((side, side), Image.Resampling.LANCZOS)
        mask = Image.new("L", photo.size, 255)
        photo, mask = (p.rotate(tilt, Image.Resampling.BICUBIC, expand=True) for p in (photo, mask))
        picture.paste(photo, (x - photo.width // 2, y - photo.height // 2), mask)
    return picture


if __name__ == "__main__":
    compose().save(Path(sys.argv[1]), quality=88)
