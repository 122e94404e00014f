"""The 3DMM by explicit sums (Chaudhuri et al. 2019, Eqs. 1 and 2)."""

from __future__ import annotations

import numpy as np


def landmarks(reduced, identity, expression):
    """(204, 50, 47), (50,), (46,) to (68, 3)."""
    weights = np.concatenate([[1.0 - expression.sum()], expression])
    rows = [identity @ (row.astype(float) @ weights) for row in reduced]
    return np.array(rows).reshape(68, 3)


def rotate(quaternion, vector):
    """v' = q v q*, by the Hamilton product."""

    def product(a, b):
        w = a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]
        x = a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2]
        y = a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1]
        z = a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0]
        return (w, x, y, z)

    q = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    conjugate = (q[0], -q[1], -q[2], -q[3])
    return np.array(product(product(tuple(q), (0.0, *vector)), conjugate)[1:])


def project(shape, quaternion, translation, focal):
    """(L, 3) in the model frame to (L, 3) in face_norm: y and z flipped."""
    rows = []
    for point in shape:
        x, y, z = rotate(quaternion, point) + translation
        rows.append((focal * x, -focal * y, -focal * z))
    return np.array(rows)
