"""Training batches of the MFN: zoomed photos, mosaics of four, crowds of single faces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from edgeface.face_model import FaceModel
from edgeface.reference.data.faces import FaceSet
from edgeface.reference.data.photos import Photo, resize
from edgeface.reference.data.targets import Mirror, Targets, concatenate, similarity_matrix, warp
from edgeface.reference.geometry.pose import rotation_to_quaternion
from edgeface.reference.training.views.augment import jitter
from edgeface.reference.training.views.masks import masked
from edgeface.reference.training.views.rarity import draw_shares

Array = NDArray[Any]
Batch = dict[str, Tensor]
View = tuple[NDArray[np.uint8], Targets]

GREY = 127
# longer side of the face that a view is zoomed on, input px
FACE_SIZES = {"photo": (7.0, 220.0), "single": (24.0, 240.0), "crowd": (7.0, 90.0)}
MAX_CROWD = 20
MASKED_SHARE = 0.06  # of single faces
SCALES = (0.25, 5.0)
SMALLEST = 0.02  # of the input; smaller faces are neither demanded nor forbidden
VISIBLE = 0.5  # share of a box that must lie inside the view
MAX_ANGLE_RAD = np.deg2rad(20.0)
SHARES = {"photo": 0.38, "empty": 0.07, "single": 0.3, "mosaic": 0.16, "crowd": 0.09}
EPOCH_VIEWS = 3200


class SceneBatches(Dataset[Batch]):
    """Views of photos; ``fixed`` gives whole letterboxed photos, once each.

    A view zooms so that one of the photo's faces, drawn at random, gets a size drawn
    log-uniformly; faces then come in every size, and small photos serve as large ones.
    """

    def __init__(
        self,
        photos: list[Photo],
        empty: list[Photo],
        faces: FaceSet,
        model: FaceModel,
        size: int,
        fixed: bool,
    ) -> None:
        self.photos, self.empty, self.faces = photos, empty, faces
        self.size, self.fixed = size, fixed
        self.smallest = SMALLEST * size
        self.shares = draw_shares(faces.targets)
        self.mirror = Mirror(model)

    def __len__(self) -> int:
        return len(self.photos) if self.fixed else EPOCH_VIEWS

    def __getitems__(self, indices: list[int]) -> Batch:
        if self.fixed:
            views = [letterboxed(self.photos[i], self.size) for i in indices]
        else:
            random = np.random.default_rng(int(torch.randint(2**62, ())))
            views = [self._view(random) for _ in indices]
        pixels = torch.from_numpy(np.stack([v[0] for v in views]))
        if not self.fixed:
            pixels = jitter(pixels)
        index = np.repeat(np.arange(len(views)), [len(v[1]) for v in views])
        targets = scene_targets(concatenate([v[1] for v in views]), index, len(views))
        return {"image": pixels} | targets

    def _view(self, random: np.random.Generator) -> View:
        source = random.choice(list(SHARES), p=list(SHARES.values()))
        if source == "mosaic":
            return self._mosaic(random)
        if source == "crowd":
            return self._crowd(random)
        sizes = FACE_SIZES["single" if source == "single" else "photo"]
        return self._zoomed(*self._draw(source, random), sizes, self.size, random)

    def _draw(self, source: str, random: np.random.Generator) -> View:
        """A picture of one source, half the time its mirror image."""
        if source == "single":
            i = random.choice(len(self.faces.crops), p=self.shares)
            pixels, targets = self.faces.crops[i], self.faces.targets[i : i + 1]
            if random.random() < MASKED_SHARE:
                pixels = masked(pixels, targets.landmarks[0], random)
        else:
            pool = self.photos if source == "photo" else self.empty
            photo = pool[random.integers(len(pool))]
            pixels, targets = photo.pixels, photo.targets
        if random.random() < 0.5:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
            targets = self.mirror(targets, pixels.shape[1])
        return pixels, targets

    def _zoomed(
        self,
        pixels: NDArray[np.uint8],
        targets: Targets,
        sizes: tuple[float, float],
        size: int,
        random: np.random.Generator,
    ) -> View:
        """A picture under a random similarity, one of its faces ``sizes`` long."""
        matrix, angle = zoom(pixels, targets, sizes, size, random)
        moved = keep_visible(warp(targets, matrix, angle), size, self.smallest)
        return render(pixels, matrix, size, self._background(size, random)), moved

    def _mosaic(self, random: np.random.Generator) -> View:
        """Four photos in one view, each a quarter of it."""
        half = self.size // 2
        sizes = (FACE_SIZES["photo"][0], FACE_SIZES["photo"][1] / 2)
        view = np.empty((self.size, self.size, 3), np.uint8)
        parts: list[Targets] = []
        for y in (0, half):
            for x in (0, half):
                photo = self._draw("photo", random)
                view[y : y + half, x : x + half], targets = self._zoomed(
                    *photo, sizes, half, random
                )
                shift = np.array([[1.0, 0, x], [0, 1, y]])
                parts.append(warp(targets, shift, 0.0))
        return view, concatenate(parts)

    def _crowd(self, random: np.random.Generator) -> View:
        """Up to MAX_CROWD single faces, faded into a photo without any."""
        pixels, nobody = self._draw("empty", random)
        view = Image.fromarray(pixels).resize((self.size, self.size), Image.Resampling.BILINEAR)
        parts: list[Targets] = [nobody]
        taken = np.zeros((0, 4))
        for _ in range(random.integers(2, MAX_CROWD + 1)):
            pixels, targets = self._draw("single", random)
            longer = float((targets.boxes[0, 2:] - targets.boxes[0, :2]).max())
            scale = np.exp(random.uniform(*np.log(FACE_SIZES["crowd"]))) / longer
            centre = (targets.boxes[0, :2] + targets.boxes[0, 2:]) / 2
            place = random.uniform(0.04, 0.96, 2) * self.size
            matrix, angle = similarity(scale, centre, place, 2 * MAX_ANGLE_RAD, random)
            moved = keep_visible(warp(targets, matrix, angle), self.size, self.smallest)
            if not len(moved) or covers(moved.boxes[0], taken):
                continue
            view.paste(*faded(pixels, matrix, self.size))
            taken = np.concatenate([taken, moved.boxes])
            parts.append(moved)
        return np.asarray(view), concatenate(parts)

    def _background(self, size: int, random: np.random.Generator) -> Image.Image | None:
        """What lies beyond the photo's edges: another photo without faces, or plain grey.

        Always grey, and the network would learn that faces are what has straight grey edges.
        """
        if random.random() < 0.3 or not self.empty:
            return None
        photo = Image.fromarray(self.empty[random.integers(len(self.empty))].pixels)
        return photo.resize((size, size), Image.Resampling.BILINEAR)


def zoom(
    pixels: NDArray[np.uint8],
    targets: Targets,
    sizes: tuple[float, float],
    size: int,
    random: np.random.Generator,
) -> tuple[Array, float]:
    """A random similarity (2, 3) from a photo to the view, and its angle."""
    height, width = pixels.shape[:2]
    usable = np.flatnonzero(~targets.ignore)
    if len(usable):
        box = targets.boxes[random.choice(usable)]
        centre = (box[:2] + box[2:]) / 2
        longer = float((box[2:] - box[:2]).max())
        scale = float(np.clip(np.exp(random.uniform(*np.log(sizes))) / longer, *SCALES))
        # blowing a blurred speck up to a portrait teaches nothing
        scale = min(scale, max(1.0, 64.0 / longer) * 1.5)
    else:
        centre = random.uniform([0, 0], [width, height])
        scale = size / max(width, height) * np.exp(random.uniform(-0.3, 1.2))
    place = random.uniform(0.08, 0.92, 2) * size
    return similarity(scale, centre, place, MAX_ANGLE_RAD, random)


def similarity(
    scale: float, centre: Array, place: Array, max_angle_rad: float, random: np.random.Generator
) -> tuple[Array, float]:
    """A matrix (2, 3) that takes ``centre`` to ``place``, and its random angle."""
    angle = float(np.clip(random.normal(0, 0.4), -1, 1)) * max_angle_rad
    return similarity_matrix(scale, angle, centre, place), angle


def covers(box: Array, others: Array) -> bool:
    """Whether a box (4,) hides a good part of one of ``others`` (N, 4), or is hidden by it."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return bool((shared > 0.15 * np.minimum(areas, (box[2:] - box[:2]).prod())).any())


def faded(
    pixels: NDArray[np.uint8], matrix: Array, size: int
) -> tuple[Image.Image, tuple[int, int], Image.Image]:
    """A crop warped into a view, for ``Image.paste``: patch, its corner, and a mask.

    The mask fades out towards the inscribed circle, so that no straight edge gives a face away.
    """
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ matrix[:, :2].T
    low = np.floor(np.clip((corners + matrix[:, 2]).min(axis=0), 0, size - 1)).astype(int)
    high = np.ceil(np.clip((corners + matrix[:, 2]).max(axis=0), low + 1, size)).astype(int)
    local = matrix.copy()
    local[:, 2] -= low
    side = int((high - low).max())
    patch = render(pixels, local, side)[: high[1] - low[1], : high[0] - low[0]]
    inverse = np.linalg.inv(np.concatenate([local, [[0, 0, 1]]]))[:2]
    x, y = np.meshgrid(np.arange(patch.shape[1]) + 0.5, np.arange(patch.shape[0]) + 0.5)
    source = np.stack([x, y], axis=2) @ inverse[:, :2].T + inverse[:, 2]
    radius = np.hypot(source[..., 0] / width - 0.5, source[..., 1] / height - 0.5)
    alpha = np.clip((0.5 - radius) / 0.1, 0, 1)
    corner = (int(low[0]), int(low[1]))
    return Image.fromarray(patch), corner, Image.fromarray((alpha * 255).astype(np.uint8))


def letterbox_matrix(height: int, width: int, size: int) -> Array:
    """The similarity (2, 3) that fits a photo into the middle of the square input."""
    scale = size / max(height, width)
    return np.array(
        [[scale, 0, (size - scale * width) / 2], [0, scale, (size - scale * height) / 2]]
    )


def letterboxed(photo: Photo, size: int) -> View:
    """A whole photo as the runtime shows it to the network, with its faces."""
    height, width = photo.pixels.shape[:2]
    matrix = letterbox_matrix(height, width, size)
    moved = keep_visible(warp(photo.targets, matrix, 0.0), size, SMALLEST * size)
    return render(photo.pixels, matrix, size), moved


def render(
    pixels: NDArray[np.uint8], matrix: Array, size: int, background: Image.Image | None = None
) -> NDArray[np.uint8]:
    """Warp a photo into uint8 (size, size, 3), antialiased where it shrinks.

    Outside it, ``background`` (size, size) shows, or grey.
    """
    scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
    source = pixels
    if scale < 1:
        source = resize(pixels, scale)
        stretch = [source.shape[1] / pixels.shape[1], source.shape[0] / pixels.shape[0]]
        matrix = matrix.copy()
        matrix[:, :2] /= stretch
    inverse = np.linalg.inv(np.concatenate([matrix, [[0, 0, 1]]]))[:2]
    # PIL maps pixel centres as (x + 0.5, y + 0.5), like image_px
    view = Image.fromarray(source).transform(
        (size, size),
        Image.Transform.AFFINE,
        tuple(inverse.ravel()),
        Image.Resampling.BILINEAR,
        fillcolor=(GREY, GREY, GREY),
    )
    if background is not None:
        covered = Image.new("1", source.shape[1::-1], 1).transform(
            (size, size), Image.Transform.AFFINE, tuple(inverse.ravel())
        )
        view = Image.composite(view, background, covered)
    return np.asarray(view)


def keep_visible(targets: Targets, size: int, smallest: float) -> Targets:
    """Faces of which enough lies inside the view; those under ``smallest`` px are ignored."""
    boxes = targets.boxes
    extent = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    clipped = np.clip(boxes, 0, size)
    share = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1) / extent.prod(axis=1)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centre >= 0) & (centre < size)).all(axis=1)
    ignore = targets.ignore | (share < VISIBLE) | ~inside | (extent.max(axis=1) < smallest)
    return replace(targets, ignore=ignore)[share > 0.05]


def scene_targets(targets: Targets, image_index: Array, images: int) -> Batch:
    """Targets in input px as tensors, a row a face, for a `GridLoss`.

    The faces of an image must stand together, the images in order.
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
