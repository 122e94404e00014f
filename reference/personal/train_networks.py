"""Training TrackNet and ModelNet together, in the paper's two stages (2020, Sec. 4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch import nn

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.personal.template import Template, default_template
from edgeface.reference.networks.checkpoint import TrainedNetwork, load_network, save_network
from edgeface.reference.networks.personal import PARTS
from edgeface.reference.personal.batches import read_people
from edgeface.reference.personal.learning import PersonalLoss
from edgeface.reference.training.kinds import TrainingKind
from edgeface.reference.training.loading import Split
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.schedule import Budget
from edgeface.reference.training.train import train

FIRST_STAGE = 0.8
"""Share of a run in which both networks learn, of 20 and 5 hours in the paper; then ModelNet learns
alone."""
STATISTICS_SHARE = 0.1
"""Share of a run after which batch norms keep their statistics."""


class Stages(Callback):
    """Keeps modules as they are: those that a recipe freezes, and TrackNet in the second stage.

    Batch norms keep their statistics after the first tenth of a run. A batch has few people, and
    normalised by their own mean, the skins of all come out alike.
    """

    def __init__(self, frozen: tuple[str, ...]) -> None:
        self.frozen = frozen

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        (budget,) = (c for c in getattr(trainer, "callbacks", ()) if isinstance(c, Budget))
        progress = budget.progress(trainer)
        second = progress >= FIRST_STAGE
        freeze(pl_module.network, (*self.frozen, "tracknet") if second else self.frozen)
        if progress >= STATISTICS_SHARE:
            keep_statistics(pl_module.network)


def freeze(network: nn.Module, names: tuple[str, ...]) -> None:
    """Let some modules neither learn nor change their statistics.

    Raises
    ------
    InvalidInputError
        If the network has no module of one of the names.
    """
    for name in names:
        try:
            module = network.get_submodule(name)
        except AttributeError as error:
            raise InvalidInputError(f"the network has no module {name!r} to freeze") from error
        module.eval().requires_grad_(False)


def keep_statistics(network: nn.Module) -> None:
    """Let batch norms normalise by what they have seen so far, and learn the rest."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def training_kind(template: Template) -> TrainingKind:
    """How both networks are trained to correct a template."""

    def loss(recipe: Recipe, model: FaceModel) -> nn.Module:
        return PersonalLoss(template, model, recipe.config.input_size)

    def read(recipe: Recipe, model: FaceModel, folder: Path, validation: bool) -> Split:
        return read_people(template, recipe, model, folder, validation)

    return TrainingKind(loss, read)


def train_networks(
    recipe: Recipe,
    folder: Path,
    out: Path,
    start_from: Path | None = None,
    *,
    workers: int = 0,
    minutes: float | None = None,
) -> list[Path]:
    """Train both networks, going on from ``out/last.ckpt`` if there is one.

    Arguments and errors are those of `edgeface.reference.training.train.train`. The weights of an
    ``sfn`` to start from go into TrackNet and into ModelNet's encoder.

    Returns
    -------
    The paths of ``out/tracknet.ckpt`` and ``out/modelnet.ckpt``.

    Raises
    ------
    InvalidInputError
        Also if the recipe is for another network, or freezes a module that there is not.
    """
    if not recipe.config.network_kind.gives_person:
        raise InvalidInputError(
            f"a recipe for {recipe.network} is for edgeface-train train; here the network is "
            "personal or personal-paper"
        )
    last = train(
        recipe,
        folder,
        out,
        start_from,
        workers=workers,
        minutes=minutes,
        kind=training_kind(default_template()),
        callbacks=[Stages(recipe.frozen)],
    )
    paths = [out / f"{name}.ckpt" for name in PARTS]
    for part, path in zip(split(load_network(last)), paths, strict=True):
        save_network(part, path)
    return paths


def split(trained: TrainedNetwork) -> list[TrainedNetwork]:
    """TrackNet and ModelNet of a checkpoint of both, each as a network of its own kind."""
    return [
        replace(
            trained,
            config=replace(trained.config, kind=name),
            network=trained.network.get_submodule(name),
        )
        for name in PARTS
    ]
