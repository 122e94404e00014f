"""Pieces of free portraits without their faces: hair, clothes, shoulders, walls."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeface.reference.data.packs import FREE, open_pack
from edgeface.reference.free.packing import face_box
from edgeface.types import FloatArray, ImageArray

MARGIN = 0.1
"""How far a piece stays away from its face's box, in the box's longer side."""
LEAST_SIDE = 20


def read_scraps(folder: Path) -> list[ImageArray]:
    """Read the pieces of all free portraits whose face is known."""
    pieces: list[ImageArray] = []
    for name in FREE.faces:
        pack = open_pack(folder, name, free=True)
        known = np.flatnonzero(pack.has_mesh)
        for index, pixels in pack.images(known):
            pieces += scraps_of(pixels, face_box(pack.labels["mesh"][index]))
    return pieces


def scraps_of(pixels: ImageArray, box: FloatArray) -> list[ImageArray]:
    """The pieces of a portrait above, below and beside its face's box: hair, clothes, shoulders."""
    reach = MARGIN * (box[2:] - box[:2]).max()
    height, width = pixels.shape[:2]
    left, top = np.clip(np.floor(box[:2] - reach), 0, [width, height]).astype(int).tolist()
    right, bottom = np.clip(np.ceil(box[2:] + reach), 0, [width, height]).astype(int).tolist()
    pieces = pixels[:top], pixels[bottom:], pixels[:, :left], pixels[:, right:]
    return [piece for piece in pieces if min(piece.shape[:2]) >= LEAST_SIDE]
