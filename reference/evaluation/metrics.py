"""Error measures of landmarks, pose and expression; nothing here knows where labels come from."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgeface.reference.geometry.pose import euler_deg
from edgeface.types import FloatArray

INNER = slice(17, 68)
"""The 51 landmarks without the face's outline."""
OUTER_EYE_CORNERS = (36, 45)

Norm = Literal["eyes", "box", "diagonal"]
"""What an error is divided by, all of the true landmarks: the distance of the outer eye corners
(300-W), the square root of the area of their tight box (AFLW2000-3D), or that box's diagonal
(300-VW, in Deng et al.'s protocol)."""


def nme(
    predicted: FloatArray, truth: FloatArray, norm: Norm = "eyes", inner: bool = False
) -> FloatArray:
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


def _size(truth: FloatArray, norm: Norm) -> FloatArray:
    if norm == "eyes":
        first, second = OUTER_EYE_CORNERS
        return np.linalg.norm(truth[:, second] - truth[:, first], axis=1)
    extent = truth.max(axis=1) - truth.min(axis=1)
    return np.sqrt(extent.prod(axis=1)) if norm == "box" else np.linalg.norm(extent, axis=1)


def error_curve(errors: FloatArray, limits: FloatArray) -> FloatArray:
    """Share of faces (L,) whose error is at most each limit; infinite errors are failures.

    An empty set gives zeros.
    """
    return np.searchsorted(np.sort(errors), limits, side="right") / max(len(errors), 1)


def area_under_curve(errors: FloatArray, limit: float) -> float:
    """Area under the cumulative error curve from 0 to ``limit``, over ``limit``.

    Notes
    -----
    The curve is a staircase: a face of error e adds ``(limit - e) / limit`` where e < limit and
    nothing elsewhere. Faces that were not found have an infinite error. An empty set gives NaN.
    """
    if len(errors) == 0:
        return float("nan")
    return float(np.clip(1 - errors / limit, 0, None).mean())


def euler_error(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """Absolute errors of pitch, yaw, roll in degrees, (N, 3), of rotations (N, 3, 3)."""
    return np.abs((euler_deg(predicted) - euler_deg(truth) + 180) % 360 - 180)


def rotation_angle(a: FloatArray, b: FloatArray) -> FloatArray:
    """Geodesic angle between rotations (N, 3, 3) in degrees, (N,)."""
    cosine = (np.einsum("nij,nij->n", a, b) - 1) / 2
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
