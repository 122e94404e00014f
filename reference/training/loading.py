"""Loading what a recipe's network learns from, and what it is judged by."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, Sampler, WeightedRandomSampler

from edgeface.errors import InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.reference.data.cache import digest
from edgeface.reference.data.packs import nothing_in_split
from edgeface.reference.data.photos import Photo
from edgeface.reference.networks.checkpoint import SHIPPED, load_network
from edgeface.reference.networks.predict import predict_boxes
from edgeface.reference.networks.rebase import on_face_model
from edgeface.reference.training.recipe import Labels, Recipe
from edgeface.reference.training.views.augment import jitter
from edgeface.reference.training.views.crops import CropBatches
from edgeface.reference.training.views.draw import Renderer
from edgeface.reference.training.views.plan import Batch
from edgeface.reference.training.views.prepared import Prepared, Wanted, prepare
from edgeface.reference.training.views.scenes import SceneBatches
from edgeface.reference.training.views.unified import Balanced, UnifiedBatches, read_unified
from edgeface.reference.training.weak_labels import weakly_labelled
from edgeface.types import FloatArray

log = logging.getLogger(__name__)

SHOWN = 0.05
"""The least score of an expression that a face shows: lower ones are the teacher's noise."""


@dataclass(frozen=True)
class Split:
    """One split of what a network learns from.

    Attributes
    ----------
    dataset : makes a batch of its indices
    sampler : gives the indices in the order of training
    batch_size : the number of indices in a batch
    scores : shape (N, 46), the teacher's expressions of the faces, NaN where it saw no face
    skipped : the names of corrupt images
    renderer : draws the plans that the dataset makes; None if the dataset makes images
    augment : whether the colours of drawn views are changed
    """

    dataset: Any
    sampler: Sampler[int]
    batch_size: int
    scores: FloatArray
    skipped: list[str]
    renderer: Renderer | None = None
    augment: bool = False

    def images(self, batch: Batch) -> Tensor:
        """The network's input of a batch, uint8 (B, S, S, 3), on the batch's device."""
        if self.renderer is None:
            return batch["image"]
        drawn = self.renderer(batch)
        return jitter(drawn) if self.augment else drawn


def read_crops(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Split:
    """Read crops of single faces; those for validation are not warped."""
    pairs = recipe.disentangle > 0 and not validation
    prepared = _prepared(recipe, model, folder, validation, photos=False, copies=pairs)
    copies = prepared.copies if pairs else None
    size = recipe.config.input_size
    masked = None if validation else prepared.masked
    dataset = CropBatches(prepared.faces, model, size, not validation, copies, masked)
    batch_size = max(1, recipe.batch_size // 2) if pairs else recipe.batch_size
    sampler = WeightedRandomSampler(prepared.shares.tolist(), len(dataset))
    return _drawn(dataset, sampler, batch_size, prepared, augment=not validation)


def read_scenes(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Split:
    """Read views of photos with any number of faces; those for validation are whole photos."""
    prepared = _prepared(recipe, model, folder, validation, photos=True)
    if not len(prepared.photos):
        raise nothing_in_split("photo", validation)
    if not (validation or len(prepared.empty)):
        raise nothing_in_split("photo without faces", validation)
    sizes = (recipe.config.input_size, *recipe.sizes)
    dataset = SceneBatches(prepared, model, sizes, fixed=validation)
    sampler = RandomSampler(dataset)
    return _drawn(dataset, sampler, recipe.batch_size, prepared, augment=not validation)


def _prepared(
    recipe: Recipe,
    model: FaceModel,
    folder: Path,
    validation: bool,
    photos: bool,
    copies: bool = False,
) -> Prepared:
    turned = 0.0 if validation else recipe.turned
    labels = recipe.labels
    # another sfn says something else
    how = f"{labels} {digest(SHIPPED['sfn'])}" if labels == "sfn" else labels
    wanted = Wanted(validation, photos, turned, copies, recipe.seed, recipe.sources)
    return prepare(folder, model, wanted, how, lambda some: _relabelled(some, labels, model))


def _drawn(
    dataset: SceneBatches | CropBatches,
    sampler: Sampler[int],
    batch_size: int,
    prepared: Prepared,
    augment: bool,
) -> Split:
    return Split(
        dataset, sampler, batch_size, prepared.scores, prepared.skipped,
        Renderer(prepared.atlas), augment,
    )  # fmt: skip


def read_databases(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Split:
    """Read crops of several databases; an epoch has as many of each."""
    turned = 0.0 if validation else recipe.turned
    faces = read_unified(folder, model, recipe.databases, validation, turned, recipe.seed)
    dataset = UnifiedBatches(faces, recipe.config.input_size, not validation)
    sampler = Balanced(faces.database)
    return Split(dataset, sampler, recipe.batch_size, faces.scores, faces.skipped)


def load_batches(split: Split, validation: bool, workers: int, least: int = 0) -> DataLoader[Batch]:
    """Load the batches of a split, those of training by ``workers`` processes.

    An epoch has at least ``least`` views. Fewer views than a batch are one smaller batch.
    """
    if split.skipped:
        log.warning("skipped %d corrupt images: %s", len(split.skipped), ", ".join(split.skipped))
    sampler: Any = split.sampler
    if len(sampler) < least:
        sampler = Again(sampler, least)
    several = workers > 0 and not validation
    return DataLoader(
        split.dataset,
        batch_size=split.batch_size,
        sampler=None if validation else sampler,
        drop_last=not validation and len(sampler) >= split.batch_size,
        collate_fn=_as_is,
        num_workers=workers if several else 0,
        persistent_workers=several,
        prefetch_factor=4 if several else None,
    )


class Again(Sampler[int]):
    """A sampler that begins again until it has given ``count`` indices."""

    def __init__(self, sampler: Sampler[int], count: int) -> None:
        self.sampler, self.count = sampler, count

    def __iter__(self) -> Iterator[int]:
        return islice(chain.from_iterable(repeat(self.sampler)), self.count)

    def __len__(self) -> int:
        return self.count


def unseen_expressions(scores: FloatArray) -> tuple[str, ...]:
    """The expressions that no face shows, by the teacher's scores (N, 46).

    If the teacher saw no face at all, none is named, since landmarks alone do not tell.
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
        If the shipped SFN shall give them, but its face model has another mesh.
    """
    if labels == "sfn":
        try:
            sfn = on_face_model(load_network("sfn"), model)
        except InvalidInputError as error:
            raise InvalidInputError(f"the shipped sfn cannot label photos: {error}") from error
        return weakly_labelled(photos, lambda image, boxes: predict_boxes(sfn, image, boxes))
    if labels == "boxes":
        bare = [replace(p.targets, has_fit=np.zeros_like(p.targets.has_fit)) for p in photos]
        return [replace(p, targets=t) for p, t in zip(photos, bare, strict=True)]
    return photos


def _as_is(batch: Any) -> Batch:
    return batch
