"""How a kind of network is trained: its loss, its data, and what its face model needs first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.kinds import NetworkKind
from edgeface.reference.geometry.fit import has_teacher_topology
from edgeface.reference.geometry.harmonics import with_harmonics
from edgeface.reference.training.loading import Split, read_crops, read_databases, read_scenes
from edgeface.reference.training.losses.distilled import DistilledLoss
from edgeface.reference.training.losses.faces import CropLoss
from edgeface.reference.training.losses.grid import GridLoss
from edgeface.reference.training.losses.unified import UnifiedLoss
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.views.unified import unified_landmarks


@dataclass(frozen=True)
class TrainingKind:
    """One way to train.

    Attributes
    ----------
    loss : makes the loss from the recipe and the face model. The loss is a module that takes the
        network's raw outputs, the batch and the 0-based epoch; it returns the total and, for the
        log, the parts.
    read : reads a split. It takes the recipe, the face model, the folder of the packs, and whether
        the validation split is wanted.
    prepare : returns the face model with everything that the network's outputs refer to
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


def grid_loss(recipe: Recipe, model: FaceModel) -> nn.Module:
    """The loss of whole images, by labels and perhaps by a larger network."""
    labels = GridLoss(model, recipe.config)
    return DistilledLoss(labels, recipe.distil_weight) if recipe.distil else labels


CROPS = TrainingKind(
    loss=lambda recipe, model: CropLoss(model, recipe.disentangle),
    read=read_crops,
)
SCENES = TrainingKind(
    loss=grid_loss,
    read=read_scenes,
)
DATABASES = TrainingKind(
    loss=lambda recipe, model: UnifiedLoss(
        model, unified_landmarks(recipe.databases), recipe.correction
    ),
    read=read_databases,
    prepare=with_conventions,
)


def training_of(kind: NetworkKind) -> TrainingKind:
    """How networks of a kind are trained, by what they look at and what they give.

    Raises
    ------
    InvalidInputError
        If it is TrackNet or ModelNet, which are trained together.
    """
    if kind.gives_person or not kind.gives_identity:
        raise InvalidInputError(
            f"networks of the kind {kind.name} are trained by edgeface-train personal train"
        )
    if kind.detects:
        return SCENES
    return DATABASES if kind.corrects_shape else CROPS
