"""Recipes: what a training run does, in one small TOML file that travels with the checkpoint."""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from edgeface.errors import InvalidInputError
from edgeface.metadata import LICENCE, MAX_INPUT_SIZE, SIZE_STEP
from edgeface.reference.data.packs import FREE, RESEARCH, Sources
from edgeface.reference.face_model.own import DEFAULT
from edgeface.reference.face_model.own import FREE as FREE_MODEL
from edgeface.reference.networks import CONFIGS
from edgeface.reference.networks.checkpoint import NOT_STATED
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.training.databases import conventions_of
from edgeface.strict_json import text_of
from edgeface.values import Choice, Flag, Kind, Number, Several, Text, Whole, option

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Labels = Literal["teacher", "sfn", "boxes"]
FOLDER = Path(__file__).parents[1] / "recipes"
NAMES = tuple(sorted(p.stem for p in FOLDER.glob("*.toml")))


@dataclass(frozen=True)
class Recipe:
    """What a training run does.

    Attributes
    ----------
    network : the network to train, a key of ``CONFIGS``
    epochs : the number of epochs
    batch_size : the number of views that one process sees at once
    learning_rate : the highest learning rate
    seed : the seed of everything random
    accumulate : the number of batches before each step of the optimiser
    precision : the ``precision`` of Lightning's ``Trainer``
    ema_decay : the share that the averaged weights keep of themselves in a step, once a run is
        longer than they remember
    sizes : more sizes of the input, px, for a fifth of the batches; MFN only
    turned : the number of copies turned in 3D, as a share of the single faces
    disentangle : the weight of the loss by which copies of a face must agree; SFN only
    epochs_before : the number of epochs that the weights to start from have learned already; Eq.
        3's tau goes on from there
    labels : where the coefficients of the faces in photos come from; with "boxes" they have none,
        and the MFN learns to detect only
    databases : what the fusion network learns from: names of ``PACKS``, or NAME=FOLDER of published
        databases
    correction : whether the fusion network corrects the face model's shapes
    frozen : the modules of the network, by the beginnings of their names, that keep the weights
        that they start with; TrackNet and ModelNet only
    distil : the larger network that the MFN also learns from, as `load_network` takes it; none if
        empty. Its grid and its anchors must be the same.
    distil_weight : the weight of the distance from what that network says
    licence : the terms on which the weights may be used, which depend on the data. Checkpoints and
        the files made of them state it.
    face_model : the face model whose coefficients the network gives: "default", "free", or the
        path of an ``.npz``. In a recipe's file, a path is relative to its folder.
    free : whether the run opens only what the ledger of free sources has (`data/ledger.py`). It
        reads packs of their own, takes the face model "free", and begins from no weights but those
        of another free run.
    """

    network: str
    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    seed: int = 0
    accumulate: int = 1
    precision: Precision = "32-true"
    ema_decay: float = 0.9995
    sizes: tuple[int, ...] = ()
    turned: float = 0.0
    disentangle: float = 0.0
    epochs_before: int = 0
    labels: Labels = "teacher"
    databases: tuple[str, ...] = ()
    correction: bool = True
    frozen: tuple[str, ...] = ()
    distil: str = ""
    distil_weight: float = 1.0
    licence: str = NOT_STATED
    face_model: str = DEFAULT
    free: bool = False

    def __post_init__(self) -> None:
        for name, kind in _kinds().items():
            given: Any = getattr(self, name)
            given = list(cast(tuple[Any, ...], given)) if isinstance(given, tuple) else given
            object.__setattr__(self, name, option(name, given, kind))
        for name in self.databases:
            conventions_of(name)
        if self.config.network_kind.corrects_shape != bool(self.databases):
            raise InvalidInputError(
                "a fusion network needs databases, and no other takes any; the network is "
                f"{self.network} and databases are {list(self.databases)}"
            )
        if self.sizes and not self.config.network_kind.detects:
            raise InvalidInputError(f"only an mfn takes other sizes, not {self.network}")
        if self.distil and not self.config.network_kind.detects:
            raise InvalidInputError(
                f"distil must be a checkpoint that an mfn learns from, got {self.distil!r} for "
                f"{self.network}"
            )
        if self.frozen and not self.config.network_kind.gives_person:
            raise InvalidInputError(f"only TrackNet and ModelNet have frozen, not {self.network}")
        if self.free and (self.face_model != FREE_MODEL or self.labels == "sfn" or self.databases):
            raise InvalidInputError(
                'a free run takes face_model = "free", labels of the teacher and no databases: the '
                "rest was learned from data for research"
            )
        if not self.licence.strip():
            raise InvalidInputError(f"licence must be a text, got {self.licence!r}")

    @property
    def config(self) -> NetworkConfig:
        return CONFIGS[self.network]

    @property
    def sources(self) -> Sources:
        """The packs that the run reads."""
        return FREE if self.free else RESEARCH

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON would return them.

        Paths are cut to their names. The face model itself is in the checkpoint.
        """
        stated = {
            "databases": list(self.databases),
            "face_model": Path(self.face_model).name,
            "distil": Path(self.distil).name,
        }
        return (
            asdict(self)
            | stated
            | {
                "sizes": list(self.sizes),
                "frozen": list(self.frozen),
            }
        )


def _kinds() -> dict[str, Kind[Any]]:
    """What each value of a recipe may be."""
    count, share, weight = Whole(1, 10**9), Number(0, 1), Number(0, 100)
    return {
        "network": Choice(tuple(CONFIGS)),
        "epochs": count,
        "batch_size": Whole(1, 10**6),
        "learning_rate": share,
        "seed": Whole(0, 2**31),
        "accumulate": count,
        "precision": Choice(get_args(Precision)),
        "ema_decay": share,
        "sizes": Several(Whole(SIZE_STEP, MAX_INPUT_SIZE, SIZE_STEP), 0, 1000),
        "turned": share,
        "disentangle": weight,
        "epochs_before": Whole(0, 10**9),
        "labels": Choice(get_args(Labels)),
        "databases": Several(Text(4096), 0, 1000),
        "correction": Flag(),
        "frozen": Several(Text(100), 0, 1000),
        "distil": Text(4096, ".*"),
        "distil_weight": weight,
        "licence": LICENCE,
        "face_model": Text(4096),
        "free": Flag(),
    }


def read_recipe(path_or_name: str | os.PathLike[str]) -> Recipe:
    """Read a recipe from its file, or one of the ``NAMES`` that ship.

    Raises
    ------
    InvalidInputError
        If there is no such recipe, or it has a key or a value that a recipe cannot have.
    """
    path = FOLDER / f"{path_or_name}.toml" if str(path_or_name) in NAMES else Path(path_or_name)
    try:
        values = tomllib.loads(text_of(path.read_bytes()))
    except OSError as error:
        raise InvalidInputError(
            f"no such recipe: {path_or_name}; a .toml file, or one of {', '.join(NAMES)}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is no TOML file: {error}") from error
    known = {f.name for f in fields(Recipe)}
    if unknown := set(values) - known:
        raise InvalidInputError(
            f"{path} has unknown keys {', '.join(sorted(unknown))}; known: {', '.join(known)}"
        )
    named = values.get("face_model", DEFAULT)
    if isinstance(named, str) and named not in (DEFAULT, FREE_MODEL):
        values["face_model"] = str(path.parent / named)
    try:
        return Recipe(**values)
    except TypeError as error:
        raise InvalidInputError(f"{path} is incomplete: {error}") from error
