"""Planning the SFN's views, which are warped face crops."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import Dataset

from edgeface.face_model import FaceModel
from edgeface.reference.data.targets import Mirror, Targets, concatenate, similarity_matrix, warp
from edgeface.reference.geometry.pose import rotation_to_quaternion
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.training.views.plan import Batch, Picture, View, blur, lay, pack
from edgeface.reference.training.views.pools import Pool
from edgeface.types import FloatArray, IntArray

SCALE_RANGE = (0.8, 1.2)
MASKED_SHARE = 0.06
MAX_SHIFT = 0.1  # of the box's longer side
MAX_ANGLE_RAD = np.deg2rad(30.0)


@dataclass(frozen=True)
class Crop(View):
    """A view of one face, and what was drawn at random for it."""

    matrix: FloatArray
    angle: float
    unsharp: float


class CropBatches(Dataset[Batch]):
    """Plans of random warps of faces; ``__getitems__`` plans a whole batch at once.

    Crops are scaled by 0.8 to 1.2, moved by up to 10 %, turned by up to 30 degrees and mirrored
    (2019, Sec. 4.3.1).

    Parameters
    ----------
    faces : pictures with one face each
    model : the face model that tells what a mirror makes of coefficients
    size : the side of a crop, px
    augment : whether crops are warped; otherwise they are plain
    copies : for each face, the row in ``faces`` of its copy with another expression, or -1. If
        given, a batch of B indices has 2 B crops, and the second half are copies of the first: some
        are moved otherwise (``moved`` is true), some have another expression in the same place.
        Copies are not drawn by themselves.
    masked : faces with masks, one of which now and then takes a face's place
    """

    def __init__(
        self,
        faces: Pool,
        model: FaceModel,
        size: int,
        augment: bool,
        copies: IntArray | None = None,
        masked: Pool | None = None,
    ) -> None:
        self.masked = masked
        self.faces, self.size, self.augment, self.copies = faces, size, augment, copies
        self.mirror = Mirror(model)

    def __len__(self) -> int:
        return len(self.faces) if self.copies is None else len(self.copies)

    def __getitems__(self, indices: list[int]) -> Batch:
        random = np.random.default_rng(int(torch.randint(2**62, ()))) if self.augment else None
        mirrors = [random is not None and random.random() < 0.5 for _ in indices]
        views = [self._view(i, m, random) for i, m in zip(indices, mirrors, strict=True)]
        extra: Batch = {}
        if self.copies is not None and random is not None:
            rows = self.copies[np.array(indices)]
            moved = (random.random(len(indices)) < 0.5) | (rows < 0)
            order = np.concatenate([np.flatnonzero(~moved), np.flatnonzero(moved)])
            for k in map(int, order):
                # a copy mirrored otherwise would differ in identity
                again = (
                    self._view(indices[k], mirrors[k], random)
                    if moved[k]
                    else self._in_place(int(rows[k]), mirrors[k], views[k])
                )
                views.append(again)
            extra = {"moved": torch.from_numpy(moved[order]), "copy_of": torch.from_numpy(order)}
        targets = concatenate([view.targets for view in views])
        plan = pack([view.layers for view in views], self.size)
        return plan | crop_targets(targets, self.size) | extra

    def _view(self, row: int, mirror: bool, random: np.random.Generator | None) -> Crop:
        """A random view of one face."""
        picture, targets = self._picture(row, mirror, random)
        matrix, angle = crop_matrix(targets.boxes[0], self.size, random)
        return self._crop(picture, targets, matrix, angle, 0.0 if random is None else blur(random))

    def _in_place(self, row: int, mirror: bool, of: Crop) -> Crop:
        """A view that shows another face in the place of a view's own."""
        return self._crop(*self._picture(row, mirror), of.matrix, of.angle, of.unsharp)

    def _picture(
        self, row: int, mirror: bool, random: np.random.Generator | None = None
    ) -> tuple[Picture, Targets]:
        picture, targets = self.faces[row]
        paired = self.copies is not None  # a copy would be of somebody else
        if random is not None and self.masked and not paired and random.random() < MASKED_SHARE:
            picture, targets = self.masked[int(random.integers(len(self.masked)))]
        if mirror:
            picture = replace(picture, mirrored=True)
            targets = self.mirror(targets, picture.width)
        return picture, targets

    def _crop(
        self, picture: Picture, targets: Targets, matrix: FloatArray, angle: float, unsharp: float
    ) -> Crop:
        area = (0, 0, self.size, self.size)
        layers = [lay(picture, matrix, area, unsharp=unsharp)]
        return Crop(layers, warp(targets, matrix, angle), matrix, angle, unsharp)


def crop_matrix(
    box: FloatArray, size: int, random: np.random.Generator | None = None
) -> tuple[FloatArray, float]:
    """The similarity (2, 3) from a picture to the SFN's crop of ``box``, and its angle in rad."""
    centre = (box[:2] + box[2:]) / 2
    longer = (box[2:] - box[:2]).max()
    side, angle = CROP_SCALE * longer, 0.0
    if random is not None:
        side *= random.uniform(*SCALE_RANGE)
        centre = centre + random.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * longer
        angle = float(np.clip(random.normal(0, 0.4), -1, 1)) * MAX_ANGLE_RAD
    middle = np.array([size / 2, size / 2])
    return similarity_matrix(size / side, angle, centre, middle), angle


def crop_targets(targets: Targets, size: int) -> Batch:
    """Targets in pixels of crops as tensors, whose landmarks are in the crop's ``face_norm``."""
    norm = (targets.landmarks - size / 2) / (size / CROP_SCALE)
    return {
        "landmarks": torch.from_numpy(norm.astype(np.float32)),
        "identity": torch.from_numpy(targets.identity),
        "expression": torch.from_numpy(targets.expression),
        "quaternion": torch.from_numpy(rotation_to_quaternion(targets.rotation)),
        "gaze": torch.from_numpy(targets.gaze.reshape(-1, 4)),
    }
