"""Where eyes look, from the irises of the teacher's mesh and the face model fitted to it."""

from __future__ import annotations

import numpy as np

from edgeface.face_model import FaceModel
from edgeface.gaze import IMAGE_AXES, eye_balls, iris_centres
from edgeface.reference.geometry.fit import Fit
from edgeface.reference.geometry.lids import lid_opening
from edgeface.reference.geometry.pose import yaw_from_rotation
from edgeface.types import FloatArray

NEARLY_SHUT_EYE = 0.15
"""The least lid distance over eye width at which an eye has a gaze; open ones have 0.35."""
HIDDEN_YAW_DEG = 45.0
"""The head's yaw from which on the far eye has no gaze: the nose and the eye's own ball hide it."""
EYE_LANDMARKS = (slice(36, 42), slice(42, 48))


def placed_landmarks(fit: Fit, model: FaceModel) -> FloatArray:
    """The fitted landmarks with depth (N, 68, 3), ``image_px``, z away from the camera."""
    return fit.place(model.landmarks(fit.identity, fit.expression))


def gaze_of_irises(
    irises: FloatArray, fit: Fit, model: FaceModel, lids: FloatArray | None = None
) -> FloatArray:
    """Pitch and yaw (N, 2, 2), rad, of the right and the left eye relative to the head.

    Parameters
    ----------
    irises : (N, 2, 2), ``image_px``, the centres of the right and the left iris
    fit : the face model fitted to the faces
    lids : (N, 68, 2), the landmarks that tell how far eyes are open; None for the fitted ones

    Returns
    -------
    float32; NaN where there is no iris, where the eye is nearly shut or on the far side of a turned
    head, and where the iris lies beyond the ball that it should be on

    Notes
    -----
    The inverse of `edgeface.gaze.iris_centres`: with the ball's centre ``b`` and radius ``r`` px,
    ``(x, y) = (iris - b) / r`` and ``z = sqrt(1 - x^2 - y^2)`` towards the camera are the direction
    as the camera sees it; ``g = R^T (x, -y, z)``, ``yaw = asin(g_x)``, ``pitch = atan2(-g_y,
    g_z)``.
    """
    placed = placed_landmarks(fit, model)
    centres, radii = eye_balls(placed, fit.rotation)
    x, y = np.moveaxis((irises - centres[..., :2]) / radii[..., None], -1, 0)
    with np.errstate(invalid="ignore"):
        z = np.sqrt(1 - x * x - y * y)  # NaN beyond the ball
    seen = np.stack([x, y, -z], axis=-1) * IMAGE_AXES
    g = np.einsum("nji,nej->nei", fit.rotation, seen)
    gaze = np.stack(
        [np.arctan2(-g[..., 1], g[..., 2]), np.arcsin(np.clip(g[..., 0], -1, 1))], axis=-1
    )
    shut = lid_opening(placed[..., :2] if lids is None else lids) < NEARLY_SHUT_EYE
    yaw = yaw_from_rotation(fit.rotation)
    hidden = np.stack([yaw < -HIDDEN_YAW_DEG, yaw > HIDDEN_YAW_DEG], axis=1)
    gaze[shut | hidden] = np.nan
    return gaze.astype(np.float32)


def moved_gaze(gaze: FloatArray, old: Fit, new: Fit, model: FaceModel) -> FloatArray:
    """The gaze (N, 2, 2), rad, after faces were moved from one fit to another in their pictures.

    The irises move along with the six landmarks around each eye, by the affine map that carries
    these best.
    """
    before, after = (placed_landmarks(f, model) for f in (old, new))
    irises = iris_centres(before, old.rotation, np.rad2deg(gaze)).astype(np.float64)
    for eye, around in enumerate(EYE_LANDMARKS):
        for row in np.flatnonzero(np.isfinite(gaze[:, eye]).all(axis=1)):
            source = np.column_stack([before[row, around, :2], np.ones(6)])
            carry = np.linalg.lstsq(source, after[row, around, :2], rcond=None)[0]
            irises[row, eye] = np.append(irises[row, eye], 1.0) @ carry
    return gaze_of_irises(irises, new, model)
