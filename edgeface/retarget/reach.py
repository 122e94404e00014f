"""The range of a person: what each shape reads at rest, and how far it goes.

Networks read a person's shut eye as 0.5 or as 0.8, and their resting face seldom as 0. A range
turns that into what a character needs. It is learned from a take (`learn_range`) and kept in a
small file for each person. Without one, lids alone are stretched, by the blinks seen
(`edgeface.lids`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from edgeface import strict_json
from edgeface.blendshapes import ARKIT_NAMES
from edgeface.errors import InvalidInputError
from edgeface.gaze import LIDS, LOOKS, gaze_from_looks
from edgeface.lids import blink_peaks, full_blinks
from edgeface.output import write_output
from edgeface.retarget.seen import seen_shapes
from edgeface.rotations import mean_quaternion, rotation_from_quaternion
from edgeface.types import FloatArray
from edgeface.values import (
    Mapped,
    Number,
    Record,
    Several,
    Version,
    array_of,
    option,
    path_of,
    shown,
)

FORMAT, VERSION = "edgeface-range", (1, 0)
LEAST_REACH = 0.5
"""A shape that went less far from its rest in a take is stretched as if it had gone so far."""
REST_SHARE, REACH_SHARE = 0.3, 0.99
"""Quantiles of a take: a third of it shows the resting face, a hundredth the farthest."""
MOST_OFFSET_DEG = 20.0
"""A gaze that is read farther aside than this was not at the camera."""
_ENTRIES = Record(
    required={
        "version": Version(VERSION[0]),
        "rest": Mapped(Number(-1, 2)),
        "reach": Mapped(Number(-1, 2)),
        "quaternion_wxyz": Several(Number(-1, 1), 4, 4),
    },
    optional={"gaze_deg": Several(Number(-90, 90), 4, 4)},
)
_SHAPES = Mapped(Number(-1e12, 1e12))
SECONDS_AT_REST = Number(0, 1e6)
LEAST_LENGTH = 0.1
"""Four numbers that are shorter tell no rotation."""
NO_OFFSET = (0.0, 0.0, 0.0, 0.0)
IDENTITY = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PersonRange:
    """What a person's shapes read at rest and at their farthest.

    Attributes
    ----------
    rest, reach : the values of shapes at rest and at their farthest, by ARKit's names; a shape that
        is in neither keeps its value
    quaternion_wxyz : the rotation of the head at rest, unit, shape (4,), ``model`` frame
    gaze_deg : the constant error of the gaze, which is subtracted: pitch and yaw of the right eye,
        then of the left, degrees (`gaze_offset`)

    Raises
    ------
    InvalidInputError
        If anything is no finite number, or the rotation does not have four that are not all 0.
    """

    rest: dict[str, float] = field(default_factory=lambda: {})
    reach: dict[str, float] = field(default_factory=lambda: {})
    quaternion_wxyz: tuple[float, ...] = IDENTITY
    gaze_deg: tuple[float, ...] = NO_OFFSET

    def __post_init__(self) -> None:
        for name in ("rest", "reach"):
            object.__setattr__(self, name, option(name, getattr(self, name), _SHAPES))
        for name in ("quaternion_wxyz", "gaze_deg"):
            numbers = array_of(name, getattr(self, name), "(4,)")
            if numbers.shape != (4,):
                raise InvalidInputError(f"{name} must be four numbers, got {shown(numbers)}")
            object.__setattr__(self, name, tuple(numbers.tolist()))
        if np.linalg.norm(self.quaternion_wxyz) < LEAST_LENGTH:
            raise InvalidInputError("quaternion_wxyz must be of length 1")

    def __call__(self, name: str, value: float) -> float:
        """Put the value of a shape on the person's own scale.

        Parameters
        ----------
        name : ARKit's name of the shape
        value : v, what the network reads

        Returns
        -------
        ``(v - rest) / (reach - rest)``, cut to [0, 1]. An unknown rest is 0, an unknown reach 1.

        Examples
        --------
        >>> lid = PersonRange({"eyeBlinkLeft": 0.1}, {"eyeBlinkLeft": 0.6})
        >>> round(lid("eyeBlinkLeft", 0.35), 3), lid("eyeBlinkLeft", 0.7), lid("jawOpen", 0.4)
        (0.5, 1.0, 0.4)
        """
        rest = min(self.rest.get(name, 0.0), 0.95)
        reach = max(self.reach.get(name, 1.0), rest + 0.05)
        return min(1.0, max(0.0, (value - rest) / (reach - rest)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the range as a JSON file, which `read_range` reads.

        Raises
        ------
        InvalidInputError
            If the file cannot be written, or `read_range` would refuse it.
        """
        values: dict[str, Any] = {
            "format": FORMAT,
            "version": list(VERSION),
            "rest": {name: round(float(v), 4) for name, v in self.rest.items()},
            "reach": {name: round(float(v), 4) for name, v in self.reach.items()},
            "quaternion_wxyz": [round(float(v), 5) for v in self.quaternion_wxyz],
            "gaze_deg": [round(float(v), 2) for v in self.gaze_deg],
        }
        _range(values, "the range")
        write_output(path, json.dumps(values, indent=1) + "\n")


def read_range(path: str | os.PathLike[str]) -> PersonRange:
    """Read what `PersonRange.save` wrote.

    Raises
    ------
    InvalidInputError
        If there is no such file, or it is no range, has a newer major version, or names a shape
        that ARKit does not have.
    """
    try:
        values = strict_json.read(path_of("path", path))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot read the range {path}: {error}") from error
    if not isinstance(values, dict) or cast(dict[str, Any], values).get("format") != FORMAT:
        raise InvalidInputError(f"{path} is no range of a person: `edgeface calibrate` writes one")
    return _range(values, str(path))


def _range(values: Any, what: str) -> PersonRange:
    """The range that a file's values are, or InvalidInputError, which begins with ``what``."""
    try:
        entries = _ENTRIES.check(values, "")
    except ValueError as error:
        raise InvalidInputError(f"{what}: {error}") from error
    unknown = sorted((set(entries["rest"]) | set(entries["reach"])) - set(ARKIT_NAMES))
    if unknown:
        raise InvalidInputError(f"{what} names shapes that ARKit does not have: {unknown[0]}")
    try:
        return PersonRange(
            entries["rest"],
            entries["reach"],
            entries["quaternion_wxyz"],
            entries.get("gaze_deg", NO_OFFSET),
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"{what}: {error}") from error


def calibrate(blendshapes: Sequence[dict[str, float]], quaternions_wxyz: FloatArray) -> PersonRange:
    """Learn a person's rest from neutral frames alone; how far the shapes go stays unknown.

    Parameters
    ----------
    blendshapes : T dictionaries of values by ARKit's names; NaN is not seen
    quaternions_wxyz : the rotations of the head, unit, shape (T, 4), ``model`` frame

    Returns
    -------
    A range whose rest is the median of each shape and the mean rotation.

    Raises
    ------
    InvalidInputError
        If there is no frame, or an argument is not as described.
    """
    frames, quaternions_wxyz = _frames(blendshapes, quaternions_wxyz)
    seen: dict[str, list[float]] = {}
    for shapes in frames:
        for name, value in shapes.items():
            seen.setdefault(name, []).append(value)
    rest = {name: float(np.median(values)) for name, values in sorted(seen.items())}
    mean = mean_quaternion(quaternions_wxyz)
    offset = gaze_offset(frames, quaternions_wxyz)
    rest = _without_looks(rest, frames)
    return PersonRange(rest, {}, tuple(float(v) for v in mean), offset)


def learn_range(
    times_s: FloatArray,
    blendshapes: Sequence[dict[str, float]],
    quaternions_wxyz: FloatArray,
    rest_s: float | None = None,
) -> PersonRange:
    """Learn the range that a take shows.

    Parameters
    ----------
    times_s : the time of each frame, shape (T,), seconds
    blendshapes : T dictionaries of values by ARKit's names; NaN is not seen
    quaternions_wxyz : the rotations of the head, unit, shape (T, 4), ``model`` frame
    rest_s : for how many seconds the take begins with the resting face; None if it does not

    Returns
    -------
    The rest is the median of the seconds at rest, or without them the 30 % quantile of the take.
    The reach of lids is the weakest blink that shut them (`edgeface.lids.full_blinks`). The reach
    of other shapes is the 99 % quantile, but at least 0.5 above the rest. Shapes that moved by less
    than 0.25 keep their scale, and so do those of the gaze, which are angles.

    Raises
    ------
    InvalidInputError
        If there is no frame, or an argument is not as described.
    """
    frames, quaternions_wxyz = _frames(blendshapes, quaternions_wxyz)
    times_s = array_of("times_s", times_s, "(T,)")
    if times_s.shape != (len(frames),) or (np.diff(times_s) < 0).any():
        raise InvalidInputError(
            f"times_s must be {len(frames)} times that do not fall, one for each frame, got "
            f"{shown(times_s)}"
        )
    if rest_s is not None:
        rest_s = option("rest_s", rest_s, SECONDS_AT_REST)
    resting = times_s - times_s[0] <= (np.inf if rest_s is None else rest_s)
    offset = NO_OFFSET
    if rest_s is not None:
        rested = [shapes for shapes, rests in zip(frames, resting, strict=True) if rests]
        offset = gaze_offset(rested, quaternions_wxyz[resting])
    rest: dict[str, float] = {}
    reach: dict[str, float] = {}
    for name in sorted(set[str]().union(*frames)):
        values = np.array([shapes.get(name, np.nan) for shapes in frames], np.float64)
        seen = np.isfinite(values)
        if not (seen & resting).any():
            continue
        share = REST_SHARE if rest_s is None else 0.5
        rest[name] = float(np.quantile(values[seen & resting], share))
        farthest = float(np.quantile(values[seen], REACH_SHARE))
        if name in LIDS:
            peaks = blink_peaks(times_s[seen], values[seen])
            if len(peaks):
                reach[name] = float(full_blinks(peaks).min())
        elif farthest - rest[name] > LEAST_REACH / 2:
            reach[name] = max(farthest, rest[name] + LEAST_REACH)
    mean = mean_quaternion(quaternions_wxyz[resting])
    turn = tuple(float(v) for v in mean)
    rest, reach = (_without_looks(shapes, frames) for shapes in (rest, reach))
    return PersonRange(rest, reach, turn, offset)


def _frames(
    blendshapes: Iterable[dict[str, float]], quaternions_wxyz: FloatArray
) -> tuple[list[dict[str, float]], FloatArray]:
    """The shapes that are seen in each of T > 0 frames, and the head's rotations (T, 4).

    Raises
    ------
    InvalidInputError
        If there is no frame, or the two are not as `calibrate` takes them.
    """
    if not isinstance(cast(object, blendshapes), Iterable):
        raise InvalidInputError(f"blendshapes must be a list, got {shown(blendshapes)}")
    frames = [seen_shapes(shapes) for shapes in blendshapes]
    if not frames:
        raise InvalidInputError("calibrating needs at least one frame with the face in it")
    turns = array_of("quaternions_wxyz", quaternions_wxyz, "(T, 4)")
    if turns.shape != (len(frames), 4) or (np.linalg.norm(turns, axis=1) < LEAST_LENGTH).any():
        raise InvalidInputError(
            f"quaternions_wxyz must be {len(frames)} of length 1, one for each frame, got "
            f"{shown(turns)}"
        )
    return frames, turns


def gaze_offset(
    blendshapes: Sequence[dict[str, float]], quaternions_wxyz: FloatArray
) -> tuple[float, ...]:
    """Measure the constant error of the gaze, from frames in which a person looks at the camera.

    Parameters
    ----------
    blendshapes : T dictionaries of values by ARKit's names
    quaternions_wxyz : the rotations of the head, unit, shape (T, 4), ``model`` frame

    Returns
    -------
    Pitch and yaw of the right eye, then of the left, degrees: the median of the gaze that is read
    minus the direction of the camera, cut to 20 degrees. For a head that is turned by R, the camera
    is in the direction ``R^T (0, 0, 1)``. All are 0 if the gaze is not seen.
    """
    seen = [
        (gaze_from_looks(shapes), quaternion)
        for shapes, quaternion in zip(blendshapes, quaternions_wxyz, strict=True)
        if all(np.isfinite(shapes.get(name, np.nan)) for name in LOOKS)
    ]
    if not seen:
        return NO_OFFSET
    read = np.stack([gaze for gaze, _ in seen])
    turns = rotation_from_quaternion(np.stack([quaternion for _, quaternion in seen]))
    x, y, z = turns[:, 2].T  # the last column of R^T
    camera = np.rad2deg(np.stack([np.arctan2(-y, z), np.arcsin(np.clip(x, -1, 1))], axis=1))
    offset = np.median(read - camera[:, None], axis=0).clip(-MOST_OFFSET_DEG, MOST_OFFSET_DEG)
    return tuple(offset.ravel().tolist())


def _without_looks(
    shapes: dict[str, float], frames: Sequence[dict[str, float]]
) -> dict[str, float]:
    """The shapes that have a range of their own, as they were learned from frames.

    Where the gaze is seen, its shapes are angles, which have an offset instead.
    """
    seen = any(all(name in frame for name in LOOKS) for frame in frames)
    looks = LOOKS if seen else ()
    return {name: value for name, value in shapes.items() if name not in looks}
