"""Reading real images for calibration and verification."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edgeface.compare import FaceFinder, network_inputs
from edgeface.converters.verify import Image
from edgeface.image import read_image
from edgeface.image_files import images_in
from edgeface.model import Model
from edgeface.types import ImageArray


def read_images(place: str | os.PathLike[str], most: int) -> list[Image]:
    """Read one image file, or the images of a folder.

    If a folder holds more than ``most``, so many are picked evenly in the order of their names.

    Raises
    ------
    InvalidInputError
        If there is no such place, it has no image, or an image cannot be read.
    """
    paths = [Path(place)] if os.path.isfile(place) else images_in(place)
    picked = np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int))
    chosen = [paths[int(i)] for i in picked]
    return [(path.name, read_image(path)) for path in chosen]


def calibration_inputs(model: Model, images: list[Image]) -> ImageArray:
    """The network's inputs of the images, uint8 (N, S, S, 3)."""
    finder = FaceFinder(model)
    inputs = [network_inputs(model, pixels, finder.faces(pixels)) for _, pixels in images]
    return np.concatenate(inputs)
