"""Training and evaluation batches of the SFN: warped face crops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from edgeface.face_model import FaceModel
from edgeface.reference.data.faces import FaceSet
from edgeface.reference.data.targets import Mirror, Targets, concatenate, similarity_matrix, warp
from edgeface.reference.geometry.pose import rotation_to_quaternion
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.training.views.augment import jitter
from edgeface.reference.training.views.masks import masked
from edgeface.reference.training.views.synthesis import reexpressed

Array = NDArray[Any]
Batch = dict[str, Tensor]
Move = tuple[Array, float, bool]
"""From a picture to a crop: matrix (2, 3), its angle in rad, whether mirrored first."""

SCALE_RANGE = (0.8, 1.2)
MASKED_SHARE = 0.06
MAX_SHIFT = 0.1  # of the box's longer side
MAX_ANGLE_RAD = np.deg2rad(30.0)


class CropBatches(Dataset[Batch]):
    """Random warps of faces; ``__getitems__`` makes a whole batch at once.

    Scale in [0.8, 1.2], translation up to 10 %, in-plane rotation up to 30 degrees, mirror images
    and colour jitter (2019, Sec. 4.3.1); some faces wear a mask. Without ``augment``, the plain
    crops. With ``pairs``, a batch of B indices has 2 B crops: the second half are copies of the
    first, half of them moved otherwise (``moved`` is true), half with another expression on the
    same spot.
    """

    def __init__(
        self, faces: FaceSet, model: FaceModel, size: int, augment: bool, pairs: bool = False
    ) -> None:
        self.faces, self.model, self.size = faces, model, size
        self.augment, self.pairs = augment, pairs
        self.mirror = Mirror(model)

    def __len__(self) -> int:
        return len(self.faces.crops)

    def __getitems__(self, indices: list[int]) -> Batch:
        random = np.random.default_rng(int(torch.randint(2**62, ()))) if self.augment else None
        pictures = self.faces.crops[np.array(indices)]
        targets = [self.faces.targets[i : i + 1] for i in indices]
        if random is not None:
            for k in np.flatnonzero(random.random(len(indices)) < MASKED_SHARE):
                pictures[k] = masked(pictures[k], targets[k].landmarks[0], random)
        mirrors = [random is not None and random.random() < 0.5 for _ in indices]
        moves = [self._move(t.boxes[0], m, random) for t, m in zip(targets, mirrors, strict=True)]
        extra: Batch = {}
        if self.pairs and random is not None:
            moved = random.random(len(indices)) < 0.5
            edited = pictures.copy()
            for k in np.flatnonzero(~moved):
                i = indices[k]
                fit = self.faces.fit[i : i + 1]
                edited[k], change = reexpressed(pictures[k], targets[k], fit, self.model, random)
                targets.append(change)
                moves.append(moves[k])
            for k in np.flatnonzero(moved):
                targets.append(targets[k])
                # a mirrored copy would differ in identity
                moves.append(self._move(targets[k].boxes[0], mirrors[k], random))
            order = np.concatenate([np.flatnonzero(~moved), np.flatnonzero(moved)])
            pictures = np.concatenate([pictures, edited[order]])
            extra = {"moved": torch.from_numpy(moved[order]), "copy_of": torch.from_numpy(order)}
        warped = [self._warp(t, move) for t, move in zip(targets, moves, strict=True)]
        pixels = sample(pictures, np.stack([matrix for matrix, _ in warped]), self.size)
        if self.augment:
            pixels = jitter(pixels)
        batch = crop_targets(concatenate([t for _, t in warped]), self.size)
        return {"image": pixels} | batch | extra

    def _move(self, box: Array, mirror: bool, random: np.random.Generator | None) -> Move:
        """A random view of one face."""
        if mirror:
            width = self.faces.crops.shape[2]
            box = box[[2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0]
        return *crop_matrix(box, self.size, random), mirror

    def _warp(self, targets: Targets, move: Move) -> tuple[Array, Targets]:
        matrix, angle, mirror = move
        width = self.faces.crops.shape[2]
        if mirror:
            targets = self.mirror(targets, width)
        targets = warp(targets, matrix, angle)
        if mirror:  # the pixels are still the unmirrored ones
            matrix = matrix @ np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])
        return matrix, targets


def crop_matrix(
    box: Array, size: int, random: np.random.Generator | None = None
) -> tuple[Array, float]:
    """The similarity (2, 3) from a picture to the SFN's crop of ``box``, and its angle in rad."""
    centre = (box[:2] + box[2:]) / 2
    longer = (box[2:] - box[:2]).max()
    side, angle = CROP_SCALE * longer, 0.0
    if random is not None:
        side *= random.uniform(*SCALE_RANGE)
        centre = centre + random.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * longer
        angle = random.normal(0, 0.4) * MAX_ANGLE_RAD
        angle = float(np.clip(angle, -MAX_ANGLE_RAD, MAX_ANGLE_RAD))
    middle = np.array([size / 2, size / 2])
    return similarity_matrix(size / side, angle, centre, middle), angle


def sample(pictures: NDArray[np.uint8], matrices: Array, size: int) -> Tensor:
    """Warp pictures (B, H, W, 3) by matrices (B, 2, 3) into uint8 (B, size, size, 3).

    Bilinear, grey outside. Crops shrink by less than two here, so nothing worth a filter aliases.
    """
    height, width = pictures.shape[1:3]
    full = np.concatenate([matrices, np.tile([[[0.0, 0.0, 1.0]]], (len(matrices), 1, 1))], axis=1)
    # affine_grid wants output to input, both in [-1, 1] from edge to edge
    from_unit = np.array([[size / 2, 0, size / 2], [0, size / 2, size / 2], [0, 0, 1]])
    to_unit = np.array([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]])
    theta = torch.from_numpy((to_unit @ np.linalg.inv(full) @ from_unit)[:, :2]).float()
    grid = nn.functional.affine_grid(theta, [len(pictures), 3, size, size], align_corners=False)
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127.0
    warped = nn.functional.grid_sample(pixels, grid, mode="bilinear", align_corners=False) + 127.0
    return warped.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()


def crop_targets(targets: Targets, size: int) -> Batch:
    """Targets in the pixels of crops, as tensors, landmarks in the crop's ``face_norm``."""
    norm = (targets.landmarks - size / 2) / (size / CROP_SCALE)
    return {
        "landmarks": torch.from_numpy(norm.astype(np.float32)),
        "identity": torch.from_numpy(targets.identity),
        "expression": torch.from_numpy(targets.expression),
        "quaternion": torch.from_numpy(rotation_to_quaternion(targets.rotation)),
    }
