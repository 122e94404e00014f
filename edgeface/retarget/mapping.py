"""Mapping files, which say how much each of ARKit's shapes moves each of a character's."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from edgeface import strict_json
from edgeface.blendshapes import ARKIT_NAMES
from edgeface.errors import InvalidInputError
from edgeface.values import (
    Flag,
    Free,
    Mapped,
    Number,
    Record,
    Several,
    Text,
    Version,
    option,
    path_of,
    shown,
)

PRESETS = Path(__file__).parents[1] / "assets" / "presets"
FORMAT = "edgeface-mapping"
VERSION = (1, 0)
BONES = ("head", "neck", "spine")
"""VRM's names of the bones that share the head's turn."""
_GAIN, _SHARES = Number(-1000, 1000), Mapped(Number(0, 1))
_TARGETS, _FIT = Mapped(Mapped(_GAIN)), Mapped(Mapped(Number(0, 1)))
_ENTRIES = Record(
    required={"version": Version(VERSION[0])},
    optional={
        "mirror": Flag(),
        "signs": Several(Text(), 0, 100),
        "head": Record({}, {"gain": _GAIN, "bone": Text(), "shares": _SHARES}),
        "sources": Mapped(Record({}, {"gain": _GAIN, "dead_zone": Number(0, 1)})),
        "targets": _TARGETS,
        "fit": _FIT,
    },
)


@dataclass(frozen=True)
class Source:
    """How one of ARKit's shapes is read.

    A value v becomes ``gain max(0, v - dead_zone) / (1 - dead_zone)``.

    Raises
    ------
    InvalidInputError
        If the gain is no number, or the dead zone none in [0, 1).
    """

    gain: float = 1.0
    dead_zone: float = 0.0

    def __post_init__(self) -> None:
        option("gain", self.gain, _GAIN)
        if option("dead_zone", self.dead_zone, Number(0, 1)) == 1:
            raise InvalidInputError("dead_zone must lie in [0, 1), got 1")

    def __call__(self, value: float) -> float:
        """Read a value."""
        return self.gain * max(0.0, value - self.dead_zone) / (1.0 - self.dead_zone)


@dataclass(frozen=True)
class Mapping:
    """A character's shapes as weighted sums of ARKit's.

    Attributes
    ----------
    targets : the weights of ARKit's shapes that move each shape of the character, by its name. If
        ``targets`` and ``fit`` are empty, the character has ARKit's own names.
    fit : shapes of the character whose weights are found together (`edgeface.retarget.fit`): for
        each name, the values of ARKit's shapes at which it is 1
    sources : how single shapes of ARKit's are read; the others keep their values
    mirror : whether left and right change places, as in a mirror
    head_gain : the factor of the head's rotation; 0 holds the head still
    head_bone : the name of the node that turns; None for the one that is called "head"
    shares : the share of the head's rotation that each of `BONES` makes. The share of a bone that a
        character lacks goes to the others.
    signs : shapes that tell a character of this kind from others with the same targets

    Raises
    ------
    InvalidInputError
        If an entry is not as described, or a shape is named that ARKit lacks.
    """

    targets: dict[str, dict[str, float]] = field(default_factory=lambda: {})
    sources: dict[str, Source] = field(default_factory=lambda: {})
    mirror: bool = False
    head_gain: float = 1.0
    head_bone: str | None = None
    shares: dict[str, float] = field(default_factory=lambda: {"head": 1.0})
    fit: dict[str, dict[str, float]] = field(default_factory=lambda: {})
    signs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        option("head_gain", self.head_gain, _GAIN)
        option("mirror", self.mirror, Flag())
        check_names(option("shares", self.shares, _SHARES), BONES, "of the shares, the bone")
        if self.head_bone is not None:
            option("head_bone", self.head_bone, Text())
        for name, source in option("sources", self.sources, Free()).items():
            check_names([name], ARKIT_NAMES, "of the sources, ARKit's shape")
            if not isinstance(source, Source):
                raise InvalidInputError(f"sources.{name} must be a Source, got {shown(source)}")
        for recipes, kind in ((self.targets, _TARGETS), (self.fit, _FIT)):
            for name, weights in option("a mapping's shapes", recipes, kind).items():
                check_names(weights, ARKIT_NAMES, f"of the target {name!r}, ARKit's shape")

    @property
    def recipes(self) -> dict[str, dict[str, float]]:
        """For every shape of the character, ARKit's shapes that it is made of."""
        return self.targets | self.fit


def read_mapping(path: str | os.PathLike[str]) -> Mapping:
    """Read a mapping file (``docs/how-to/avatars.md``).

    Parameters
    ----------
    path : a JSON file, or the name of a mapping that ships, such as "vrm1"

    Raises
    ------
    InvalidInputError
        If there is no such mapping, it cannot be read, or it names a shape that ARKit lacks.
    """
    path = path_of("path", path)
    if str(path) in preset_names():
        path = PRESETS / f"{path}.json"
    try:
        values = strict_json.read(path)
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"cannot read the mapping {path}: {error}. Those that ship are "
            f"{', '.join(preset_names())}"
        ) from error
    if not isinstance(values, dict) or cast(dict[str, Any], values).get("format") != FORMAT:
        raise InvalidInputError(f"{path} is no edgeface mapping: it lacks 'format': '{FORMAT}'")
    return _mapping(cast(dict[str, Any], values), str(path))


def preset_names() -> list[str]:
    """The names of the mapping files that ship."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


def _mapping(values: dict[str, Any], path: str) -> Mapping:
    known = {"format", "version", "mirror", "signs", "head", "sources", "targets", "fit"}
    check_names(set(values) - {"comment"}, known, f"{path}: key")
    try:
        entries = _ENTRIES.check(values, "")
    except ValueError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    sources, targets = entries.get("sources", {}), entries.get("targets", {})
    fit = entries.get("fit", {})
    check_names(sources, ARKIT_NAMES, f"{path}: ARKit shape")
    for name in set(targets) & set(fit):
        raise InvalidInputError(f"{path}: {name!r} is both in 'targets' and in 'fit'")
    for name, weights in (targets | fit).items():
        check_names(weights, ARKIT_NAMES, f"{path}, target {name!r}: ARKit shape")
    for name in sources:
        check_names(values["sources"][name], ("gain", "dead_zone"), f"{path}, {name}: key")
    head = entries.get("head", {})
    check_names(head.get("shares", {}), BONES, f"{path}: bone")
    try:
        return Mapping(
            targets=targets,
            sources={name: Source(**options) for name, options in sources.items()},
            mirror=entries.get("mirror", False),
            head_gain=head.get("gain", 1.0),
            head_bone=head.get("bone"),
            shares=head.get("shares", {"head": 1.0}),
            fit=fit,
            signs=tuple(entries.get("signs", ())),
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error


def check_names(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise for the first name that is not known, and suggest the most similar one that is."""
    known = list(known)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
            raise InvalidInputError(f"{what} {name!r} is unknown{hint}")
