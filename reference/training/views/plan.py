"""Plans of views: they say which pictures lie where, and are drawn later and elsewhere.

A view is grey, and layers lie over it in order, each a picture of the atlas under an affine map.
Planning needs no pixels; it takes a millisecond a view, in any process. `draw` makes the pixels.
"""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgeface.reference.data.targets import Targets
from edgeface.types import FloatArray

Batch = dict[str, Tensor]

LEVELS = 5
"""The number of copies of a picture in the atlas: its full size, and halved up to four times."""
PASTE, FADE, COVER = 0, 1, 2
"""How a layer ends: with its picture, faded out to the circle inscribed in it, or nowhere, since
its edge pixels go on."""
FADE_WIDTH = 0.1
"""Over so much of the picture's side, inwards from the inscribed circle, a layer fades out."""
BLURRED = 0.2
"""The share of views drawn half as sharp, as small or badly compressed faces look."""
UNSHARP = 0.35  # halvings by which the copy that a layer is drawn from varies


@dataclass(frozen=True)
class Picture:
    """A picture of the atlas by its number, mirrored or not, and its size in pixels."""

    number: int
    height: int
    width: int
    mirrored: bool = False


@dataclass(frozen=True)
class Layer:
    """A picture in a view.

    Attributes
    ----------
    inverse : (2, 3), from the view's pixels to the picture's
    area : x0, y0, x1, y1 of the view's pixels that the layer may cover
    level : the number of the picture's copy that is shown
    mode : how the layer ends: PASTE, FADE or COVER
    """

    picture: int
    inverse: FloatArray
    area: tuple[int, int, int, int]
    level: int
    mode: int


@dataclass(frozen=True)
class View:
    """The layers of a view, lowest first, and the faces to be seen in it, in its pixels."""

    layers: list[Layer]
    targets: Targets


def lay(
    picture: Picture,
    matrix: FloatArray,
    area: tuple[int, int, int, int],
    mode: int = PASTE,
    unsharp: float = 0.0,
) -> Layer:
    """A layer that shows a picture, or its mirror image, under ``matrix`` (2, 3).

    ``unsharp`` counts halvings: by 1, the picture is shown half as sharp as it could be.
    """
    # the same number of halvings as would make the picture as small as it appears
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    level = round(math.log2(1 / max(scale, 1e-6)) + unsharp)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [picture.width, picture.height]
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    if mode != COVER:
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        x0, y0 = np.clip(low, area[:2], area[2:]).astype(int).tolist()
        x1, y1 = np.clip(high, area[:2], area[2:]).astype(int).tolist()
        area = (x0, y0, x1, y1)
    full = np.concatenate([matrix, [[0.0, 0.0, 1.0]]])
    if picture.mirrored:
        full = full @ np.array([[-1.0, 0, picture.width], [0, 1, 0], [0, 0, 1]])
    inverse = np.linalg.inv(full)[:2]
    return Layer(picture.number, inverse, area, min(max(level, 0), LEVELS - 1), mode)


def blur(random: np.random.Generator) -> float:
    """Draw by how many halvings a view is less sharp than it could be."""
    return random.uniform(-UNSHARP, UNSHARP) + (random.random() < BLURRED)


def pack(views: list[list[Layer]], size: int) -> Batch:
    """Turn the layers of a batch into tensors; views are ``size`` pixels wide and high.

    ``layer_of_view`` (B + 1,) says where each view's layers begin. A layer has a row in ``inverse``
    (L, 2, 3), ``area`` (L, 4) and ``source`` (L, 3), which holds picture, level and mode.
    """
    layers = [layer for view in views for layer in view]
    start = np.cumsum([0, *(len(view) for view in views)])
    inverse = np.array([layer.inverse for layer in layers], np.float32).reshape(-1, 2, 3)
    area = np.array([layer.area for layer in layers], np.int32).reshape(-1, 4)
    source = [(layer.picture, layer.level, layer.mode) for layer in layers]
    return {
        "layer_of_view": torch.from_numpy(start.astype(np.int32)),
        "inverse": torch.from_numpy(inverse),
        "area": torch.from_numpy(area),
        "source": torch.from_numpy(np.array(source, np.int32).reshape(-1, 3)),
        "size": torch.empty(size, 0),  # its length goes along to any device without being read
    }
