"""Faces of several databases under one set of landmarks (Wang et al. 2019)."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.conventions import UnifiedLandmarks, read_convention, unify
from edgeface.reference.geometry.alignment import expression_mirror
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.training.databases import conventions_of, read_database
from edgeface.reference.training.views.augment import blur, jitter
from edgeface.reference.training.views.crops import crop_matrix
from edgeface.types import AnyArray, FloatArray, ImageArray, IntArray

Batch = dict[str, Tensor]

EPOCH_FACES = 6400
"""The number of faces in an epoch, of whatever databases, so that epochs cost the same."""


@dataclass(frozen=True)
class UnifiedFaces:
    """N faces of several databases under L unified landmarks.

    Attributes
    ----------
    landmarks : the unified landmarks
    pictures : for each database, uint8, shape (n, 256, 256, 3)
    database, row : int, shape (N,), the database of each face and the row of its picture there
    boxes : shape (N, 4), xyxy, in the pictures
    points : float32, shape (N, L, 2), in the pictures; 0 where the weight is 0
    weights : float32, shape (N, L), which sum to 1 for each face: Eq. 1's mask over its sum. If a
        face is labelled in several conventions, each has an equal share.
    depth : float32, shape (N, L), towards the back, pixels of the pictures, NaN where not known
    expression : float32, shape (N, 46), fitted to what the teacher saw, NaN where it saw no face
    scores : float32, shape (N, 46), the teacher's expressions, NaN where it saw no face
    expression_mirror : int, shape (46,), which expression a mirror turns each into
    skipped : the names of corrupt images
    """

    landmarks: UnifiedLandmarks
    pictures: tuple[ImageArray, ...]
    database: IntArray
    row: IntArray
    boxes: FloatArray
    points: FloatArray
    weights: FloatArray
    depth: FloatArray
    expression: FloatArray
    scores: FloatArray
    expression_mirror: IntArray
    skipped: list[str]

    def __len__(self) -> int:
        return len(self.row)

    def crops(self, index: IntArray) -> ImageArray:
        """The pictures (B, 256, 256, 3) of some faces."""
        return np.stack([self.pictures[self.database[i]][self.row[i]] for i in index])


def unified_landmarks(databases: Sequence[str]) -> UnifiedLandmarks:
    """The determined landmarks of the databases' conventions."""
    conventions = dict.fromkeys(c for name in databases for c in conventions_of(name))
    return unify([read_convention(name) for name in conventions])


def read_unified(
    folder: Path,
    model: FaceModel,
    databases: Sequence[str],
    validation: bool,
    turned: float = 0.0,
    seed: int = 0,
) -> UnifiedFaces:
    """Read one split of the databases; ``turned`` is the share of pack faces with turned copies."""
    landmarks = unified_landmarks(databases)
    sets = [
        read_database(name, folder, model, validation, turned, seed + i)
        for i, name in enumerate(databases)
    ]
    targets = [unified_targets(faces.points, landmarks) for faces in sets]
    return UnifiedFaces(
        landmarks=landmarks,
        pictures=tuple(faces.crops for faces in sets),
        database=np.repeat(np.arange(len(sets)), [len(faces.crops) for faces in sets]),
        row=np.concatenate([np.arange(len(faces.crops)) for faces in sets]),
        boxes=np.concatenate([faces.boxes for faces in sets]),
        points=np.concatenate([points for points, _ in targets]),
        weights=np.concatenate([weights for _, weights in targets]),
        depth=_unified_depth(np.concatenate([faces.depth for faces in sets]), landmarks),
        expression=np.concatenate([faces.expression for faces in sets]),
        scores=np.concatenate([faces.scores for faces in sets]),
        expression_mirror=expression_mirror(model),
        skipped=[name for faces in sets for name in faces.skipped],
    )


def _unified_depth(depth: FloatArray, landmarks: UnifiedLandmarks) -> FloatArray:
    """The depth (N, L) at the unified landmarks of meshes whose vertices have depth (N, 478)."""
    found = np.full((len(depth), len(landmarks.names)), np.nan, np.float32)
    if "mesh" in landmarks.columns:
        column = landmarks.columns["mesh"]
        found[:, column[column >= 0]] = depth[:, column >= 0]
    return found


def unified_targets(
    labels: dict[str, AnyArray], landmarks: UnifiedLandmarks
) -> tuple[FloatArray, FloatArray]:
    """The unified points (N, L, 2) and weights (N, L) of faces labelled in some conventions.

    Raises
    ------
    InvalidInputError
        If a face's mask is all zeros.
    """
    count = len(next(iter(labels.values())))
    points = np.zeros((count, len(landmarks.names), 2), np.float32)
    weights = np.zeros(points.shape[:2], np.float32)
    for name, labelled in labels.items():
        known = np.asarray(np.isfinite(labelled).all(axis=2))
        rows = np.flatnonzero(known.any(axis=1))
        target, mask = landmarks.targets(name, labelled[rows])
        weight = mask / mask.sum(axis=1, keepdims=True)
        points[rows] += weight[..., None] * target
        weights[rows] += weight
    total = weights.sum(axis=1, keepdims=True)
    if (total == 0).any():
        raise InvalidInputError(
            f"{int((total == 0).sum())} of {count} faces have no labelled point"
        )
    points /= np.where(weights > 0, weights, 1)[..., None]
    weights /= total
    return points, weights


class UnifiedBatches(Dataset[Batch]):
    """Crops of faces; ``__getitems__`` makes a whole batch at once.

    With ``augment``, boxes are scaled and moved, and crops turned, mirrored and changed in colour.
    """

    def __init__(self, faces: UnifiedFaces, size: int, augment: bool) -> None:
        self.faces, self.size, self.augment = faces, size, augment

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> Batch:
        random = np.random.default_rng(int(torch.randint(2**62, ()))) if self.augment else None
        faces, index = self.faces, np.array(indices)
        flipped = np.zeros(len(index), bool) if random is None else random.random(len(index)) < 0.5
        pictures = faces.crops(index)
        width = pictures.shape[2]
        boxes, points = faces.boxes[index], faces.points[index]
        weights, expression = faces.weights[index], faces.expression[index]
        depth = faces.depth[index]
        mirror = faces.landmarks.mirror
        boxes[flipped] = boxes[flipped][:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0]
        points[flipped] = points[flipped][:, mirror] * [-1, 1] + [width, 0]
        weights[flipped] = weights[flipped][:, mirror]
        depth[flipped] = depth[flipped][:, mirror]
        expression[flipped] = expression[flipped][:, faces.expression_mirror]
        matrices = np.stack([crop_matrix(box, self.size, random)[0] for box in boxes])
        zoom = np.sqrt(np.linalg.det(matrices[:, :, :2]))
        placed = points @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
        flip = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])
        matrices[flipped] = matrices[flipped] @ flip  # the pixels are still the unflipped ones
        pixels = sample(pictures, matrices, self.size)
        norm = (placed - self.size / 2) / (self.size / CROP_SCALE)
        return {
            "image": jitter(blur(pixels)) if self.augment else pixels,
            "points": torch.from_numpy(norm.astype(np.float32)),
            "depth": torch.from_numpy(
                (depth * zoom[:, None] / (self.size / CROP_SCALE)).astype(np.float32)
            ),
            "weights": torch.from_numpy(weights),
            "expression": torch.from_numpy(expression),
        }


def sample(pictures: ImageArray, matrices: FloatArray, size: int) -> Tensor:
    """Warp pictures (B, H, W, 3) by matrices (B, 2, 3) into uint8 (B, size, size, 3).

    Sampling is bilinear, and grey outside. Crops shrink by less than two here, so they need no
    filter against aliases.
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


class Balanced(Sampler[int]):
    """Draws an epoch of EPOCH_FACES anew each time, as many of every database.

    A larger database gives a random part of its faces; the faces of a smaller one come again.
    """

    def __init__(self, database: IntArray) -> None:
        self.rows = [np.flatnonzero(database == i) for i in np.unique(database)]
        self.share = EPOCH_FACES // len(self.rows)

    def __len__(self) -> int:
        return self.share * len(self.rows)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        drawn = [np.resize(random.permutation(rows), self.share) for rows in self.rows]
        return iter(random.permutation(np.concatenate(drawn)).tolist())
