"""Error measures of landmarks, pose and expression; nothing here knows where labels come from."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

INNER = slice(17, 68)
"""The 51 landmarks without the face's outline."""
OUTER_EYE_CORNERS = (36, 45)

Norm = Literal["eyes", "box", "diagonal"]
"""What an error is divided by, all of the true landmarks: the distance of the outer eye corners
(300-W), the square root of the area of their tight box (AFLW2000-3D), or that box's diagonal
(300-VW, in Deng et al.'s protocol)."""


def nme(predicted: Array, truth: Array, norm: Norm = "eyes", inner: bool = False) -> Array:
    """Normalised mean error of each face in percent.

    Parameters
    ----------
    predicted, truth : (N, 68, 2), one frame
    norm : see `Norm`
    inner : over landmarks 17..67 only; the divisor is of all 68 either way

    Returns
    -------
    (N,), NaN where a point is
    """
    part = INNER if inner else slice(None)
    distance = np.linalg.norm(predicted[:, part] - truth[:, part], axis=2).mean(axis=1)
    return 100 * distance / _size(truth, norm)


def _size(truth: Array, norm: Norm) -> Array:
    if norm == "eyes":
        first, second = OUTER_EYE_CORNERS
        return np.linalg.norm(truth[:, second] - truth[:, first], axis=1)
    extent = truth.max(axis=1) - truth.min(axis=1)
    return np.sqrt(extent.prod(axis=1)) if norm == "box" else np.linalg.norm(extent, axis=1)


def error_curve(errors: Array, limits: Array) -> Array:
    """Share of faces (L,) whose error is at most each limit; infinite errors are failures.

    An empty set gives zeros.
    """
    return np.searchsorted(np.sort(errors), limits, side="right") / max(len(errors), 1)


def area_under_curve(errors: Array, limit: float) -> float:
    """Area under the cumulative error curve from 0 to ``limit``, over ``limit``.

    Notes
    -----
    The curve is a staircase: a face of error e adds ``(limit - e) / limit`` where e < limit and
    nothing elsewhere. Faces that were not found have an infinite error. An empty set gives NaN.
    """
    if len(errors) == 0:
        return float("nan")
    return float(np.clip(1 - errors / limit, 0, None).mean())


def euler_deg(rotation: Array) -> Array:
    """Pitch, yaw, roll in degrees with ``R = Rx Ry Rz``, (N, 3)."""
    pitch = np.arctan2(-rotation[:, 1, 2], rotation[:, 2, 2])
    yaw = np.arcsin(np.clip(rotation[:, 0, 2], -1, 1))
    roll = np.arctan2(-rotation[:, 0, 1], rotation[:, 0, 0])
    return np.rad2deg(np.stack([pitch, yaw, roll], axis=1)).astype(np.float32)


def rotation_from_euler(angles_deg: Array) -> Array:
    """``Rx Ry Rz`` (N, 3, 3) of pitch, yaw, roll (N, 3) in degrees."""
    x, y, z = np.deg2rad(angles_deg).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    parts = (
        [[one, zero, zero], [zero, np.cos(x), -np.sin(x)], [zero, np.sin(x), np.cos(x)]],
        [[np.cos(y), zero, np.sin(y)], [zero, one, zero], [-np.sin(y), zero, np.cos(y)]],
        [[np.cos(z), -np.sin(z), zero], [np.sin(z), np.cos(z), zero], [zero, zero, one]],
    )
    rx, ry, rz = (np.moveaxis(np.array(part), 2, 0) for part in parts)
    return rx @ ry @ rz


def yaw_from_rotation(rotation: Array) -> Array:
    """How far heads are turned in degrees, (N,): where the nose points in the plane of x and z."""
    return np.rad2deg(np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2]))


def euler_error(predicted: Array, truth: Array) -> Array:
    """Absolute errors of pitch, yaw, roll in degrees, (N, 3), of rotations (N, 3, 3)."""
    return np.abs((euler_deg(predicted) - euler_deg(truth) + 180) % 360 - 180)


def rotation_angle(a: Array, b: Array) -> Array:
    """Geodesic angle between rotations (N, 3, 3) in degrees, (N,)."""
    cosine = (np.einsum("nij,nij->n", a, b) - 1) / 2
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))


def head_rotation(landmarks: Array, shape: Array) -> Array:
    """Rotations (N, 3, 3), ``model`` frame, of a rigid shape that explains 2D landmarks.

    Parameters
    ----------
    landmarks : (N, 68, 2), ``image_px``
    shape : (68, 3), ``model`` frame, of a neutral face

    Notes
    -----
    Weak perspective: the least-squares 2 x 3 camera, and the nearest orthonormal rows to it. On
    375 unseen 300-W faces, its yaw lies within 1.5 degrees (median; 95 %: 5.3) of the full fit's,
    which is enough to tell yaw groups apart.
    """
    centred = shape - shape.mean(axis=0)
    points = landmarks - landmarks.mean(axis=1, keepdims=True)
    camera = np.einsum("cl,nlk->nkc", np.linalg.pinv(centred), points * [1, -1])
    left, _, right = np.linalg.svd(camera, full_matrices=False)
    rows = left @ right
    return np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
