"""One-Euro smoothing of faces: landmarks, pose on the manifold of rotations, expressions, gaze.

A One-Euro filter (Casiez et al. 2012) is a low-pass whose cutoff rises with the signal's speed:
what rests is smoothed hard, and what moves is followed closely. Speeds of points are measured in
face sizes a second, so that smoothing does not depend on the distance from the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.gaze import LIDS, SHUT_BLINK
from edgeface.kernels import euler_from_rotation
from edgeface.rotations import (
    quaternion_from_rotation,
    rotation_from_quaternion,
    rotation_vector,
    slerp,
)
from edgeface.types import Float32Array, FloatArray
from edgeface.values import Choice, Number, option, shown

Strength = Literal["off", "light", "strong"]

MAX_STEP_S = 1e11
"""The longest time between two sights of a face."""
SPEED_CUTOFF_HZ = 1.5
"""The cutoff of the low-pass on velocities; their noise cancels before a speed is taken."""


@dataclass(frozen=True)
class Group:
    """How one group of parameters is smoothed.

    Attributes
    ----------
    min_cutoff_hz : the cutoff at rest; a slow drift lags by ``1 / (2 pi min_cutoff_hz)`` seconds
    beta : how much the cutoff rises, Hz, for each unit of speed
    most : how far smoothing may move a coordinate from where it was seen, in units of its size
    """

    min_cutoff_hz: float
    beta: float
    most: float = math.inf


@dataclass(frozen=True)
class Settings:
    """The groups of a strength; speeds are in face sizes, radians and full shapes a second."""

    points: Group
    rotation: Group
    expression: Group


MOST_EXPRESSION = 0.1
"""No expression is smoothed further from what was read, so that events of one frame stay: a
low-pass alone takes the more of them the shorter the frames are."""
STRENGTHS: dict[str, Settings] = {
    "light": Settings(Group(1.4, 12.0), Group(1.6, 6.0), Group(2.0, 8.0, MOST_EXPRESSION)),
    "strong": Settings(Group(0.6, 8.0), Group(0.6, 4.0), Group(0.8, 6.0, MOST_EXPRESSION)),
}
"""The settings of each strength; "off" has none.

``docs/explanation/tracking.md`` states their latency."""


class OneEuro:
    """The filter of an array of points, each of which has a speed of its own."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._value: FloatArray | None = None
        self._raw: FloatArray | None = None
        self._velocity: FloatArray | float = 0.0

    def __call__(self, value: FloatArray, dt_s: float, size: float = 1.0) -> FloatArray:
        """Smooth a value.

        Parameters
        ----------
        value : float, shape (..., D), points of D coordinates
        dt_s : the seconds since the last call, > 0
        size : the length that counts as one in speeds
        """
        value = np.asarray(value, np.float64)
        if self._value is None or self._raw is None:
            self._value = self._raw = value
            return value
        velocity: FloatArray = (value - self._raw) / (dt_s * size)
        self._velocity = self._velocity + _gain(SPEED_CUTOFF_HZ, dt_s) * (velocity - self._velocity)
        speed = np.linalg.norm(self._velocity, axis=-1, keepdims=True)
        cutoff = self._group.min_cutoff_hz + self._group.beta * speed
        smoothed: FloatArray = self._value + _gain(cutoff, dt_s) * (value - self._value)
        most = self._group.most * size
        smoothed = np.clip(smoothed, value - most, value + most)
        self._value, self._raw = smoothed, value
        return smoothed


class OneEuroRotation:
    """The filter on the manifold of rotations, which follows its geodesics."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._value: FloatArray | None = None
        self._raw: FloatArray | None = None
        self._velocity = np.zeros(3)

    def __call__(self, quaternion_wxyz: FloatArray, dt_s: float) -> FloatArray:
        """Smooth a unit quaternion, shape (4,)."""
        if self._value is None or self._raw is None:
            self._value = self._raw = quaternion_wxyz
            return quaternion_wxyz
        velocity = rotation_vector(self._raw, quaternion_wxyz) / dt_s
        self._velocity = self._velocity + _gain(SPEED_CUTOFF_HZ, dt_s) * (velocity - self._velocity)
        cutoff = self._group.min_cutoff_hz + self._group.beta * np.linalg.norm(self._velocity)
        self._value = slerp(self._value, quaternion_wxyz, float(_gain(cutoff, dt_s)))
        self._raw = quaternion_wxyz
        return self._value


_SMOOTHED = ("boxes_xyxy", "landmarks_3d", "expression_coeffs", "rotation", "translation", "focal")


class FaceSmoother:
    """Smooths one face over time; call it with the face of each frame.

    Parameters
    ----------
    strength : "off", "light" or "strong"

    Raises
    ------
    InvalidInputError
        If there is no such strength.
    """

    def __init__(self, strength: Strength) -> None:
        self._settings = settings_of(strength)
        self.reset()

    def reset(self) -> None:
        """Forget the past, as after a cut or a change of resolution."""
        settings = self._settings
        if settings is None:
            return
        self._landmarks, self._box = OneEuro(settings.points), OneEuro(settings.points)
        self._camera = OneEuro(settings.points)
        self._rotation = OneEuroRotation(settings.rotation)
        self._expression = OneEuro(settings.expression)
        self._gaze = OneEuro(settings.rotation)
        self._open_gaze: FloatArray | None = None

    def __call__(self, face: Faces, dt_s: float) -> Faces:
        """Smooth the face of the next frame.

        Parameters
        ----------
        face : `Faces` with N = 1
        dt_s : the time since the last frame, seconds, above 0

        Returns
        -------
        Faces
            The same face with smoothed boxes, landmarks, pose, expressions and gaze.

        Raises
        ------
        InvalidInputError
            If it is not one face, something of it is not finite, or no time has passed.
        """
        dt_s = option("dt_s", dt_s, Number(0, MAX_STEP_S, above=True))
        if not isinstance(cast(object, face), Faces) or len(face) != 1:
            raise InvalidInputError(f"a smoother takes Faces with N = 1, got {shown(face)}")
        for name in _SMOOTHED:  # one would spoil all that follow
            if not np.isfinite(getattr(face, name)).all():
                raise InvalidInputError(f"a smoother takes finite numbers, and {name} has others")
        if self._settings is None:
            return face
        box = face.boxes_xyxy.reshape(2, 2)
        size = max(float((box[1] - box[0]).max()), 1e-6)
        camera = np.append(face.translation[0], np.log(np.maximum(face.focal[0], 1e-6)))
        camera = self._camera(camera[:, None], dt_s)[:, 0]
        quaternion = self._rotation(quaternion_from_rotation(face.rotation[0]), dt_s)
        rotation = rotation_from_quaternion(quaternion)[None].astype(np.float32)
        expression = self._expression(face.expression_coeffs[0][:, None], dt_s)
        return replace(
            face,
            boxes_xyxy=self._box(box, dt_s, size).reshape(1, 4).astype(np.float32),
            landmarks_3d=self._landmarks(face.landmarks_3d, dt_s, size).astype(np.float32),
            expression_coeffs=expression.reshape(1, -1).astype(np.float32),
            rotation=rotation,
            euler_deg=euler_from_rotation(rotation),
            translation=camera[None, :3].astype(np.float32),
            focal=np.exp(camera[3:]).astype(np.float32),
            gaze_deg=self._smooth_gaze(face, dt_s),
        )

    def _smooth_gaze(self, face: Faces, dt_s: float) -> Float32Array | None:
        """The gaze (1, 2, 2); that of an eye that is shut is the last one of the open eye."""
        if face.gaze_deg is None:
            return None
        blinks = dict(zip(face.expression_names, face.expression_coeffs[0].tolist(), strict=True))
        gaze = np.deg2rad(face.gaze_deg[0]).astype(np.float64)
        if self._open_gaze is not None:
            unseen = np.array([blinks.get(name, 0.0) >= SHUT_BLINK for name in LIDS])
            unseen |= ~np.isfinite(gaze).all(axis=1)
            gaze[unseen] = self._open_gaze[unseen]
        if not np.isfinite(gaze).all():
            return face.gaze_deg
        self._open_gaze = gaze
        return np.rad2deg(self._gaze(gaze, dt_s))[None].astype(np.float32)


def settings_of(strength: Strength) -> Settings | None:
    """The settings of a strength, or None for "off"."""
    option("smoothing", strength, Choice(("off", *STRENGTHS)))
    return STRENGTHS.get(strength)


def _gain(cutoff_hz: Any, dt_s: float) -> Any:
    """The share of a new value that a first-order low-pass takes."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * dt_s))
