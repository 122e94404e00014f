"""Reading trained networks from checkpoints, and writing them."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgeface import strict_json
from edgeface.archives import unpacked_bytes
from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import FaceModel
from edgeface.face_shapes import NUM_EXPRESSIONS
from edgeface.metadata import LICENCE
from edgeface.output import write_output
from edgeface.reference.data.packs import HUMAN_PACK
from edgeface.reference.networks import build_network
from edgeface.reference.networks.config import NetworkConfig
from edgeface.values import Choice, Flag, Record, Several, Whole

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

    @property
    def is_free(self) -> bool:
        """Whether it was learned in a free run."""
        return bool(self.recipe.get("free"))


def refuse_free(trained: TrainedNetwork) -> None:
    """Raise `InvalidInputError` if a network may not learn from `HUMAN_PACK`."""
    if trained.is_free:
        raise InvalidInputError(f"a free network must not learn from {HUMAN_PACK}")


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
    path : a file, or the name of a network that ships

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
            f"no such checkpoint: {path}; expected a file, or the name of a network that ships, "
            "whose checkpoint pip install edgeface-checkpoints brings"
        )
    try:
        _check_stored(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        entry = content[KEY]
        config = NetworkConfig.from_dict(entry["config"])
        model = FaceModel.from_bytes(entry["face_model"].numpy().tobytes(), source=str(path))
        weights = content["state_dict"]
        own = {k.removeprefix(PREFIX): v for k, v in weights.items() if k.startswith(PREFIX)}
        _check_shapes(config, own)
        network = build_network(config)
        network.load_state_dict(own)
        _check_numbers(network, own)
        epoch = Whole(0, 10**9).check(content["epoch"], "epoch")
        recipe = _checked_recipe(entry["recipe"])
        names = Several(Choice(model.expression_names), 0, NUM_EXPRESSIONS, unique=True)
        unseen = names.check(list(entry.get("unseen_expressions", ())), "unseen_expressions")
    except pickle.UnpicklingError as error:  # its text advises to execute what is in the file
        raise ModelFormatError(
            f"{path} is no edgeface checkpoint, or is damaged: it holds objects other than tensors "
            "and plain values, which are not read since reading them runs code"
        ) from error
    except Exception as error:  # torch and zipfile have each their own
        told = " ".join([type(error).__name__, *str(error).split()[:60]])
        raise ModelFormatError(
            f"{path} is no edgeface checkpoint, or is damaged: {told}"
        ) from error
    return TrainedNetwork(config, network.eval(), model, epoch, recipe, unseen)


def _check_stored(path: str | os.PathLike[str]) -> None:
    """Raise ValueError for an archive that unpacks to more than it has; PyTorch packs nothing."""
    if zipfile.is_zipfile(path):
        total = unpacked_bytes(path)
        if total > os.path.getsize(path):
            raise ValueError(f"it would unpack to {total:,} bytes")


def _check_shapes(config: NetworkConfig, given: dict[str, torch.Tensor]) -> None:
    """Raise ValueError unless weights fit a network, before it takes any memory."""
    with torch.device("meta"):
        wanted = build_network(config).state_dict()
    if wrong := [n for n in wanted if n not in given or given[n].shape != wanted[n].shape]:
        raise ValueError(f"the weights {wrong[0]} are missing or do not fit its configuration")


def _checked_recipe(recipe: Any) -> dict[str, Any]:
    """The recipe as files carry it; raises ValueError if no file can."""
    Record(required={}, optional={"licence": LICENCE, "free": Flag()}).check(recipe, "recipe")
    try:
        text = json.dumps(recipe, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"the recipe is no JSON: {error}") from error
    return strict_json.parse(text)


def _check_numbers(network: nn.Module, given: dict[str, torch.Tensor]) -> None:
    """Raise ValueError unless weights are finite, and were of the types that they are taken as."""
    for name, weight in network.state_dict().items():
        if given[name].is_floating_point() != weight.is_floating_point():
            raise ValueError(f"the weights {name} are {given[name].dtype}, not {weight.dtype}")
        if not torch.isfinite(weight).all():
            raise ValueError(f"the weights {name} are not finite")


def save_network(trained: TrainedNetwork, path: Path) -> None:
    """Write a network as a checkpoint that its training cannot be resumed from."""
    weights = {PREFIX + name: weight for name, weight in trained.network.state_dict().items()}
    entry = checkpoint_entry(
        trained.config, trained.recipe, trained.face_model, trained.unseen_expressions
    )
    content = io.BytesIO()
    torch.save({"state_dict": weights, "epoch": trained.epoch, KEY: entry}, content)
    write_output(path, content.getbuffer())
