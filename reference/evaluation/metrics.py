"""Error measures of landmarks, pose and expression, wherever labels come from."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgeface.reference.geometry.pose import euler_deg
from edgeface.types import FloatArray

INNER = slice(17, 68)
"""The 51 landmarks without the face's outline."""
OUTER_EYE_CORNERS = (36, 45)

Norm = Literal["eyes", "box", "diagonal"]
"""What errors are divided by: the distance of the outer eye corners (300-W), the square root of the
area of the landmarks' tight box (AFLW2000-3D), or that box's diagonal (300-VW, in Deng et al.'s
protocol). All are those of the true landmarks."""


def nme(
    predicted: FloatArray, truth: FloatArray, norm: Norm = "eyes", inner: bool = False
) -> FloatArray:
    """The normalised mean error of each face in percent.

    Parameters
    ----------
    predicted, truth : (N, 68, 2), in the same frame
    norm : what errors are divided by (`Norm`)
    inner : whether only landmarks 17..67 count; the divisor is that of all 68 either way

    Returns
    -------
    (N,), NaN where a point is NaN
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
    """The share of faces (L,) whose error is at most each limit; infinite errors are failures.

    Without faces, all shares are 0.
    """
    return np.searchsorted(np.sort(errors), limits, side="right") / max(len(errors), 1)


def area_under_curve(errors: FloatArray, limit: float) -> float:
    """The area under the cumulative error curve from 0 to ``limit``, over ``limit``.

    Notes
    -----
    The curve is a staircase, to which a face of error e < limit adds ``(limit - e) / limit``. Faces
    that were not found have an infinite error. Without faces, the area is NaN.
    """
    if len(errors) == 0:
        return float("nan")
    return float(np.clip(1 - errors / limit, 0, None).mean())


def euler_error(predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """The absolute errors (N, 3) of pitch, yaw and roll of rotations (N, 3, 3), in degrees."""
    return np.abs((euler_deg(predicted) - euler_deg(truth) + 180) % 360 - 180)


def rotation_angle(a: FloatArray, b: FloatArray) -> FloatArray:
    """The geodesic angles (N,) between rotations (N, 3, 3), in degrees."""
    cosine = (np.einsum("nij,nij->n", a, b) - 1) / 2
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
