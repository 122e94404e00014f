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

TILE_SIDE = 704
"""The longest side of a closer input, px, for files that take any size; others have tiles of their
own size."""
MUCH_LARGER = 1.5
"""An input that is larger than the usual one by more than this factor loses large faces."""
OVERLAP = 0.2
"""How far neighbouring tiles overlap, in sides of a tile."""
ROUNDING = 0.02
"""How much rounding tiles to whole pixels may cost, in tile steps, before one more is needed."""
SMALL = 0.125
"""The longer side of the largest face that is taken from a closer input, in sides of a tile. It is
less than `OVERLAP`, so that each such face lies whole in some tile."""
WORTHWHILE = 1.1
"""How many times larger than the last input an image must be to be looked at closer."""
HINT_SCORE, HINT_SIDE_PX = 0.2, 24.0
"""A candidate with this score that is shorter than this in the input is a reason to look closer
there. Where that was done, candidates so short are left out, since the closer look sees better."""
FAINT_SCORE, MARGIN = 0.01, 0.08
"""Where there is a reason, all small candidates with this score are looked at closer, and what is
around them as far as each is long and this share of the image's longer side."""
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


Part = tuple[int, int, int, int]
"""Left, top, right and bottom of a rectangle of whole pixels of an image."""


@dataclass(frozen=True)
class View:
    """A part of an image, the input that shows it, and how large a face it is asked for.

    Attributes
    ----------
    part : image_px
    input_hw : the height and width of the input, px
    largest_px : the longer side of the largest face that is taken from it, input_px
    """

    part: Part
    input_hw: tuple[int, int]
    largest_px: float

    @property
    def scale(self) -> float:
        """The number of input pixels for an image pixel."""
        left, top, right, bottom = self.part
        return min(self.input_hw[0] / (bottom - top), self.input_hw[1] / (right - left))

    def cut(self, pixels: ImageArray) -> ImageArray:
        """Cut the part out of an image (H, W, 3), without a copy."""
        left, top, right, bottom = self.part
        return pixels[top:bottom, left:right]

    def takes(self, boxes_xyxy: FloatArray, size_hw: tuple[int, int]) -> BoolArray:
        """Tell which boxes (N, 4), image_px, are of small faces that lie whole in a closer view.

        Faces that its inner edges cut lie whole in the neighbour, or stay with the look before.
        """
        left, top, right, bottom = self.part
        height, width = size_hw
        x, y = ((boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2).T
        largest = self.largest_px / self.scale
        reach = largest / 2
        inside = (x >= left + reach * (left > 0)) & (x <= right - reach * (right < width))
        inside &= (y >= top + reach * (top > 0)) & (y <= bottom - reach * (bottom < height))
        return inside & (longer_sides(boxes_xyxy) <= largest)


def first_view(size_hw: tuple[int, int], side: int) -> View:
    """The view of a whole image in a square input."""
    return View((0, 0, size_hw[1], size_hw[0]), (side, side), SMALL * side)


def closer_scales(longer_px: int, first_side: int, tile_side: int) -> Iterator[float]:
    """How many input pixels there are for an image pixel in ever closer looks at an image.

    Each has twice as many tiles along the image's longer side as the one before, and the first has
    one if that is larger than the input before. The last is as large as the image, or a tenth less.

    Parameters
    ----------
    longer_px : the longer side of the image
    first_side : the side of the first pass's input, px
    tile_side : the longest side of closer inputs, px
    """
    side = float(first_side)
    tiles = 1 if tile_side > first_side else 2
    while longer_px > WORTHWHILE * side:
        side = tile_side * (tiles - (tiles - 1) * OVERLAP)
        yield side / longer_px
        tiles *= 2


def tiles_of(part: Part, scale: float, tile_side: int, step: int) -> list[View]:
    """Make overlapping tiles that cover a part of an image when it is scaled by ``scale``.

    A tile's input is as large as what it shows, in multiples of ``step``, up to ``tile_side``.
    """
    left, top, right, bottom = part
    return [
        View(
            (x0, y0, x1, y1),
            (_input_side(y1 - y0, scale, tile_side, step),
             _input_side(x1 - x0, scale, tile_side, step)),
            SMALL * tile_side,
        )
        for y0, y1 in _spans(top, bottom, scale, tile_side)
        for x0, x1 in _spans(left, right, scale, tile_side)
    ]  # fmt: skip


def _input_side(length: int, scale: float, tile_side: int, step: int) -> int:
    return min(step * max(1, int(np.ceil(length * scale / step - ROUNDING))), tile_side)


def _spans(start: int, end: int, scale: float, tile_side: int) -> list[tuple[int, int]]:
    """Where tiles begin and end between two places on an axis, whole px of the image."""
    span = min(end - start, max(1, round(tile_side / scale)))
    step = (1 - OVERLAP) * tile_side / scale
    count = 1 + int(np.ceil((end - start - span) / step - ROUNDING))
    starts = np.linspace(start, end - span, count).round().astype(int)
    return [(first, first + span) for first in starts.tolist()]


def surroundings(boxes_xyxy: FloatArray, size_hw: tuple[int, int]) -> Part:
    """The part of an image that shows boxes (N, 4), image_px, N > 0, and what is around them."""
    size = np.array(size_hw[::-1])
    margin = longer_sides(boxes_xyxy)[:, None] + MARGIN * size.max()
    low = np.floor((boxes_xyxy[:, :2] - margin).min(axis=0)).clip(0, size - 1)
    high = np.ceil((boxes_xyxy[:, 2:] + margin).max(axis=0)).clip(low + 1, size)
    left, top, right, bottom = np.concatenate([low, high]).astype(int).tolist()
    return left, top, right, bottom


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
