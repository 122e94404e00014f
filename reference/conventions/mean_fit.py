"""Finding where a face lies by its points in any convention: a camera sees the mean face."""

from __future__ import annotations

from typing import cast

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.conventions.convention import Convention
from edgeface.types import FloatArray

MIN_POINTS = 5
"""How many points a face needs; fewer hardly determine the camera."""


def fit_mean_face(
    convention: Convention, points: FloatArray, model: FaceModel
) -> tuple[FloatArray, FloatArray]:
    """Head rotations and 68 landmarks of the mean face under the labelled points.

    Parameters
    ----------
    points : float, shape (N, P, 2), ``image_px``, NaN where a point is not labelled
        Only the points that are fixed on the surface are used.

    Returns
    -------
    rotation : float32, shape (N, 3, 3), ``model`` frame
    landmarks : float32, shape (N, 68, 2), ``image_px``
        They serve to find boxes and yaw groups, and are no labels.

    Raises
    ------
    InvalidInputError
        If the points are not the convention's, or a face has fewer than `MIN_POINTS` fixed ones.

    Notes
    -----
    In weak perspective, as in `edgeface.reference.geometry.pose.head_rotation`: the scaled
    orthonormal rows nearest to the least-squares 2 x 3 camera of the points that a face has.
    """
    if points.ndim != 3 or points.shape[1:] != (len(convention.points), 2):
        raise InvalidInputError(
            f"points of the convention {convention.name!r} must have the shape (N, "
            f"{len(convention.points)}, 2), got {points.shape}"
        )
    shape = convention.on(model.mean).astype(np.float64)
    sparse = model.landmarks(np.eye(50)[0], np.zeros(46)).astype(np.float64)
    fixed = np.array([kind == "fixed" for kind in convention.kind])
    rotations = np.empty((len(points), 3, 3), np.float32)
    landmarks = np.empty((len(points), *sparse.shape[:1], 2), np.float32)
    for i, face in enumerate(points):
        known = fixed & np.isfinite(face).all(axis=1)
        if known.sum() < MIN_POINTS:
            raise InvalidInputError(
                f"face {i} has {known.sum()} labelled points of {convention.name!r} that stay on "
                f"the surface, expected {MIN_POINTS} or more"
            )
        centre, middle = shape[known].mean(axis=0), face[known].mean(axis=0)
        camera = cast(
            "FloatArray",
            np.linalg.lstsq(shape[known] - centre, (face[known] - middle) * [1, -1])[0],
        )
        left, sizes, right = np.linalg.svd(camera.T, full_matrices=False)
        rows = left @ right
        rotations[i] = [*rows, np.cross(rows[0], rows[1])]
        landmarks[i] = sizes.mean() * (sparse - centre) @ rows.T * [1, -1] + middle
    return rotations, landmarks
