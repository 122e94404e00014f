"""Training batches of the MFN: zoomed photos, empty photos, and single faces placed anywhere."""

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
from edgeface.reference.augment import jitter
from edgeface.reference.data.faces import FaceSet
from edgeface.reference.data.photos import Photo, resize
from edgeface.reference.data.targets import (
    Mirror,
    Targets,
    concatenate,
    rotation_to_quaternion,
    warp,
)

Array = NDArray[Any]
Batch = dict[str, Tensor]

GREY = 127
FACE_SIZES = (14.0, 200.0)  # longer side of the face a view is zoomed on, input px
SCALES = (0.25, 5.0)
SMALLEST = 0.02  # of the input; smaller faces are neither demanded nor forbidden
VISIBLE = 0.5  # share of a box that must lie inside the view
MAX_ANGLE_RAD = np.deg2rad(20.0)
SHARES = (0.55, 0.1, 0.35)  # of photos, empty photos, single faces
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
        return {"image": pixels} | scene_targets(concatenate([v[1] for v in views]), index)

    def _view(self, random: np.random.Generator) -> tuple[NDArray[np.uint8], Targets]:
        source = random.choice(3, p=SHARES)
        if source == 2:
            i = random.integers(len(self.faces.crops))
            pixels, targets = self.faces.crops[i], self.faces.targets[i : i + 1]
        else:
            pool = self.photos if source == 0 else self.empty
            photo = pool[random.integers(len(pool))]
            pixels, targets = photo.pixels, photo.targets
        if random.random() < 0.5:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
            targets = self.mirror(targets, pixels.shape[1])
        matrix, angle = self._zoom(pixels, targets, random)
        moved = keep_visible(warp(targets, matrix, angle), self.size)
        view = render(pixels, matrix, self.size, self._background(random))
        return view, moved

    def _background(self, random: np.random.Generator) -> Image.Image | None:
        """What lies beyond the photo's edges: another photo without faces, or plain grey.

        Always grey, and the network would learn that faces are what has straight grey edges.
        """
        if random.random() < 0.3 or not self.empty:
            return None
        photo = Image.fromarray(self.empty[random.integers(len(self.empty))].pixels)
        return photo.resize((self.size, self.size), Image.Resampling.BILINEAR)

    def _zoom(
        self, pixels: NDArray[np.uint8], targets: Targets, random: np.random.Generator
    ) -> tuple[Array, float]:
        """A random similarity (2, 3) from the photo to the view, and its angle."""
        height, width = pixels.shape[:2]
        usable = np.flatnonzero(~targets.ignore)
        if len(usable):
            box = targets.boxes[random.choice(usable)]
            centre = (box[:2] + box[2:]) / 2
            longer = float((box[2:] - box[:2]).max())
            wanted = np.exp(random.uniform(*np.log(FACE_SIZES)))
            # blowing a blurred speck up to a portrait teaches nothing
            scale = float(np.clip(wanted / longer, *SCALES))
            scale = min(scale, max(1.0, 64.0 / longer) * 1.5)
        else:
            centre = random.uniform([0, 0], [width, height])
            scale = self.size / max(width, height) * np.exp(random.uniform(-0.3, 1.2))
        place = random.uniform(0.08, 0.92, 2) * self.size
        angle = float(np.clip(random.normal(0, 0.4), -1, 1)) * MAX_ANGLE_RAD
        c, s = np.cos(angle) * scale, np.sin(angle) * scale
        linear = np.array([[c, -s], [s, c]])
        return np.concatenate([linear, (place - linear @ centre)[:, None]], axis=1), angle


def letterbox_matrix(height: int, width: int, size: int) -> Array:
    """The similarity (2, 3) that fits a photo into the middle of the square input."""
    scale = size / max(height, width)
    return np.array(
        [[scale, 0, (size - scale * width) / 2], [0, scale, (size - scale * height) / 2]]
    )


def letterboxed(photo: Photo, size: int) -> tuple[NDArray[np.uint8], Targets]:
    """A whole photo as the runtime shows it to the network, with its faces."""
    height, width = photo.pixels.shape[:2]
    matrix = letterbox_matrix(height, width, size)
    return render(photo.pixels, matrix, size), keep_visible(warp(photo.targets, matrix, 0.0), size)


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


def keep_visible(targets: Targets, size: int) -> Targets:
    """Faces of which enough lies inside the view; tiny ones are marked to be ignored."""
    boxes = targets.boxes
    extent = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    clipped = np.clip(boxes, 0, size)
    share = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1) / extent.prod(axis=1)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centre >= 0) & (centre < size)).all(axis=1)
    ignore = targets.ignore | (share < VISIBLE) | ~inside | (extent.max(axis=1) < SMALLEST * size)
    return replace(targets, ignore=ignore)[share > 0.05]


def scene_targets(targets: Targets, image_index: Array) -> Batch:
    """Targets in input px as tensors, a row a face."""
    return {
        "image_index": torch.from_numpy(image_index.astype(np.int64)),
        "boxes": torch.from_numpy(targets.boxes),
        "ignore": torch.from_numpy(targets.ignore),
        "has_fit": torch.from_numpy(targets.has_fit),
        "landmarks": torch.from_numpy(targets.landmarks),
        "identity": torch.from_numpy(targets.identity),
        "expression": torch.from_numpy(targets.expression),
        "quaternion": torch.from_numpy(rotation_to_quaternion(targets.rotation)),
    }
