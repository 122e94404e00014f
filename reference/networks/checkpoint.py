"""Reading trained networks from checkpoints, and writing them."""

from __future__ import annotations

import importlib.util
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import FaceModel
from edgeface.output import write_output
from edgeface.reference.networks import build_network
from edgeface.reference.networks.config import NetworkConfig

KEY = "edgeface"
PREFIX = "network."
NOT_STATED = "not stated"
"""The licence of weights whose recipe says none."""
DISTRIBUTION = "edgeface_checkpoints"
"""The package that brings the checkpoints to who has no checkout."""


def _shipped() -> dict[str, Path]:
    installed = importlib.util.find_spec(DISTRIBUTION)
    folders = [
        Path(folder) for folder in getattr(installed, "submodule_search_locations", None) or ()
    ]
    folders.append(Path(__file__).parents[1] / "checkpoints")
    return {path.stem: path for folder in folders for path in folder.glob("*.ckpt")}


SHIPPED = _shipped()
"""Checkpoints of the weights that ship, by name; a checkout's, or those of the distribution."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network in evaluation mode, and what belongs to it.

    Attributes
    ----------
    epoch : the last epoch that it was trained for, 0-based
    recipe : what the training run did, as its file said it
    unseen_expressions : the expressions that no face of the training data showed
    """

    config: NetworkConfig
    network: nn.Module
    face_model: FaceModel
    epoch: int
    recipe: dict[str, Any]
    unseen_expressions: tuple[str, ...] = ()

    @property
    def licence(self) -> str:
        """The terms on which the weights may be used, as the recipe says."""
        return str(self.recipe.get("licence", NOT_STATED))


def checkpoint_entry(
    config: NetworkConfig, recipe: dict[str, Any], model: FaceModel, unseen: tuple[str, ...]
) -> dict[str, Any]:
    """The entry that every checkpoint carries."""
    blob = torch.frombuffer(bytearray(model.to_bytes()), dtype=torch.uint8)
    return {
        "config": config.to_dict(),
        "recipe": recipe,
        "face_model": blob,
        "unseen_expressions": list(unseen),
    }


def load_network(path: str | os.PathLike[str]) -> TrainedNetwork:
    """Read a checkpoint of ``edgeface-train``; the weights are the averaged ones.

    Parameters
    ----------
    path : a file, or "mfn", "sfn" or "fusion" for the weights that ship

    Raises
    ------
    InvalidInputError
        If the file is absent.
    ModelFormatError
        If it is damaged or not such a checkpoint. Nothing in it is ever executed.
    """
    path = SHIPPED.get(str(path), path)
    if not os.path.isfile(path):
        raise InvalidInputError(
            f"no such checkpoint: {path}; expected a file, or one of mfn, sfn and fusion, which "
            "pip install edgeface-checkpoints brings"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        entry = content[KEY]
        config = NetworkConfig.from_dict(entry["config"])
        model = FaceModel.from_bytes(entry["face_model"].numpy().tobytes(), source=str(path))
        network = build_network(config)
        weights = content["state_dict"]
        network.load_state_dict(
            {k.removeprefix(PREFIX): v for k, v in weights.items() if k.startswith(PREFIX)}
        )
        epoch, recipe = int(content["epoch"]), dict(entry["recipe"])
        unseen = tuple(entry.get("unseen_expressions", ()))
    except Exception as error:  # torch, pickle and zipfile have each their own
        raise ModelFormatError(
            f"{path} is no edgeface checkpoint, or is damaged: {error}"
        ) from error
    return TrainedNetwork(config, network.eval(), model, epoch, recipe, unseen)


def save_network(trained: TrainedNetwork, path: Path) -> None:
    """Write a network as a checkpoint that its training cannot be resumed from."""
    weights = {PREFIX + name: weight for name, weight in trained.network.state_dict().items()}
    entry = checkpoint_entry(
        trained.config, trained.recipe, trained.face_model, trained.unseen_expressions
    )
    content = io.BytesIO()
    torch.save({"state_dict": weights, "epoch": trained.epoch, KEY: entry}, content)
    write_output(path, content.getbuffer())
