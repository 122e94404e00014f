"""How each kind of network is trained: its loss, its data, and what its face model needs first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.geometry.fit import has_teacher_topology
from edgeface.reference.geometry.harmonics import with_harmonics
from edgeface.reference.training.loading import Split, read_crops, read_databases, read_scenes
from edgeface.reference.training.losses.faces import CropLoss
from edgeface.reference.training.losses.grid import GridLoss
from edgeface.reference.training.losses.unified import UnifiedLoss
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.views.unified import unified_landmarks


@dataclass(frozen=True)
class TrainingKind:
    """How networks of one kind are trained.

    Attributes
    ----------
    loss : from the recipe and the face model to the loss, a module that takes the network's raw
        outputs, the batch and the 0-based epoch, and gives the total and its parts for the log
    read : from the recipe, the face model, the folder of the packs and whether it is the
        validation split that is wanted, to that split
    prepare : the face model with all that the network's outputs refer to
    """

    loss: Callable[[Recipe, FaceModel], nn.Module]
    read: Callable[[Recipe, FaceModel, Path, bool], Split]
    prepare: Callable[[FaceModel], FaceModel] = lambda model: model


def with_conventions(model: FaceModel) -> FaceModel:
    """The model with harmonics, if landmark conventions have their places on it.

    Raises
    ------
    InvalidInputError
        If its topology is not that of the default, on whose mesh they lie.
    """
    if not has_teacher_topology(model):
        raise InvalidInputError(
            "a fusion network learns from landmark conventions, which are places on the default's "
            f"mesh; {model!r} has another: train an sfn or an mfn with it"
        )
    return with_harmonics(model)


TRAINING: dict[str, TrainingKind] = {
    "sfn": TrainingKind(
        loss=lambda recipe, model: CropLoss(model, recipe.disentangle),
        read=read_crops,
    ),
    "mfn": TrainingKind(
        loss=lambda recipe, model: GridLoss(model, recipe.config),
        read=read_scenes,
    ),
    "fusion": TrainingKind(
        loss=lambda recipe, model: UnifiedLoss(
            model, unified_landmarks(recipe.databases), recipe.correction
        ),
        read=read_databases,
        prepare=with_conventions,
    ),
}
"""Each kind by its name; `edgeface.reference.networks.CLASSES` has the networks."""
