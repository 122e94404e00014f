"""Quaternions, Euler angles and the weak-perspective projection."""

from __future__ import annotations

import numpy as np

from edgeface.kernels.types import Float32Array, FloatArray


def unit_quaternion(raw: FloatArray) -> Float32Array:
    """Scale raw quaternions (N, 4) to length 1 with w >= 0; a zero becomes the identity.

    Returns float32, shape (N, 4), (w, x, y, z).
    """
    raw = raw.astype(np.float64)
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    safe = np.where(length > 1e-12, raw / np.maximum(length, 1e-12), [1.0, 0.0, 0.0, 0.0])
    return np.where(safe[:, :1] < 0, -safe, safe).astype(np.float32)


def pose_from_vector(vector: FloatArray) -> Float32Array:
    """Turn the poses of a fusion network into those of the other networks.

    Parameters
    ----------
    vector : float32, shape (N, 6): logit of the scale, rotation vector (rad), translation in
        ``face_norm``

    Returns
    -------
    float32, shape (N, 8): quaternion wxyz, translation in model units, logit of the scale

    Notes
    -----
    Wang et al. 2019, Sec. 3.1: ``S_T = s S R^T + [t, 0]`` is ``f [R shape + t / f]`` of
    `project_landmarks`, where R is the exponential of the vector. A face is smaller than its box is
    long, so s lies below 1.
    """
    raw = vector.astype(np.float64)
    turn, shift = raw[:, 1:4], raw[:, 4:6]
    half = np.linalg.norm(turn, axis=1, keepdims=True) / 2
    # sin(a/2)/a is smooth at 0, where np.sinc(x) = sin(pi x) / (pi x) is 1
    axis = np.sinc(half / np.pi) / 2 * turn
    scale = 1.0 / (1.0 + np.exp(-raw[:, :1].clip(-700.0, 700.0)))
    across = shift * [1.0, -1.0] / np.maximum(scale, 1e-12)
    parts = [np.cos(half), axis, across, np.zeros_like(half), raw[:, :1]]
    return np.concatenate(parts, axis=1).astype(np.float32)


def rotation_from_quaternion(quaternion_wxyz: FloatArray) -> Float32Array:
    """Turn unit quaternions (N, 4) into rotation matrices, float32 (N, 3, 3).

    Examples
    --------
    >>> rotation_from_quaternion(np.array([[1.0, 0.0, 0.0, 0.0]]))[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    w, x, y, z = quaternion_wxyz.astype(np.float64).T
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(rows, axis=1).reshape(-1, 3, 3).astype(np.float32)


def euler_from_rotation(rotation: FloatArray) -> Float32Array:
    """Compute pitch, yaw and roll, float32 (N, 3), degrees, of rotations (N, 3, 3).

    Notes
    -----
    Intrinsic pitch-yaw-roll by the right-hand rule on the ``model`` axes:
    ``R = Rx(pitch) Ry(yaw) Rz(roll)``. Positive pitch looks down, positive yaw looks to the
    face's own left (the viewer's right), positive roll tips the head to the face's own right
    shoulder (counter-clockwise for the viewer). Yaw lies in [-90, 90]; at its ends roll is 0.
    """
    r = rotation.astype(np.float64)
    sine = np.clip(r[:, 0, 2], -1.0, 1.0)
    locked = np.abs(sine) > 1 - 1e-9
    pitch = np.where(
        locked, np.arctan2(r[:, 2, 1], r[:, 1, 1]), np.arctan2(-r[:, 1, 2], r[:, 2, 2])
    )
    roll = np.where(locked, 0.0, np.arctan2(-r[:, 0, 1], r[:, 0, 0]))
    return np.rad2deg(np.stack([pitch, np.arcsin(sine), roll], axis=1)).astype(np.float32)


def project_landmarks(
    shape: FloatArray, rotation: FloatArray, translation: FloatArray, focal: FloatArray
) -> FloatArray:
    """Project shapes of the ``model`` frame to ``face_norm``, with depth.

    Parameters
    ----------
    shape : float32, shape (N, L, 3), ``model`` frame
    rotation : float32, shape (N, 3, 3)
    translation : float32, shape (N, 3), model units
    focal : float32, shape (N,), the length of a model unit in face_norm

    Returns
    -------
    float32, shape (N, L, 3), ``face_norm``; x right, y down, z away from the camera

    Notes
    -----
    Chaudhuri et al. 2019, Eq. 2: ``P = f [R shape + t]``. Both image axes share one unit, the
    longer side of the box. The paper scales x by the box's width and y by its height, and R would
    be no rotation then.
    """
    posed = shape @ rotation.transpose(0, 2, 1) + translation[:, None]
    return posed * (focal[:, None, None] * np.array([1.0, -1.0, -1.0], np.float32))
