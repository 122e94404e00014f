"""From a person's expression and head to a character's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES, mirrored_name
from edgeface.errors import InvalidInputError
from edgeface.retarget.mapping import Mapping, Source
from edgeface.rotations import (
    mean_quaternion,
    quaternion_from_rotation,
    rotation_from_quaternion,
    slerp,
)
from edgeface.types import FloatArray

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
AS_IT_IS = Source()


@dataclass(frozen=True, eq=False)
class RestPose:
    """What a person's neutral face reads, which is not quite zero, and where they look then.

    Attributes
    ----------
    blendshapes : the value of each of ARKit's shapes at rest, by name
    quaternion_wxyz : the rotation of the head at rest, ``model`` frame
    """

    blendshapes: dict[str, float] = field(default_factory=lambda: {})
    quaternion_wxyz: FloatArray = field(default_factory=lambda: IDENTITY)


def calibrate(blendshapes: Sequence[dict[str, float]], quaternions_wxyz: FloatArray) -> RestPose:
    """The rest pose of neutral frames: medians of shapes, mean rotation.

    Raises
    ------
    InvalidInputError
        If there is no frame.
    """
    if not blendshapes:
        raise InvalidInputError("calibrating needs at least one frame with the face in it")
    names = sorted(set[str]().union(*blendshapes))
    medians = {n: float(np.median([b.get(n, 0.0) for b in blendshapes])) for n in names}
    return RestPose(medians, mean_quaternion(quaternions_wxyz))


class Retargeter:
    """Turns ARKit's shapes and the head's rotation into a character's.

    Examples
    --------
    >>> smile = Mapping(targets={"Joy": {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}})
    >>> shapes, _ = Retargeter(smile)({"mouthSmileLeft": 1.0}, IDENTITY)
    >>> shapes
    {'Joy': 0.5}
    """

    def __init__(self, mapping: Mapping | None = None, rest: RestPose | None = None) -> None:
        self.mapping = mapping or Mapping()
        self.rest = rest or RestPose()

    @property
    def target_names(self) -> tuple[str, ...]:
        """The shapes that a call returns, in order."""
        return tuple(self.mapping.targets) or ARKIT_NAMES

    def __call__(
        self, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> tuple[dict[str, float], FloatArray]:
        """One frame.

        Parameters
        ----------
        blendshapes : the value of each of ARKit's shapes, by name; an absent one counts as 0
        quaternion_wxyz : the rotation of the head, shape (4,), ``model`` frame

        Returns
        -------
        shapes : the weight of every target in [0, 1], by name
        quaternion_wxyz : the rotation of the head from its rest, shape (4,), same frame
        """
        read = {name: self._read(name, value) for name, value in blendshapes.items()}
        if self.mapping.mirror:
            read = {mirrored_name(name): value for name, value in read.items()}
        targets = self.mapping.targets or {name: {name: 1.0} for name in ARKIT_NAMES}
        shapes = {
            target: float(np.clip(sum(w * read.get(s, 0.0) for s, w in weights.items()), 0, 1))
            for target, weights in targets.items()
        }
        return shapes, self._head(quaternion_wxyz)

    def _read(self, name: str, value: float) -> float:
        rest = min(self.rest.blendshapes.get(name, 0.0), 0.95)
        return self.mapping.sources.get(name, AS_IT_IS)(max(0.0, (value - rest) / (1.0 - rest)))

    def _head(self, quaternion_wxyz: FloatArray) -> FloatArray:
        posed = rotation_from_quaternion(quaternion_wxyz)
        rest = rotation_from_quaternion(self.rest.quaternion_wxyz)
        turn = quaternion_from_rotation(posed @ rest.T)
        if self.mapping.mirror:
            turn = turn * [1.0, 1.0, -1.0, -1.0]
        return slerp(IDENTITY, turn, self.mapping.head_gain)
