"""Rotations as unit quaternions (w, x, y, z), w >= 0 unless a function says otherwise."""

from __future__ import annotations

import numpy as np

from edgeface.types import FloatArray


def quaternion_from_rotation(rotation: FloatArray) -> FloatArray:
    """Turn rotation matrices (..., 3, 3) into quaternions, float64 (..., 4).

    Notes
    -----
    A quaternion is the eigenvector of the largest eigenvalue of Bar-Itzhack's symmetric 4 x 4
    matrix. It has no special cases, and is the nearest rotation to a matrix that is only nearly
    one.

    Examples
    --------
    >>> quaternion_from_rotation(np.eye(3)).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    r = np.asarray(rotation, np.float64)
    k = np.empty((*r.shape[:-2], 4, 4))
    k[..., 0, 0] = r[..., 0, 0] + r[..., 1, 1] + r[..., 2, 2]
    k[..., 1, 1] = r[..., 0, 0] - r[..., 1, 1] - r[..., 2, 2]
    k[..., 2, 2] = r[..., 1, 1] - r[..., 0, 0] - r[..., 2, 2]
    k[..., 3, 3] = r[..., 2, 2] - r[..., 0, 0] - r[..., 1, 1]
    k[..., 1, 0] = r[..., 2, 1] - r[..., 1, 2]
    k[..., 2, 0] = r[..., 0, 2] - r[..., 2, 0]
    k[..., 3, 0] = r[..., 1, 0] - r[..., 0, 1]
    k[..., 2, 1] = r[..., 1, 0] + r[..., 0, 1]
    k[..., 3, 1] = r[..., 0, 2] + r[..., 2, 0]
    k[..., 3, 2] = r[..., 2, 1] + r[..., 1, 2]
    return canonical(np.linalg.eigh(k, UPLO="L")[1][..., -1])


def rotation_from_quaternion(quaternion_wxyz: FloatArray) -> FloatArray:
    """Turn quaternions (..., 4), which other programs may write a little longer or shorter than 1,
    into rotation matrices, float64 (..., 3, 3)."""
    q = np.asarray(quaternion_wxyz, np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(rows, axis=-1).reshape(*w.shape, 3, 3)


def canonical(quaternion_wxyz: FloatArray) -> FloatArray:
    """The same rotations with w >= 0 and no negative zeros."""
    q = np.asarray(quaternion_wxyz, np.float64)
    return np.where(q[..., :1] < 0, -q, q) + 0.0


def continuous(quaternions_wxyz: FloatArray) -> FloatArray:
    """The same rotations (T, 4), each with the sign that brings it nearer to the one before.

    Notes
    -----
    The first keeps its sign; later ones may have w < 0.

    Examples
    --------
    >>> continuous(np.array([[0.1, 0.995, 0, 0], [0.1, -0.995, 0, 0]])).tolist()
    [[0.1, 0.995, 0.0, 0.0], [-0.1, 0.995, -0.0, -0.0]]
    """
    q = np.asarray(quaternions_wxyz, np.float64)
    flips = np.einsum("ti,ti->t", q[1:], q[:-1]) < 0
    return q * np.where(np.cumsum([False, *flips]) % 2, -1.0, 1.0)[:, None]


def angle_between(a: FloatArray, b: FloatArray) -> float:
    """The angle of the rotation from quaternion ``a`` (4,) to ``b`` (4,), radians in [0, pi]."""
    # the chord is exact for small angles, where the arc cosine of the dot product is not
    chord = min(float(np.linalg.norm(a - b)), float(np.linalg.norm(a + b)))
    return 4.0 * float(np.arcsin(min(1.0, chord / 2)))


def rotation_vector(a: FloatArray, b: FloatArray) -> FloatArray:
    """The axis times the angle, shape (3,), of the rotation from quaternion ``a`` to ``b``.

    Examples
    --------
    >>> vector = rotation_vector(np.array([1.0, 0, 0, 0]), np.array([0.0, 1, 0, 0]))
    >>> vector.round(4).tolist()
    [3.1416, 0.0, 0.0]
    """
    w = float(a @ b)
    axis = a[0] * b[1:] - b[0] * a[1:] - np.cross(b[1:], a[1:])
    axis = -axis if w < 0 else axis
    sine = float(np.linalg.norm(axis))
    return axis * (2 * np.arctan2(sine, abs(w)) / sine) if sine > 1e-12 else axis


def slerp(a: FloatArray, b: FloatArray, amount: float) -> FloatArray:
    """The quaternion (4,) that lies ``amount`` (0 to 1) of the shorter way from ``a`` to ``b``.

    Examples
    --------
    >>> half = slerp(np.array([1.0, 0, 0, 0]), np.array([0.0, 1, 0, 0]), 0.5)
    >>> half.round(4).tolist()
    [0.7071, 0.7071, 0.0, 0.0]
    """
    b = -b if float(a @ b) < 0 else b
    angle = angle_between(a, b) / 2
    if angle < 1e-6:
        mixed = a + amount * (b - a)
    else:
        mixed = np.sin((1 - amount) * angle) * a + np.sin(amount * angle) * b
    return canonical(mixed / np.linalg.norm(mixed))


def mean_quaternion(quaternions_wxyz: FloatArray) -> FloatArray:
    """The mean of quaternions (N, 4), whatever their signs (Markley et al. 2007, Eq. 13)."""
    q = np.asarray(quaternions_wxyz, np.float64)
    return canonical(np.linalg.eigh(q.T @ q)[1][:, -1])
