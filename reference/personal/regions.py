"""Parts of the face as polygons of the teacher's mesh, drawn in images and in the template's UV."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from edgeface.personal.template import REGIONS

# Rings of MediaPipe's face mesh, drawn one after another; a later one covers those before.
_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_NOSE = (
    168, 193, 122, 196, 174, 217, 209, 49, 129, 98, 97, 2, 326, 327, 358, 279, 429, 437, 399, 419,
    351, 417,
)  # fmt: skip
_BROWS = (
    (46, 53, 52, 65, 55, 107, 66, 105, 63, 70),
    (276, 283, 282, 295, 285, 336, 296, 334, 293, 300),
)
EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
_OUTER_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
INNER_LIPS = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
_RINGS = (
    ("skin", _OVAL),
    ("nose", _NOSE),
    *(("brows", ring) for ring in _BROWS),
    *(("none", ring) for ring in EYES),
    ("lips", _OUTER_LIPS),
    ("none", INNER_LIPS),
)


def draw_regions(
    points: NDArray[Any], size: tuple[int, int], *, parts_alone: bool = False
) -> NDArray[np.uint8]:
    """The face's parts as numbers of `REGIONS`.

    Parameters
    ----------
    points : float, shape (468, 2) or more; the mesh's points, image_px; NaN where one is unknown,
        which leaves it out of its ring
    size : height and width, px
    parts_alone : draw brows, nose and lips without the skin around them and the openings in them

    Returns
    -------
    uint8, shape (height, width); eyes and the opening of the mouth are 0, as the template has holes
    there
    """
    picture = Image.new("L", (size[1], size[0]))
    draw = ImageDraw.Draw(picture)
    for name, ring in _RINGS:
        if parts_alone and name in ("skin", "none"):
            continue
        corners = points[list(ring), :2]
        corners = corners[np.isfinite(corners).all(axis=1)]
        # Pillow takes the pixels that corners lie in
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=REGIONS.index(name))
    return np.asarray(picture)


def draw_oval(points: NDArray[Any], size: tuple[int, int], margin_px: int) -> NDArray[np.bool_]:
    """Where the face surely is: within its outline by a margin, bool, shape (height, width).

    Parameters
    ----------
    points : float, shape (468, 2) or more; the mesh's points, image_px
    size : height and width, px
    margin_px : how far inside the outline
    """
    picture = Image.new("L", (size[1], size[0]))
    corners = points[list(_OVAL), :2]
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    return np.asarray(picture.filter(ImageFilter.MinFilter(2 * margin_px + 1))) > 0
