"""Turning a person's expression and head into a character's."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES, mirrored_name
from edgeface.errors import InvalidInputError
from edgeface.gaze import LIDS, LOOKS, eye_looks, eye_quaternions, gaze_from_looks
from edgeface.lids import LidReach
from edgeface.retarget.derived import derive
from edgeface.retarget.fit import PoseFit
from edgeface.retarget.mapping import BONES, Mapping, Source
from edgeface.retarget.reach import LEAST_LENGTH, PersonRange
from edgeface.retarget.seen import seen_shapes
from edgeface.rotations import (
    quaternion_from_rotation,
    rotation_from_quaternion,
    slerp,
)
from edgeface.types import Float64Array, FloatArray
from edgeface.values import SECONDS, Flag, array_of, instance, option, shown

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
AS_IT_IS = Source()


class Retargeter:
    """Turns a person's expression and head rotation into those of a character.

    Parameters
    ----------
    mapping : how ARKit's shapes move the character's; None keeps ARKit's names
    person : the person's range, to which values are scaled; None leaves them as they are
    derived : whether `derive` adds shapes that are not seen

    Raises
    ------
    InvalidInputError
        If the mapping, the range or ``derived`` is something else.

    Examples
    --------
    >>> smile = Mapping(targets={"Joy": {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}})
    >>> shapes, _ = Retargeter(smile)({"mouthSmileLeft": 1.0}, IDENTITY)
    >>> shapes
    {'Joy': 0.5}
    """

    def __init__(
        self,
        mapping: Mapping | None = None,
        person: PersonRange | None = None,
        *,
        derived: bool = False,
    ) -> None:
        mapping = Mapping() if mapping is None else mapping
        person = PersonRange() if person is None else person
        self.mapping = instance("mapping", mapping, Mapping, "read_mapping")
        self.person = instance("person", person, PersonRange, "read_range")
        self._derived = option("derived", derived, Flag())
        self._lids: dict[str, LidReach] = {}
        self._fit = PoseFit(self.mapping.fit) if self.mapping.fit else None

    @property
    def target_names(self) -> tuple[str, ...]:
        """The shapes that a call may return, in order."""
        return tuple(self.mapping.recipes) or ARKIT_NAMES

    def watch(self, time_s: float, blendshapes: dict[str, float]) -> None:
        """Learn from a frame how far the person's lids go, unless the person's range says it.

        Of a take, pass all frames here before the first is retargeted; of a stream, each frame
        before it is. Without this, lids keep their values.

        Parameters
        ----------
        time_s : the time of the frame, seconds
        blendshapes : those of a call
        """
        seen, time_s = seen_shapes(blendshapes), option("time_s", time_s, SECONDS)
        for name in LIDS:
            value = seen.get(name)
            if name not in self.person.reach and value is not None:
                lid = self._lids.setdefault(name, LidReach())
                lid.see(time_s, self.person(name, value))

    def forget(self) -> None:
        """Forget what `watch` has learned, before another person is watched."""
        self._lids.clear()

    def __call__(
        self, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> tuple[dict[str, float], FloatArray]:
        """Retarget one frame.

        Parameters
        ----------
        blendshapes : values in [0, 1] by ARKit's names; those that are not seen are absent or NaN
        quaternion_wxyz : the rotation of the head, unit, shape (4,), ``model`` frame

        Returns
        -------
        shapes : weights in [0, 1] by the names of the targets. A target none of whose sources is
            seen is absent.
        quaternion_wxyz : the rotation of the head from its rest, unit, float64, shape (4,), same
            frame

        Raises
        ------
        InvalidInputError
            If ``blendshapes`` does not map names to numbers, or ``quaternion_wxyz`` does not have
            four numbers or is nearly 0.
        """
        read = {name: self._own(name, value) for name, value in seen_shapes(blendshapes).items()}
        # angles, whatever range an older file has for their shapes
        ranged = any(self.person.gaze_deg) or {*self.person.rest, *self.person.reach} & set(LOOKS)
        if ranged and (gaze := self._gaze(blendshapes)) is not None:
            read |= dict(zip(LOOKS, eye_looks(gaze[None])[0].tolist(), strict=True))
        if self._derived:
            read = derive(read)
        read = self._read(read)
        if self.mapping.mirror:
            read = {mirrored_name(name): value for name, value in read.items()}
        targets = self.mapping.targets
        if not targets and self._fit is None:
            targets = {name: {name: 1.0} for name in ARKIT_NAMES}
        shapes = {
            target: float(np.clip(sum(w * read.get(s, 0.0) for s, w in weights.items()), 0, 1))
            for target, weights in targets.items()
            if read.keys() & weights.keys()
        }
        if self._fit is not None and read:
            shapes |= self._fit(read)
        return shapes, self._head(quaternion_wxyz)

    def eyes_deg(self, blendshapes: dict[str, float]) -> Float64Array | None:
        """Tell how the eyes turn in the head, for characters whose eyes are bones.

        Parameters
        ----------
        blendshapes : those of a call

        Returns
        -------
        Pitch and yaw of the right eye, then of the left, float64, shape (2, 2), degrees, with the
        signs of `edgeface.Faces.gaze_deg`; None if the gaze is not seen.
        """
        gaze = self._gaze(blendshapes)
        if gaze is None:
            return None
        if self.mapping.sources.keys() & set(LOOKS):
            looks = dict(zip(LOOKS, eye_looks(gaze[None])[0].tolist(), strict=True))
            gaze = gaze_from_looks({n: min(1.0, max(0.0, v)) for n, v in self._read(looks).items()})
        return gaze[::-1] * [1, -1] if self.mapping.mirror else gaze

    def eye_turns(self, blendshapes: dict[str, float]) -> dict[str, FloatArray]:
        """Tell how the eyes of a character that is shown turn in its head.

        Parameters
        ----------
        blendshapes : those of a call; of the names of the gaze, those that are not seen count as 0

        Returns
        -------
        Unit quaternions, shape (4,), ``model`` frame, of the bones ``rightEye`` and ``leftEye``.
        """
        filled = dict.fromkeys(LOOKS, 0.0) | seen_shapes(blendshapes)
        gaze = cast(Float64Array, self.eyes_deg(filled))  # all eight are there
        return dict(zip(("rightEye", "leftEye"), eye_quaternions(gaze), strict=True))

    def _gaze(self, blendshapes: dict[str, float]) -> Float64Array | None:
        """Where the person's eyes look, calibrated; None unless all eight shapes are seen."""
        seen = seen_shapes(blendshapes)
        if not all(name in seen for name in LOOKS):
            return None
        return gaze_from_looks(seen) - np.array(self.person.gaze_deg).reshape(2, 2)

    def bone_turns(
        self, head_wxyz: FloatArray, bones: Collection[str] = BONES
    ) -> dict[str, FloatArray]:
        """Share the rotation of the head between the bones that a character has.

        Parameters
        ----------
        head_wxyz : q, the rotation of the head from its rest, unit, shape (..., 4), ``model`` frame
        bones : the names of the bones that the character has, of `edgeface.retarget.mapping.BONES`

        Returns
        -------
        The rotation of each bone relative to its parent, unit, shape (..., 4), same frame, by name:
        ``q^(s / S)``, where s is the bone's share in the mapping and S the sum of the shares of all
        bones that are there.

        Raises
        ------
        InvalidInputError
            If a rotation does not have four numbers, or is nearly 0.
        """
        head = array_of("head_wxyz", head_wxyz, "(..., 4)")
        if head.shape[-1:] != (4,) or (np.linalg.norm(head, axis=-1) < LEAST_LENGTH).any():
            raise InvalidInputError(f"head_wxyz must have length 1, got {shown(head_wxyz)}")
        shares = {bone: share for bone, share in self.mapping.shares.items() if bone in bones}
        total = sum(shares.values())
        if total <= 0:
            return {"head": head} if "head" in bones else {}
        rows = head.reshape(-1, 4)
        return {
            bone: np.array([slerp(IDENTITY, row, share / total) for row in rows]).reshape(
                head.shape
            )
            for bone, share in shares.items()
            if share > 0
        }

    def _read(self, shapes: dict[str, float]) -> dict[str, float]:
        """Shapes as the mapping's sources read them."""
        return {n: self.mapping.sources.get(n, AS_IT_IS)(value) for n, value in shapes.items()}

    def _own(self, name: str, value: float) -> float:
        """Put a shape on the person's own scale."""
        value = self.person(name, value)
        if name in self._lids and name not in self.person.reach:
            value = self._lids[name](value)
        return value

    def _head(self, quaternion_wxyz: FloatArray) -> FloatArray:
        given = array_of("quaternion_wxyz", quaternion_wxyz, "(4,)")
        if given.shape != (4,) or np.linalg.norm(given) < LEAST_LENGTH:
            raise InvalidInputError(f"quaternion_wxyz must have length 1, got {shown(given)}")
        posed = rotation_from_quaternion(given)
        rest = rotation_from_quaternion(np.array(self.person.quaternion_wxyz))
        turn = quaternion_from_rotation(posed @ rest.T)
        if self.mapping.mirror:
            turn = turn * [1.0, 1.0, -1.0, -1.0]
        return slerp(IDENTITY, turn, self.mapping.head_gain)


def given_retargeter(retargeter: Retargeter | None) -> Retargeter:
    """The retargeter that is given; None stands for one that leaves everything as it is.

    Raises
    ------
    InvalidInputError
        If it is something else.
    """
    return Retargeter() if retargeter is None else instance("retargeter", retargeter, Retargeter)
