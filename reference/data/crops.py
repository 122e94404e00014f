"""Training and evaluation batches of the SFN: warped face crops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from edgeface.face_model import FaceModel
from edgeface.reference.augment import jitter
from edgeface.reference.data.faces import FaceSet
from edgeface.reference.data.targets import (
    Mirror,
    Targets,
    concatenate,
    rotation_to_quaternion,
    warp,
)

Array = NDArray[Any]
Batch = dict[str, Tensor]

CROP_SCALE = 1.3
"""Side of the SFN's crop, in longer sides of the face box."""
SCALE_RANGE = (0.8, 1.2)
MAX_SHIFT = 0.1  # of the box's longer side
MAX_ANGLE_RAD = np.deg2rad(30.0)


class CropBatches(Dataset[Batch]):
    """Random warps of faces; ``__getitems__`` makes a whole batch at once.

    Scale in [0.8, 1.2], translation up to 10 %, in-plane rotation up to 30 degrees, mirror images
    and colour jitter (2019, Sec. 4.3.1). Without ``augment``, the plain crops.
    """

    def __init__(self, faces: FaceSet, model: FaceModel, size: int, augment: bool) -> None:
        self.faces, self.size, self.augment = faces, size, augment
        self.mirror = Mirror(model)

    def __len__(self) -> int:
        return len(self.faces.crops)

    def __getitems__(self, indices: list[int]) -> Batch:
        random = np.random.default_rng(int(torch.randint(2**62, ()))) if self.augment else None
        warped = [self._warp(i, random) for i in indices]
        matrices = np.stack([matrix for matrix, _ in warped])
        pixels = sample(self.faces.crops[np.array(indices)], matrices, self.size)
        if self.augment:
            pixels = jitter(pixels)
        return {"image": pixels} | crop_targets(concatenate([t for _, t in warped]), self.size)

    def _warp(self, index: int, random: np.random.Generator | None) -> tuple[Array, Targets]:
        targets = self.faces.targets[index : index + 1]
        mirror = random is not None and random.random() < 0.5
        width = self.faces.crops.shape[2]
        if mirror:
            targets = self.mirror(targets, width)
        matrix, angle = crop_matrix(targets.boxes[0], self.size, random)
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
    c, s = np.cos(angle) * size / side, np.sin(angle) * size / side
    linear = np.array([[c, -s], [s, c]])
    shift = size / 2 - linear @ centre
    return np.concatenate([linear, shift[:, None]], axis=1), angle


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
