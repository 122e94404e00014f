"""Numerical kernels on numpy arrays: decoding, suppression, landmarks, projection.

Each kernel has a numpy implementation; the loops among them are compiled by numba where it is
installed (the extra ``fast``), with the same results.
"""

from edgeface.kernels.decode import decode_candidates
from edgeface.kernels.morphable import contract_landmarks
from edgeface.kernels.nms import suppress
from edgeface.kernels.project import (
    euler_from_rotation,
    project_landmarks,
    rotation_from_quaternion,
    unit_quaternion,
)

__all__ = [
    "contract_landmarks",
    "decode_candidates",
    "euler_from_rotation",
    "project_landmarks",
    "rotation_from_quaternion",
    "suppress",
    "unit_quaternion",
]
