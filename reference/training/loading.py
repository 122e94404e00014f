"""The batches that a recipe's network learns from, and those it is judged by."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, Sampler

from edgeface.face_model import FaceModel
from edgeface.model import load
from edgeface.reference.data.cache import digest
from edgeface.reference.data.photos import Photo
from edgeface.reference.networks.checkpoint import SHIPPED
from edgeface.reference.training.recipe import Labels, Recipe
from edgeface.reference.training.views.augment import jitter
from edgeface.reference.training.views.crops import CropBatches
from edgeface.reference.training.views.draw import Renderer
from edgeface.reference.training.views.plan import Batch
from edgeface.reference.training.views.prepared import Prepared, Wanted, prepare
from edgeface.reference.training.views.scenes import SceneBatches
from edgeface.reference.training.views.unified import Balanced, FusionBatches, read_fused
from edgeface.reference.training.weak_labels import weakly_labelled

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """The batches of one split.

    Attributes
    ----------
    loader : plans of views and their targets, from other processes if asked for; a fusion
        network's are drawn already
    renderer : draws the plans, on the device where they were sent
    augment : whether colours are changed besides
    views_an_epoch : as the dataset counts them
    """

    loader: DataLoader[Batch]
    renderer: Renderer | None
    augment: bool
    views_an_epoch: int

    def images(self, batch: Batch) -> Tensor:
        """The input uint8 (B, S, S, 3) of a batch, on its device."""
        if self.renderer is None:
            return batch["image"]
        drawn = self.renderer(batch)
        return jitter(drawn) if self.augment else drawn


def open_source(
    recipe: Recipe, model: FaceModel, folder: Path, validation: bool, workers: int, least: int = 0
) -> Source:
    """The batches of one split; ``workers`` processes plan those of training.

    ``least`` is the number of views that the loader gives at least before it ends.
    """
    config, batch_size, renderer = recipe.config, recipe.batch_size, None
    if config.kind == "fusion":
        turned = 0.0 if validation else recipe.turned
        fused = read_fused(folder, model, recipe.databases, validation, turned, recipe.seed)
        dataset: Any = FusionBatches(fused, config.input_size, not validation)
        sampler: Sampler[int] = Balanced(fused.database)
        skipped = fused.skipped
    else:
        pairs = config.kind == "sfn" and recipe.disentangle > 0 and not validation
        batch_size = max(1, batch_size // 2) if pairs else batch_size
        prepared = prepared_for(recipe, model, folder, validation, pairs)
        dataset = _views(recipe, model, prepared, validation, pairs)
        sampler = RandomSampler(dataset, num_samples=max(len(dataset), least))
        renderer = Renderer(prepared.atlas)
        skipped = prepared.skipped
    if skipped:
        log.warning("skipped %d corrupt images: %s", len(skipped), ", ".join(skipped))
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=None if validation else sampler,
        drop_last=not validation,
        collate_fn=_as_is,
        num_workers=0 if validation else workers,
        persistent_workers=workers > 0 and not validation,
        prefetch_factor=4 if workers > 0 and not validation else None,
    )
    return Source(loader, renderer, not validation, len(dataset))


def prepared_for(
    recipe: Recipe, model: FaceModel, folder: Path, validation: bool, pairs: bool = False
) -> Prepared:
    """The pictures and faces of one split that a recipe's network learns from, or is judged by."""
    wanted = Wanted(
        validation,
        photos=recipe.config.kind == "mfn",
        turned=0.0 if validation else recipe.turned,
        copies=pairs,
        seed=recipe.seed,
    )
    labels = recipe.labels
    how = f"{labels} {digest(SHIPPED['sfn'])}" if labels == "sfn" else labels
    return prepare(folder, model, wanted, how, lambda photos: _relabelled(photos, labels))


def _views(
    recipe: Recipe, model: FaceModel, prepared: Prepared, validation: bool, pairs: bool
) -> SceneBatches | CropBatches:
    """Views for an MFN, crops for an SFN."""
    config = recipe.config
    if config.kind == "sfn":
        copies = prepared.copies if pairs else None
        return CropBatches(prepared.faces, model, config.input_size, not validation, copies)
    sizes = (config.input_size, *recipe.sizes)
    return SceneBatches(
        prepared.photos, prepared.empty, prepared.faces, model, sizes, fixed=validation
    )


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
