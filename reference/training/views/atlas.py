"""All pictures of a training split in one array, decoded once, with their half-size copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edgeface.reference.training.views.plan import LEVELS
from edgeface.types import ImageArray, IntArray


@dataclass(frozen=True)
class Atlas:
    """Pictures that are found by their number.

    Attributes
    ----------
    pixels : uint8, flat, RGB: the rows of one copy after another; they may lie in a file
    offset : int64, shape (P, LEVELS), where each copy begins in ``pixels``
    shape : int32, shape (P, LEVELS, 2), the height and width of each copy
    """

    pixels: ImageArray
    offset: IntArray
    shape: IntArray

    def __len__(self) -> int:
        return len(self.offset)

    def copy(self, picture: int, level: int = 0) -> ImageArray:
        """One copy of a picture, uint8 (H, W, 3)."""
        height, width = self.shape[picture, level]
        start = self.offset[picture, level]
        return self.pixels[start : start + 3 * height * width].reshape(height, width, 3)


def write_atlas(pictures: Iterable[ImageArray], path: Path) -> tuple[IntArray, IntArray]:
    """Write the pixels of pictures (H, W, 3); returns ``offset`` and ``shape`` of the `Atlas`."""
    shapes: list[list[tuple[int, int]]] = []
    with open(path, "wb") as file:
        for pixels in pictures:
            copies = halvings(pixels)
            shapes.append([copy.shape[:2] for copy in copies])
            for copy in copies:
                file.write(np.ascontiguousarray(copy).data)
    shape = np.array(shapes, np.int32).reshape(-1, LEVELS, 2)
    sizes = 3 * shape.astype(np.int64).prod(axis=2).ravel()
    return (np.cumsum(sizes) - sizes).reshape(-1, LEVELS), shape


def open_atlas(path: Path, offset: IntArray, shape: IntArray) -> Atlas:
    """Open what `write_atlas` wrote; pixels stay in the file until they are used."""
    return Atlas(np.memmap(path, np.uint8, "r"), offset, shape)


def build_atlas(pictures: Iterable[ImageArray]) -> Atlas:
    """Make an atlas in memory."""
    copies = [halvings(pixels) for pixels in pictures]
    shape = np.array([[c.shape[:2] for c in some] for some in copies], np.int32)
    shape = shape.reshape(-1, LEVELS, 2)
    sizes = 3 * shape.astype(np.int64).prod(axis=2).ravel()
    flat = [copy.ravel() for some in copies for copy in some]
    offset = (np.cumsum(sizes) - sizes).reshape(-1, LEVELS)
    return Atlas(np.concatenate([np.zeros(0, np.uint8), *flat]), offset, shape)


def halvings(pixels: ImageArray) -> list[ImageArray]:
    """A picture and its copies, each of which averages 2 x 2 pixels of the one before."""
    full = Image.fromarray(pixels)
    return [pixels, *(np.asarray(full.reduce(2**k)) for k in range(1, LEVELS))]
