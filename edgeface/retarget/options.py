"""What is to be made of a recording: whose performance, for which character."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from edgeface.errors import InvalidInputError
from edgeface.personal.model import PersonalModel
from edgeface.recording import Performance, Recording
from edgeface.retarget.character import Character, read_character
from edgeface.retarget.derived import origins
from edgeface.retarget.gaps import hold_in_gaps
from edgeface.retarget.gltf_file import is_own_head
from edgeface.retarget.mapping import Mapping, preset_names, read_mapping
from edgeface.retarget.presets import adapt, choose_preset, report
from edgeface.retarget.reach import calibrate, read_range
from edgeface.retarget.retargeter import Retargeter
from edgeface.values import Flag, Number, Whole, instance, option, path_of


@dataclass(frozen=True)
class ExportOptions:
    """What to make of a recording.

    Attributes
    ----------
    track_id : the person whose performance is exported; None takes the one seen in most frames
    character : the .glb or .vrm file that a glTF export animates; "head" is the one that ships
    mapping : the mapping file of the character, or the name of one that ships. None takes the one
        that suits the character; without a character, ARKit's names are kept.
    calibrate_s : for how many seconds the performance begins with the neutral face
    mirror : whether the character moves as a mirror image would
    person : a file with the range of the person (`read_range`), used instead of ``calibrate_s``
    derive : whether `derive` adds shapes that the network cannot see
    personal : the personal model whose head an HTML report shows

    Raises
    ------
    InvalidInputError
        If the character does not exist, ``track_id`` is no whole number, ``calibrate_s`` is
        negative, ``mirror`` or ``derive`` is neither true nor false, or ``personal`` is no model.
    """

    track_id: int | None = None
    character: Path | None = None
    mapping: Path | None = None
    calibrate_s: float = 0.0
    mirror: bool = False
    person: Path | None = None
    derive: bool = False
    personal: PersonalModel | None = None

    def __post_init__(self) -> None:
        character = self.character
        if self.track_id is not None:
            option("track_id", self.track_id, Whole(0, 10**9))
        if character is not None:
            path_of("the character", character)
        if character is not None and not (os.path.isfile(character) or is_own_head(character)):
            raise InvalidInputError(f"no such character: {self.character}")
        option("--calibrate", self.calibrate_s, Number(0, 1e6))
        option("mirror", self.mirror, Flag())
        option("derive", self.derive, Flag())
        if self.personal is not None:
            instance("personal", self.personal, PersonalModel)

    def retargeter(self, *, clips_only: bool = False) -> Retargeter:
        """A retargeter for the character, not calibrated yet.

        Parameters
        ----------
        clips_only : whether only the expressions of a VRM file can be moved, as by programs that
            show one, rather than its morph targets, too

        Raises
        ------
        InvalidInputError
            If the mapping or the character cannot be read, or the character has none of the shapes
            that the mapping moves.
        """
        mapping = replace(self.chosen_mapping(clips_only=clips_only)[1], **self._own)
        person = None if self.person is None else read_range(self.person)
        return Retargeter(mapping, person, derived=self.derive)

    def chosen_mapping(self, *, clips_only: bool = False) -> tuple[str, Mapping]:
        """The name of the mapping for the character, and the mapping; errors are `retargeter`'s."""
        if self.mapping is None and self.character is None:
            return "none", Mapping()
        ships = self.mapping is None or str(self.mapping) in preset_names()
        if self.character is None or not ships:
            return str(self.mapping), read_mapping(cast(Path, self.mapping))
        character = self._read
        shapes = character.clips if clips_only and character.clips else character.shapes
        what = str(self.character)
        name = choose_preset(shapes, what) if self.mapping is None else str(self.mapping)
        adapted = adapt(read_mapping(name), shapes)
        if not adapted.recipes:
            raise InvalidInputError(
                f"{what} has none of the shapes of the mapping {name}, only "
                f"{', '.join(sorted(shapes)[:12])}; leave --mapping out to have one chosen"
            )
        return name, adapted

    def report(self, seen: Collection[str]) -> str:
        """Describe which shapes of the character will move.

        Parameters
        ----------
        seen : the names of the ARKit shapes that the network estimates

        Raises
        ------
        InvalidInputError
            If there is no character, or as `retargeter` does.
        """
        if self.character is None:
            raise InvalidInputError("there is no character to report on")
        name, mapping = self.chosen_mapping()
        known = origins(seen, derived=self.derive)
        absent = [shape for shape, origin in known.items() if origin == "absent"]
        return f"{self.character}: " + report(self._read, name, mapping, absent)

    @cached_property
    def _read(self) -> Character:
        """The character's shapes and bones, which are asked for many times before a take."""
        return read_character(cast(Path, self.character))

    @property
    def _own(self) -> dict[str, Any]:
        """What these options change in a mapping."""
        return {"mirror": True} if self.mirror else {}

    def calibrated(self, recording: Recording) -> tuple[Performance, Retargeter]:
        """The chosen performance, and a retargeter that knows its neutral face and its lids.

        In long gaps the last pose is held (`edgeface.retarget.gaps`).

        Raises
        ------
        InvalidInputError
            If nobody was seen, or nobody has the number ``track_id``.
        """
        performance = recording.performance(self.track_id)
        retargeter = self.retargeter()
        if self.person is None and self.calibrate_s > 0:
            count = int((performance.times_s - performance.times_s[0] <= self.calibrate_s).sum())
            retargeter.person = calibrate(
                performance.blendshapes[:count], performance.quaternions_wxyz[:count]
            )
        for time_s, shapes in zip(
            performance.times_s.tolist(), performance.blendshapes, strict=True
        ):
            retargeter.watch(time_s, shapes)
        return hold_in_gaps(performance), retargeter
