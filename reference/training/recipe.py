"""Recipes: what a training run does, in one small TOML file that travels with the checkpoint."""

# what JSON or a caller gives need not be of the fields' types
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from edgeface.errors import InvalidInputError
from edgeface.metadata import SIZE_STEP
from edgeface.reference.data.packs import FREE, RESEARCH, Sources
from edgeface.reference.face_model.own import DEFAULT
from edgeface.reference.face_model.own import FREE as FREE_MODEL
from edgeface.reference.networks import CONFIGS
from edgeface.reference.networks.checkpoint import NOT_STATED
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.training.databases import conventions_of
from edgeface.strict_json import text_of
from edgeface.values import Several, Text, Whole, option

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
        for name, kind in (("databases", Text(4096)), ("sizes", Whole(1, 10**6)),
                           ("frozen", Text(100))):  # fmt: skip
            given: Any = getattr(self, name)
            given = list(cast(tuple[Any, ...], given)) if isinstance(given, tuple) else given
            object.__setattr__(self, name, tuple(option(name, given, Several(kind, 0, 1000))))
        for name in ("epochs", "batch_size", "accumulate"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InvalidInputError(
                    f"{name} must be a whole number of at least 1, got {getattr(self, name)!r}"
                )
        if not isinstance(self.epochs_before, int) or self.epochs_before < 0:
            raise InvalidInputError(
                f"epochs_before must be a whole number, got {self.epochs_before!r}"
            )
        for name, choices in (
            ("network", tuple(CONFIGS)),
            ("precision", get_args(Precision)),
            ("labels", get_args(Labels)),
        ):
            if getattr(self, name) not in choices:
                raise InvalidInputError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        for name, high in (("learning_rate", 1.0), ("ema_decay", 1.0), ("turned", 1.0),
                           ("disentangle", 100.0), ("distil_weight", 100.0)):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0.0 <= value <= high:
                raise InvalidInputError(f"{name} must lie in [0, {high:g}], got {value!r}")
        for name in self.databases:
            conventions_of(name)
        if self.config.network_kind.corrects_shape != bool(self.databases):
            raise InvalidInputError(
                "a fusion network needs databases, and no other takes any; the network is "
                f"{self.network} and databases are {list(self.databases)}"
            )
        if any(size % SIZE_STEP for size in self.sizes):
            raise InvalidInputError(
                f"sizes must be multiples of {SIZE_STEP} px, got {list(self.sizes)}"
            )
        if self.sizes and not self.config.network_kind.detects:
            raise InvalidInputError(f"only an mfn takes other sizes, not {self.network}")
        if not isinstance(self.distil, str) or (
            self.distil and not self.config.network_kind.detects
        ):
            raise InvalidInputError(
                f"distil must be a checkpoint that an mfn learns from, got {self.distil!r} for "
                f"{self.network}"
            )
        if self.frozen and not self.config.network_kind.gives_person:
            raise InvalidInputError(f"only TrackNet and ModelNet have frozen, not {self.network}")
        if not isinstance(self.correction, bool):
            raise InvalidInputError(f"correction must be true or false, got {self.correction!r}")
        if not isinstance(self.free, bool):
            raise InvalidInputError(f"free must be true or false, got {self.free!r}")
        if self.free and (self.face_model != FREE_MODEL or self.labels == "sfn" or self.databases):
            raise InvalidInputError(
                'a free run takes face_model = "free", labels of the teacher and no databases: the '
                "rest was learned from data for research"
            )
        if not isinstance(self.licence, str) or not self.licence.strip():
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
    except ValueError as error:
        raise InvalidInputError(f"{path} is no TOML file: {error}") from error
    known = {f.name for f in fields(Recipe)}
    if unknown := set(values) - known:
        raise InvalidInputError(
            f"{path} has unknown keys {', '.join(sorted(unknown))}; known: {', '.join(known)}"
        )
    if values.get("face_model", DEFAULT) not in (DEFAULT, FREE_MODEL):
        values["face_model"] = str(path.parent / str(values["face_model"]))
    try:
        return Recipe(**values)
    except TypeError as error:
        raise InvalidInputError(f"{path} is incomplete: {error}") from error
