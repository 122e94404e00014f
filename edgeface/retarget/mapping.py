"""Mapping files: which of ARKit's shapes move which of a character's, and how much."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from edgeface.errors import InvalidInputError
from edgeface.retarget.arkit import ARKIT_NAMES

FORMAT = "edgeface-mapping"
VERSION = (1, 0)


@dataclass(frozen=True)
class Source:
    """How one of ARKit's shapes is read: nothing up to the dead zone, then ``gain`` times."""

    gain: float = 1.0
    dead_zone: float = 0.0

    def __call__(self, value: float) -> float:
        """The value that the targets weigh."""
        return self.gain * max(0.0, value - self.dead_zone) / (1.0 - self.dead_zone)


@dataclass(frozen=True)
class Mapping:
    """A character's shapes as weighted sums of ARKit's.

    Attributes
    ----------
    targets : for each shape of the character, the weights of ARKit's shapes that move it. Where
        there is none, the character has ARKit's own names.
    sources : how single shapes of ARKit's are read; the others are taken as they are
    mirror : whether left and right change places, as before a mirror
    head_gain : the factor of the head's rotation; 0 holds the head still
    head_bone : the name of the node that turns; None looks for one that is called "head"
    """

    targets: dict[str, dict[str, float]] = field(default_factory=lambda: {})
    sources: dict[str, Source] = field(default_factory=lambda: {})
    mirror: bool = False
    head_gain: float = 1.0
    head_bone: str | None = None


def read_mapping(path: str | os.PathLike[str]) -> Mapping:
    """Read a mapping file; ``docs/video.md`` describes it.

    Raises
    ------
    InvalidInputError
        If it is absent or no mapping, or names a shape that ARKit does not have.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot read the mapping {path}: {error}") from error
    if not isinstance(values, dict) or cast(dict[str, Any], values).get("format") != FORMAT:
        raise InvalidInputError(f"{path} is no edgeface mapping: it lacks 'format': '{FORMAT}'")
    return _mapping(cast(dict[str, Any], values), str(path))


def _mapping(values: dict[str, Any], path: str) -> Mapping:
    known = {"format", "version", "mirror", "head", "sources", "targets"}
    check_names(set(values) - {"comment"}, known, f"{path}: key")
    if values.get("version", [0])[0] != VERSION[0]:
        raise InvalidInputError(f"{path} is of version {values.get('version')}; this reads 1.x")
    sources, targets = values.get("sources", {}), values.get("targets", {})
    check_names(sources, ARKIT_NAMES, f"{path}: ARKit shape")
    for name, weights in targets.items():
        check_names(weights, ARKIT_NAMES, f"{path}, target {name!r}: ARKit shape")
    try:
        mapping = Mapping(
            targets={t: {s: float(w) for s, w in ws.items()} for t, ws in targets.items()},
            sources={name: Source(**options) for name, options in sources.items()},
            mirror=bool(values.get("mirror", False)),
            head_gain=float(values.get("head", {}).get("gain", 1.0)),
            head_bone=values.get("head", {}).get("bone"),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidInputError(f"{path}: {error}") from error
    for name, source in mapping.sources.items():
        if not 0.0 <= source.dead_zone < 1.0:
            raise InvalidInputError(
                f"{path}: the dead zone of {name} must lie in [0, 1), got {source.dead_zone}"
            )
    return mapping


def check_names(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise for the first name that is not known, with the most similar one that is."""
    known = list(known)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
            raise InvalidInputError(f"{what} {name!r} is unknown{hint}")
