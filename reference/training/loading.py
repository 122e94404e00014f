"""What a recipe's network learns from, and what it is judged by, for each sort of data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, Sampler, WeightedRandomSampler

from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.reference.data.faces import read_faces
from edgeface.reference.data.photos import Photo, read_photos
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.networks.predict import predict_boxes
from edgeface.reference.networks.rebase import on_face_model
from edgeface.reference.training.recipe import Labels, Recipe
from edgeface.reference.training.views.crops import CropBatches
from edgeface.reference.training.views.rarity import draw_shares
from edgeface.reference.training.views.scenes import SceneBatches
from edgeface.reference.training.views.synthesis import add_turned
from edgeface.reference.training.views.unified import Balanced, UnifiedBatches, read_unified
from edgeface.reference.training.weak_labels import weakly_labelled

Array = NDArray[Any]
Batch = dict[str, Tensor]

SHOWN = 0.05
"""The least score of an expression that a face shows: lower ones are the teacher's noise."""


@dataclass(frozen=True)
class Split:
    """One split of what a network learns from.

    Attributes
    ----------
    dataset, sampler : what draws a batch by its indices, and in which order those come
    batch_size : how many indices a batch has
    scores : shape (N, 46), the teacher's expressions of the faces in it, NaN where it saw none
    skipped : the names of corrupt images
    """

    dataset: Any
    sampler: Sampler[int]
    batch_size: int
    scores: Array
    skipped: list[str]


def read_crops(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Split:
    """Crops of single faces, plain ones for validation."""
    faces = read_faces(folder, model, validation)
    scores, batch_size = faces.scores, recipe.batch_size
    pairs = recipe.disentangle > 0 and not validation
    if not validation:
        faces = add_turned(faces, model, recipe.turned, recipe.seed)
    dataset = CropBatches(faces, model, recipe.config.input_size, not validation, pairs)
    size = max(1, batch_size // 2) if pairs else batch_size
    sampler = WeightedRandomSampler(draw_shares(faces.targets).tolist(), len(dataset))
    return Split(dataset, sampler, size, scores, faces.skipped)


def read_scenes(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Split:
    """Views of photos with any number of faces, whole photos for validation."""
    faces = read_faces(folder, model, validation)
    photos, empty, unreadable = read_photos(folder, model, validation)
    scores = np.concatenate([faces.scores, *(photo.scores for photo in photos)])
    if not validation:
        faces = add_turned(faces, model, recipe.turned, recipe.seed)
    photos = _relabelled(photos, recipe.labels, model)
    size = recipe.config.input_size
    dataset = SceneBatches(photos, empty, faces, model, size, fixed=validation)
    skipped = unreadable + faces.skipped
    return Split(dataset, RandomSampler(dataset), recipe.batch_size, scores, skipped)


def read_databases(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Split:
    """Crops from several databases, as many of each an epoch."""
    turned = 0.0 if validation else recipe.turned
    faces = read_unified(folder, model, recipe.databases, validation, turned, recipe.seed)
    dataset = UnifiedBatches(faces, recipe.config.input_size, not validation)
    sampler = Balanced(faces.database)
    return Split(dataset, sampler, recipe.batch_size, faces.scores, faces.skipped)


def load_batches(split: Split, validation: bool, workers: int) -> DataLoader[Batch]:
    """The batches of a split; ``workers`` processes draw those of training."""
    if split.skipped:
        print(f"skipped {len(split.skipped)} corrupt images: {', '.join(split.skipped)}")
    return DataLoader(
        split.dataset,
        batch_size=split.batch_size,
        sampler=None if validation else split.sampler,
        drop_last=not validation,
        collate_fn=_as_is,
        num_workers=0 if validation else workers,
        persistent_workers=workers > 0 and not validation,
    )


def unseen_expressions(scores: Array) -> tuple[str, ...]:
    """The expressions that no face shows, by the teacher's scores (N, 46).

    None are named where the teacher saw no face: landmarks alone do not tell.
    """
    seen = scores[np.isfinite(scores).all(axis=1)]
    if not len(seen):
        return ()
    most = dict(zip(EXPRESSION_NAMES, seen.max(axis=0).tolist(), strict=True))
    return tuple(name for name, score in most.items() if score < SHOWN)


def _relabelled(photos: list[Photo], labels: Labels, model: FaceModel) -> list[Photo]:
    """The photos with the coefficients that a recipe asks for.

    Raises
    ------
    InvalidInputError
        If the shipped SFN shall give them, but speaks of a face model of another mesh.
    """
    if labels == "sfn":
        sfn = on_face_model(load_network("sfn"), model)
        return weakly_labelled(photos, lambda image, boxes: predict_boxes(sfn, image, boxes))
    if labels == "boxes":
        bare = [replace(p.targets, has_fit=np.zeros_like(p.targets.has_fit)) for p in photos]
        return [replace(p, targets=t) for p, t in zip(photos, bare, strict=True)]
    return photos


def _as_is(batch: Any) -> Batch:
    return batch
