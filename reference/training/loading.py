"""The batches that a recipe's network learns from, and those it is judged by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, Sampler, WeightedRandomSampler

from edgeface.face_model import FaceModel
from edgeface.model import load
from edgeface.reference.data.faces import read_faces
from edgeface.reference.data.photos import Photo, read_photos
from edgeface.reference.training.recipe import Labels, Recipe
from edgeface.reference.training.views.crops import CropBatches
from edgeface.reference.training.views.rarity import draw_shares
from edgeface.reference.training.views.scenes import SceneBatches
from edgeface.reference.training.views.synthesis import add_turned
from edgeface.reference.training.views.unified import Balanced, FusionBatches, read_fused
from edgeface.reference.training.weak_labels import weakly_labelled

Batch = dict[str, Tensor]
Drawn = tuple[Any, Sampler[int], int, list[str]]


def batches(
    recipe: Recipe, model: FaceModel, folder: Path, validation: bool, workers: int
) -> DataLoader[Batch]:
    """The batches of one split; ``workers`` processes draw those of training."""
    read = _fused if recipe.config.kind == "fusion" else _plain
    dataset, sampler, batch_size, skipped = read(recipe, model, folder, validation)
    if skipped:
        print(f"skipped {len(skipped)} corrupt images: {', '.join(skipped)}")
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=None if validation else sampler,
        drop_last=not validation,
        collate_fn=_as_is,
        num_workers=0 if validation else workers,
        persistent_workers=workers > 0 and not validation,
    )


def _plain(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Drawn:
    """Views for an MFN, crops for an SFN: how to draw them, how many at once, those skipped."""
    config, batch_size = recipe.config, recipe.batch_size
    faces = read_faces(folder, model, validation)
    skipped = faces.skipped
    if not validation:
        faces = add_turned(faces, model, recipe.turned, recipe.seed)
    if config.kind == "sfn":
        pairs = recipe.disentangle > 0 and not validation
        batch_size = max(1, batch_size // 2) if pairs else batch_size
        dataset: CropBatches | SceneBatches = CropBatches(
            faces, model, config.input_size, not validation, pairs
        )
    else:
        photos, empty, unreadable = read_photos(folder, model, validation)
        skipped = unreadable + skipped
        photos = _relabelled(photos, recipe.labels)
        dataset = SceneBatches(photos, empty, faces, model, config.input_size, fixed=validation)
    return dataset, _sampler(dataset), batch_size, skipped


def _sampler(dataset: CropBatches | SceneBatches) -> Sampler[int]:
    """Crops by `draw_shares`, as many an epoch as there are faces; views draw their own faces."""
    if isinstance(dataset, SceneBatches):
        return RandomSampler(dataset)
    return WeightedRandomSampler(draw_shares(dataset.faces.targets).tolist(), len(dataset))


def _fused(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Drawn:
    """The same of the faces of several databases, as many of each an epoch."""
    turned = 0.0 if validation else recipe.turned
    faces = read_fused(folder, model, recipe.databases, validation, turned, recipe.seed)
    dataset: Any = FusionBatches(faces, recipe.config.input_size, not validation)
    return dataset, Balanced(faces.database), recipe.batch_size, faces.skipped


def _relabelled(photos: list[Photo], labels: Labels) -> list[Photo]:
    """The photos with the coefficients that a recipe asks for."""
    if labels == "sfn":
        sfn = load("sfn")
        return weakly_labelled(photos, lambda image, boxes: sfn.run(image, boxes_xyxy=boxes))
    if labels == "boxes":
        bare = [replace(p.targets, has_fit=np.zeros_like(p.targets.has_fit)) for p in photos]
        return [replace(p, targets=t) for p, t in zip(photos, bare, strict=True)]
    return photos


def _as_is(batch: Any) -> Batch:
    return batch
