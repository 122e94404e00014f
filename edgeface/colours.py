"""Telling that an array's red and blue are likely swapped, by the faces in it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from edgeface.errors import SwappedChannelsWarning
from edgeface.faces import Faces
from edgeface.pixels import is_pixels
from edgeface.types import ImageArray

MARGIN = 0.08
"""``(R - B) / (R + G + B)`` from which on a face shows the order of the channels. Skin of every
tone reflects more red than blue: of photos in RGB 2 in 966 have less than ``-MARGIN``, which are in
blue light; with red and blue swapped, 82 to 96 % of three packs of mostly colour photos have."""
MAX_SAMPLES = 32
"""Pixels of each axis of a face that are looked at."""


class ChannelCheck:
    """Looks at the first faces of a program until some show the order of the channels.

    It warns at most once, and only if the first image whose faces show an order shows the other
    one: afterwards it does not look any more.
    """

    def __init__(self) -> None:
        self._known = False

    def look(self, image: Any, pixels: ImageArray, faces: Faces) -> None:
        """Warn if an image that came as an array, with these pixels, seems to be BGR.

        Warns
        -----
        SwappedChannelsWarning
        """
        if self._known or not len(faces) or not is_pixels(image):
            return
        shown = float(np.median([redness(pixels, box) for box in faces.boxes_xyxy]))
        if abs(shown) < MARGIN:
            return
        self._known = True
        if shown < 0:
            warnings.warn(
                "the faces in this array have more blue than red: are its channels BGR, as "
                'OpenCV reads them? Say so, run(image, color="bgr"), and more faces are found; '
                'color="rgb" says that they are RGB',
                SwappedChannelsWarning,
                stacklevel=3,
            )


def redness(pixels: ImageArray, box_xyxy: Any) -> float:
    """``(R - B) / (R + G + B)`` of the middle of a face; 0 where none of it is in the image."""
    x0, y0, x1, y1 = np.asarray(box_xyxy, float)
    width, height = x1 - x0, y1 - y0
    rows = _samples(y0 + 0.3 * height, y1 - 0.15 * height, len(pixels))
    columns = _samples(x0 + 0.2 * width, x1 - 0.2 * width, pixels.shape[1])
    red, green, blue = pixels[np.ix_(rows, columns)].sum(axis=(0, 1), dtype=float)
    return float((red - blue) / max(red + green + blue, 1.0))


def _samples(low: float, high: float, size: int) -> Any:
    """Places along an axis of so many pixels."""
    first, last = max(int(low), 0), min(int(high), size)
    return np.arange(first, last, max(1, (last - first) // MAX_SAMPLES))
