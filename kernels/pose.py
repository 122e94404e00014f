"""Turning raw coefficients into landmarks in the image, for all faces at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgeface.kernels.jit import Engine, loops
from edgeface.kernels.morphable import Basis, contract_numpy, weights_numpy
from edgeface.kernels.project import (
    euler_from_rotation,
    project_landmarks,
    rotation_from_quaternion,
    unit_quaternion,
)
from edgeface.kernels.types import Float32Array, Float64Array, FloatArray


class PosedFaces(NamedTuple):
    """N faces in the image, all float32.

    Attributes
    ----------
    landmarks : shape (N, L, 3), image_px with depth
    boxes_xyxy : shape (N, 4), image_px
    expression : shape (N, 46), in [0, 1]
    rotation : shape (N, 3, 3), ``model`` frame
    euler_deg : pitch, yaw and roll, shape (N, 3), degrees
    translation : shape (N, 3), model units
    focal : shape (N,), the length of a model unit in face_norm
    """

    landmarks: Float32Array
    boxes_xyxy: Float32Array
    expression: Float32Array
    rotation: Float32Array
    euler_deg: Float32Array
    translation: Float32Array
    focal: Float32Array


def pose_faces(
    basis: Basis,
    boxes_xyxy: FloatArray,
    identity: FloatArray,
    expression: FloatArray,
    pose: FloatArray,
    placements: Float64Array,
    *,
    engine: Engine = "numpy",
) -> PosedFaces:
    """Compute landmarks, boxes and head poses of N faces.

    Parameters
    ----------
    basis : Basis of L points
    boxes_xyxy : float32, shape (N, 4), input_px
    identity : float32, shape (N, 50)
    expression : float32, shape (N, 46), logits
    pose : float32, shape (N, 8): quaternion wxyz, translation, logit of the scale
    placements : float64, shape (1, 4) or (N, 4): scale x and y, offset x and y, such that
        ``input = image * scale + offset``
    engine : "numba" or "numpy"

    Raises
    ------
    ValueError
        If the arrays do not fit together, or a placement cannot be undone.

    Notes
    -----
    Chaudhuri et al. 2019, Eqs. 1 and 2. ``morphable.py`` and ``project.py`` have a function for
    each step.
    """
    count = len(boxes_xyxy)
    expected = {
        "boxes_xyxy": (boxes_xyxy, (count, 4)),
        "identity": (identity, (count, basis.num_identity)),
        "expression": (expression, (count, basis.num_expressions)),
        "pose": (pose, (count, 8)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise ValueError(f"{name}: expected the shape {shape}, got {array.shape}")
    if placements.shape not in ((1, 4), (count, 4)):
        raise ValueError(f"placements: expected (1, 4) or ({count}, 4), got {placements.shape}")
    placements = np.ascontiguousarray(placements, np.float64)
    if not (np.isfinite(placements).all() and (placements[:, :2] > 0).all()):
        raise ValueError("placements must be finite, and their scales above 0")
    if engine == "numpy":
        return _pose_numpy(basis, boxes_xyxy, identity, expression, pose, placements)
    num_blocks, rows, size = basis.blocks.shape
    out = PosedFaces(
        np.empty((count, size // 3, 3), np.float32),
        np.empty((count, 4), np.float32),
        np.empty((count, basis.num_expressions), np.float32),
        np.empty((count, 3, 3), np.float32),
        np.empty((count, 3), np.float32),
        np.empty((count, 3), np.float32),
        np.empty(count, np.float32),
    )
    outer, inner = np.empty((count, num_blocks), np.float32), np.empty((count, rows), np.float32)
    line, shape = np.empty(size, np.float32), np.empty((count, size), np.float32)
    arrays = [np.ascontiguousarray(a, np.float32) for a in (boxes_xyxy, identity, expression, pose)]
    loops("pose").pose_loops(
        *arrays, basis.blocks, basis.shared, placements, outer, inner, line, shape, *out
    )
    return out


def _pose_numpy(
    basis: Basis,
    boxes: FloatArray,
    identity: FloatArray,
    expression: FloatArray,
    pose: FloatArray,
    placements: Float64Array,
) -> PosedFaces:
    seen = sigmoid(expression)
    rotation = rotation_from_quaternion(unit_quaternion(pose[:, :4]))
    translation, focal = pose[:, 4:7].astype(np.float32), sigmoid(pose[:, 7])
    shape = contract_numpy(basis.blocks, *weights_numpy(basis, identity, seen))
    shape = shape.reshape(len(pose), basis.blocks.shape[2] // 3, 3)
    points = project_landmarks(shape, rotation, translation, focal)
    low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    scale, offset = placements[:, :2], placements[:, 2:]
    longer = (high - low).max(axis=1, initial=0.0)[:, None]
    unit = np.concatenate([longer / scale, longer / scale.mean(axis=1, keepdims=True)], axis=1)
    centre = ((low + high) / 2 - offset) / scale
    points = points * unit[:, None]
    points[..., :2] += centre[:, None]
    corners = np.concatenate([(low - offset) / scale, (high - offset) / scale], axis=1)
    return PosedFaces(
        points.astype(np.float32),
        corners.astype(np.float32),
        seen,
        rotation,
        euler_from_rotation(rotation),
        translation,
        focal,
    )


def sigmoid(logits: FloatArray) -> Float32Array:
    """The logistic function, float32."""
    exact = logits.astype(np.float64).clip(-700.0, 700.0)
    return (1.0 / (1.0 + np.exp(-exact))).astype(np.float32)
