"""Where a detection looks: at the whole image first, then closer where there is reason to.

A network finds faces of some range of sizes in its input. A face that is small in an image is large
enough in a larger input, or in the input of a part of the image, where large faces are lost. So
large faces are taken from the first pass, and small ones from closer ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeface.boxes import iou_matrix
from edgeface.types import BoolArray, FloatArray, ImageArray

TILE_SIDE = 640
"""The side of a closer input, px, for files that take any size; others have tiles of their own."""
MUCH_LARGER = 1.5
"""An input that is larger than the usual one by more than this factor loses large faces."""
OVERLAP = 0.2
"""How far neighbouring tiles overlap, in sides of a tile."""
ROUNDING = 0.02
"""How much rounding tiles to whole pixels may cost, in tile steps, before one more is needed."""
SMALL = 0.125
"""The longer side of the largest face that is taken from a closer input, in sides of the input. It
is less than `OVERLAP`, so that each such face lies whole in some tile."""
WORTHWHILE = 1.1
"""How many times larger than the last input an image must be to be looked at closer."""
HINT_SCORE, HINT_SIDE_PX = 0.2, 24.0
"""A candidate with this score that is shorter than this in the input is a reason to look closer
there. Where that was done, candidates so short are left out, since the closer look sees better."""
NOBODY_SCORE, SOMEBODY_SCORE = 0.5, 0.1
"""If no candidate of the first pass reaches the first score, the whole image is looked at closer,
but only if one reaches the second, or if the image has more pixels than the closer input."""
SUSPECTED_SCORE, SUSPECTED_SIDE_PX, SUSPECTED_IOU = 0.02, 8.0, 0.3
"""What a closer look shows was suspected if a candidate of the look before has this score and
overlaps it by this, or if it is shorter than this in the input of that look."""
DOUBT = 0.7
"""What the score of a face that was not suspected is multiplied by."""
AUTO_LEVELS = 2
"""How many closer looks follow one another, unless everything is asked for."""


@dataclass(frozen=True)
class View:
    """A rectangle of whole pixels of an image, ``image_px``, and the side of its input."""

    left: int
    top: int
    right: int
    bottom: int
    size: int

    @property
    def scale(self) -> float:
        """The number of input pixels for an image pixel."""
        return self.size / max(self.right - self.left, self.bottom - self.top)

    def cut(self, pixels: ImageArray) -> ImageArray:
        """Cut the rectangle out of an image (H, W, 3), without a copy."""
        return pixels[self.top : self.bottom, self.left : self.right]

    def takes(self, boxes_xyxy: FloatArray, size_hw: tuple[int, int]) -> BoolArray:
        """Tell which boxes (N, 4), image_px, are of small faces that lie whole in a closer view.

        Faces that its inner edges cut lie whole in the neighbour.
        """
        height, width = size_hw
        longer = longer_sides(boxes_xyxy) * self.scale
        x, y = ((boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2).T
        reach = SMALL * self.size / self.scale / 2
        inside = (x >= self.left + reach * (self.left > 0)) & (
            x <= self.right - reach * (self.right < width)
        )
        inside &= (y >= self.top + reach * (self.top > 0)) & (
            y <= self.bottom - reach * (self.bottom < height)
        )
        return inside & (longer <= SMALL * self.size)


def closer_levels(
    size_hw: tuple[int, int], first_side: int, tile_side: int
) -> Iterator[list[View]]:
    """Make the views of ever closer looks at an image, after a first one of the whole.

    Each has twice as many tiles along the image's longer side as the one before; a single tile is
    the whole image in a larger input. The last is as large as the image, or a tenth less.

    Parameters
    ----------
    size_hw : the height and width of the image
    first_side : the side of the first pass's input, px
    tile_side : the side of closer inputs, px
    """
    longer, side = max(size_hw), first_side
    tiles = 1 if tile_side > first_side else 2
    while longer > WORTHWHILE * side:
        side = round(tile_side * (tiles - (tiles - 1) * OVERLAP))
        yield tiles_of(size_hw, side / longer, tile_side)
        tiles *= 2


def tiles_of(size_hw: tuple[int, int], scale: float, tile_side: int) -> list[View]:
    """Make overlapping tiles that cover an image when it is scaled by ``scale``."""
    rows, columns = (_spans(length, scale, tile_side) for length in size_hw)
    return [View(*x[:1], *y[:1], *x[1:], *y[1:], tile_side) for y in rows for x in columns]


def _spans(length: int, scale: float, tile_side: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along one axis, whole px of the image."""
    span = min(length, round(tile_side / scale))
    step = (1 - OVERLAP) * tile_side / scale
    count = 1 + int(np.ceil((length - span) / step - ROUNDING))
    starts = np.linspace(0, length - span, count).round().astype(int)
    return [(start, start + span) for start in starts.tolist()]


def longer_sides(boxes_xyxy: FloatArray) -> FloatArray:
    """The longer side of each box (N, 4), shape (N,)."""
    return (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).max(axis=1, initial=0.0)


def are_small(boxes_xyxy: FloatArray, scale: float | FloatArray) -> BoolArray:
    """Tell which boxes (N, 4), image_px, are small in views that showed them at this scale."""
    return longer_sides(boxes_xyxy) * scale < HINT_SIDE_PX


def suspected(
    boxes_xyxy: FloatArray,
    before_xyxy: FloatArray,
    before_scores: FloatArray,
    before: list[View],
    size_hw: tuple[int, int],
) -> BoolArray:
    """Which boxes (N, 4) of a closer look the look before it suspected, or could not have seen.

    Parameters
    ----------
    boxes_xyxy : image_px
    before_xyxy : shape (M, 4), image_px, and ``before_scores``, (M,), its candidates
    before : its views
    size_hw : height and width of the image
    """
    if not len(boxes_xyxy):
        return np.zeros(0, bool)
    low, high = boxes_xyxy[:, :2].min(axis=0), boxes_xyxy[:, 2:].max(axis=0)
    near = (before_xyxy[:, 2:] > low).all(axis=1) & (before_xyxy[:, :2] < high).all(axis=1)
    near &= before_scores >= SUSPECTED_SCORE
    overlap = iou_matrix(boxes_xyxy, before_xyxy[near]).max(axis=1, initial=0.0)
    tiny = longer_sides(boxes_xyxy) * before[0].scale < SUSPECTED_SIDE_PX
    return (overlap >= SUSPECTED_IOU) | tiny | ~in_any(before, boxes_xyxy, size_hw)


def views_with(views: list[View], boxes_xyxy: FloatArray, size_hw: tuple[int, int]) -> list[View]:
    """The views in which some of the boxes (N, 4) lie whole."""
    return [view for view in views if view.takes(boxes_xyxy, size_hw).any()]


def in_any(views: list[View], boxes_xyxy: FloatArray, size_hw: tuple[int, int]) -> BoolArray:
    """Tell which boxes (N, 4) lie whole in one of the views."""
    taken = [view.takes(boxes_xyxy, size_hw) for view in views]
    return np.logical_or.reduce(taken, axis=0)
