"""Planning the MFN's views: zoomed photos, mosaics of four, crowds of single faces."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch.utils.data import Dataset

from edgeface.face_model import FaceModel
from edgeface.reference.data.targets import (
    Mirror,
    Targets,
    concatenate,
    similarity_matrix,
    warp,
)
from edgeface.reference.geometry.pose import rotation_to_quaternion
from edgeface.reference.training.views.plan import (
    COVER,
    FADE,
    FADE_WIDTH,
    PASTE,
    Batch,
    Layer,
    Picture,
    View,
    blur,
    lay,
    pack,
)
from edgeface.reference.training.views.prepared import Prepared
from edgeface.types import FloatArray, IntArray

FIRST_SIZE_SHARE = 0.8
FACE_SIZES_AT = 288  # px; in larger inputs large faces are larger, small ones are not
# longer side of the face that a view is zoomed on, input px
FACE_SIZES = {"photo": (7.0, 220.0), "single": (60.0, 240.0), "crowd": (7.0, 90.0)}
MAX_CROWD = 20
HIDDEN = 0.25
"""The share of a face's box that the picture of another face in a crowd may hide."""
MASKED_SHARE = 0.06  # of single faces
SCALES = (0.25, 5.0)
SMALLEST_PX = 0.02 * 288  # of the input; smaller faces are neither demanded nor forbidden
VISIBLE = 0.5  # share of a box that must lie inside the view
MAX_ANGLE_RAD = np.deg2rad(20.0)
ANY_ANGLE_SHARE = 0.06
"""The share of the photos, and of the faces in crowds, that are turned by any angle, so that faces
on their side and upside down are found, with their roll."""
SHARES = {"photo": 0.47, "empty": 0.1, "single": 0.27, "mosaic": 0.1, "crowd": 0.06}
EPOCH_VIEWS = 3200


class SceneBatches(Dataset[Batch]):
    """Plans views of photos.

    A view zooms so that one of the photo's faces, drawn at random, gets a size drawn
    log-uniformly. So faces come in every size, and small photos serve as well as large ones.

    Parameters
    ----------
    prepared : the pictures; rare faces are drawn more often, and some with a mask
    model : the face model that tells what a mirror makes of coefficients
    sizes : the sizes of the input, px. Each batch has one of them, the first one for
        ``FIRST_SIZE_SHARE`` of the batches, and as many views as fill the same number of pixels.
    fixed : whether each photo comes once, whole and letterboxed
    """

    def __init__(
        self,
        prepared: Prepared,
        model: FaceModel,
        sizes: tuple[int, ...],
        fixed: bool,
    ) -> None:
        self.photos, self.empty = prepared.photos, prepared.empty
        self.faces, self.masked = prepared.faces, prepared.masked
        self.shares = prepared.shares.cumsum()
        self.sizes, self.fixed = sizes, fixed
        self.mirror = Mirror(model)

    def __len__(self) -> int:
        return len(self.photos) if self.fixed else EPOCH_VIEWS

    def __getitems__(self, indices: list[int]) -> Batch:
        size, count = self.sizes[0], len(indices)
        if self.fixed:
            views = [letterboxed(*self.photos[i], size) for i in indices]
        else:
            random = np.random.default_rng(int(torch.randint(2**62, ())))
            if len(self.sizes) > 1 and random.random() >= FIRST_SIZE_SHARE:
                size = int(random.choice(self.sizes[1:]))
                count = max(1, round(count * (self.sizes[0] / size) ** 2))
            views = [self._view(size, random) for _ in range(count)]
        index = np.repeat(np.arange(len(views)), [len(view.targets) for view in views])
        targets = concatenate([view.targets for view in views])
        return pack([v.layers for v in views], size) | scene_targets(targets, index, len(views))

    def _view(self, size: int, random: np.random.Generator) -> View:
        source = random.choice(list(SHARES), p=list(SHARES.values()))
        if source == "mosaic":
            return self._mosaic(size, random)
        if source == "crowd":
            return self._crowd(size, random)
        sizes = face_sizes("single" if source == "single" else "photo", size)
        return self._zoomed(source, sizes, (0, 0, size, size), random, blur(random))

    def _draw(self, source: str, random: np.random.Generator) -> tuple[Picture, Targets]:
        """Draw a picture of one source, or its mirror image."""
        if source == "single" and not (len(self.masked) and random.random() < MASKED_SHARE):
            row = min(int(np.searchsorted(self.shares, random.random())), len(self.faces) - 1)
            picture, targets = self.faces[row]
        else:
            pool = {"single": self.masked, "empty": self.empty}.get(source, self.photos)
            picture, targets = pool[int(random.integers(len(pool)))]
        if random.random() < 0.5:
            picture = replace(picture, mirrored=True)
            targets = self.mirror(targets, picture.width)
        return picture, targets

    def _zoomed(
        self,
        source: str,
        sizes: tuple[float, float],
        area: tuple[int, int, int, int],
        random: np.random.Generator,
        unsharp: float,
    ) -> View:
        """Lay a picture in an area of the view so that a face is as long as one of ``sizes``."""
        picture, targets = self._draw(source, random)
        side = area[2] - area[0]
        matrix, angle = zoom(picture, targets, sizes, side, random)
        moved = keep_visible(warp(targets, matrix, angle), side, SMALLEST_PX)
        shift = np.array([[1.0, 0, area[0]], [0, 1, area[1]]])
        matrix[:, 2] += area[:2]
        layers = [
            *self._background(area, random, unsharp),
            lay(picture, matrix, area, PASTE, unsharp),
        ]
        return View(layers, warp(moved, shift, 0.0))

    def _mosaic(self, size: int, random: np.random.Generator) -> View:
        """Lay four photos in one view, each in a quarter of it."""
        half, unsharp = size // 2, blur(random)
        low, high = face_sizes("photo", size)
        parts = [
            self._zoomed("photo", (low, high / 2), (x, y, x + half, y + half), random, unsharp)
            for y in (0, half)
            for x in (0, half)
        ]
        layers = [layer for part in parts for layer in part.layers]
        return View(layers, concatenate([part.targets for part in parts]))

    def _crowd(self, size: int, random: np.random.Generator) -> View:
        """Fade up to MAX_CROWD single faces into a photo without any."""
        area, unsharp = (0, 0, size, size), blur(random)
        picture, nobody = self._draw("empty", random)
        layers = [lay(picture, stretched(picture, area), area, COVER, unsharp)]
        parts: list[Targets] = [nobody]
        taken = np.zeros((0, 4))
        for _ in range(random.integers(2, MAX_CROWD + 1)):
            picture, targets = self._draw("single", random)
            longer = float((targets.boxes[0, 2:] - targets.boxes[0, :2]).max())
            drawn = cast("float", random.uniform(*np.log(face_sizes("crowd", size))))
            scale = np.exp(drawn) / longer
            centre = (targets.boxes[0, :2] + targets.boxes[0, 2:]) / 2
            place = random.uniform(0.04, 0.96, 2) * size
            matrix, angle = similarity(scale, centre, place, 2 * MAX_ANGLE_RAD, random)
            moved = keep_visible(warp(targets, matrix, angle), size, SMALLEST_PX)
            if not len(moved) or covers(moved.boxes[0], taken) or hides(picture, matrix, taken):
                continue
            layers.append(lay(picture, matrix, area, FADE, unsharp))
            taken = np.concatenate([taken, moved.boxes])
            parts.append(moved)
        return View(layers, concatenate(parts))

    def _background(
        self, area: tuple[int, int, int, int], random: np.random.Generator, unsharp: float
    ) -> list[Layer]:
        """What lies beyond the photo's edges: another photo without faces, or plain grey.

        If it were always grey, the network would look for faces between straight grey edges.
        """
        if random.random() < 0.3 or not len(self.empty):
            return []
        picture, _ = self.empty[int(random.integers(len(self.empty)))]
        return [lay(picture, stretched(picture, area), area, COVER, unsharp)]


def face_sizes(source: str, size: int) -> tuple[float, float]:
    """The least and the most, px, of a face's longer side in an input that is ``size`` px wide."""
    low, high = FACE_SIZES[source]
    return low, high * size / FACE_SIZES_AT


def stretched(picture: Picture, area: tuple[int, int, int, int]) -> FloatArray:
    """The matrix (2, 3) under which a picture fills an area."""
    x0, y0, x1, y1 = area
    return np.array([[(x1 - x0) / picture.width, 0, x0], [0, (y1 - y0) / picture.height, y0]])


def zoom(
    picture: Picture,
    targets: Targets,
    sizes: tuple[float, float],
    size: int,
    random: np.random.Generator,
) -> tuple[FloatArray, float]:
    """A random similarity (2, 3) from a picture to a view, and its angle."""
    height, width = picture.height, picture.width
    usable = np.flatnonzero(~targets.ignore)
    if len(usable):
        box = targets.boxes[random.choice(usable)]
        centre = (box[:2] + box[2:]) / 2
        longer = float((box[2:] - box[:2]).max())
        drawn = cast("float", random.uniform(*np.log(sizes)))
        scale = float(np.clip(np.exp(drawn) / longer, *SCALES))
        # blowing a blurred speck up to a portrait teaches nothing
        scale = min(scale, max(1.0, 64.0 / longer) * 1.5)
    else:
        centre = random.uniform([0, 0], [width, height])
        scale = size / max(width, height) * np.exp(random.uniform(-0.3, 1.2))
    place = random.uniform(0.08, 0.92, 2) * size
    return similarity(scale, centre, place, MAX_ANGLE_RAD, random)


def similarity(
    scale: float,
    centre: FloatArray,
    place: FloatArray,
    max_angle_rad: float,
    random: np.random.Generator,
) -> tuple[FloatArray, float]:
    """A matrix (2, 3) that moves ``centre`` to ``place``, and its random angle."""
    if random.random() < ANY_ANGLE_SHARE:
        angle = random.uniform(-np.pi, np.pi)
    else:
        angle = float(np.clip(random.normal(0, 0.4), -1, 1)) * max_angle_rad
    return similarity_matrix(scale, angle, centre, place), angle


def covers(box: FloatArray, others: FloatArray) -> bool:
    """Whether a box (4,) hides a good part of one of ``others`` (N, 4), or is hidden by it."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return bool((shared > 0.15 * np.minimum(areas, (box[2:] - box[:2]).prod())).any())


def hides(picture: Picture, matrix: FloatArray, boxes: FloatArray) -> bool:
    """Whether a picture that fades out to its circle hides a good part of one of boxes (N, 4).

    What surrounds a face is in its picture, too, and covers more than the face does.
    """
    line = (np.arange(8) + 0.5) / 8
    shares = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    points = boxes[:, None, :2] + shares * (boxes[:, None, 2:] - boxes[:, None, :2])
    places = (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    radius = np.linalg.norm(places / [picture.width, picture.height] - 0.5, axis=2)
    return bool(((radius < 0.5 - FADE_WIDTH / 2).mean(axis=1) > HIDDEN).any())


def letterbox_matrix(height: int, width: int, size: int) -> FloatArray:
    """The similarity (2, 3) that fits a photo into the middle of the square input."""
    scale = size / max(height, width)
    return np.array(
        [[scale, 0, (size - scale * width) / 2], [0, scale, (size - scale * height) / 2]]
    )


def letterboxed(picture: Picture, targets: Targets, size: int) -> View:
    """A whole photo as the runtime shows it to the network, with its faces."""
    matrix = letterbox_matrix(picture.height, picture.width, size)
    moved = keep_visible(warp(targets, matrix, 0.0), size, SMALLEST_PX)
    return View([lay(picture, matrix, (0, 0, size, size))], moved)


def keep_visible(targets: Targets, size: int, smallest: float) -> Targets:
    """Keep the faces of which enough lies in the view; those under ``smallest`` px are ignored."""
    boxes = targets.boxes
    extent = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    clipped = np.clip(boxes, 0, size)
    share = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1) / extent.prod(axis=1)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centre >= 0) & (centre < size)).all(axis=1)
    ignore = targets.ignore | (share < VISIBLE) | ~inside | (extent.max(axis=1) < smallest)
    return replace(targets, ignore=ignore)[share > 0.05]


def scene_targets(targets: Targets, image_index: IntArray, images: int) -> Batch:
    """Targets in input px as tensors for a `GridLoss`; a row is a face.

    The faces of an image must stand together, and the images in order.
    """
    counts = np.bincount(image_index, minlength=images)
    slot = np.arange(len(image_index)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.full((images, counts.max(initial=0)), -1)
    rows[image_index, slot] = np.arange(len(image_index))
    return {
        "image_index": torch.from_numpy(image_index.astype(np.int64)),
        "faces_of_image": torch.from_numpy(rows),
        "boxes": torch.from_numpy(targets.boxes),
        "ignore": torch.from_numpy(targets.ignore),
        "has_fit": torch.from_numpy(targets.has_fit),
        "landmarks": torch.from_numpy(targets.landmarks),
        "identity": torch.from_numpy(targets.identity),
        "expression": torch.from_numpy(targets.expression),
        "quaternion": torch.from_numpy(rotation_to_quaternion(targets.rotation)),
    }
