"""The larger network that a network may learn from beside its labels."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.networks.rebase import on_face_model
from edgeface.reference.training.checkpoints import check_free
from edgeface.reference.training.losses.distilled import LARGER
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.views.plan import Batch


class LookingOn(Callback):
    """Lets a larger network see each batch that is learned from, once it is drawn.

    The network is kept here, since the module that learns is copied whole for its average.
    """

    def __init__(self, network: nn.Module, outputs: tuple[str, ...]) -> None:
        self.network: Any = network.eval().requires_grad_(False)
        self.outputs = outputs

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.network.to(pl_module.device, memory_format=torch.channels_last)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Batch, batch_idx: int
    ) -> None:
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            given = self.network(batch["image"])
        for name, branch in zip(self.outputs, given, strict=True):
            batch[LARGER + name] = branch.float()


def looking_on(recipe: Recipe, model: FaceModel) -> list[Callback]:
    """What a run needs beside its loss to learn from a larger network: nothing, if it does not.

    Raises
    ------
    InvalidInputError
        If the larger network's cells or anchors are not those of the network that learns, or if a
        free run would learn from one that is not free.
    """
    if not recipe.distil:
        return []
    larger = on_face_model(load_network(recipe.distil), model)
    check_free(recipe, larger, recipe.distil, "learn from it")
    here, there = (
        (c.kind, c.stride, c.cell_range, c.anchors) for c in (recipe.config, larger.config)
    )
    if here != there:
        raise InvalidInputError(
            f"{recipe.network} cannot learn from {recipe.distil}: kind, cells and anchors must be "
            f"the same, and they are {here} and {there}"
        )
    return [LookingOn(larger.network, tuple(larger.config.outputs))]
