"""Numerical kernels on numpy arrays: resizing, decoding, suppression, landmarks, projection.

Each kernel has a numpy implementation. Where loops pay, it has one that numba compiles too (the
extra ``fast``), with the same results. ``engine`` says which one runs.
"""

from edgeface.kernels.decode import decode_candidates
from edgeface.kernels.detect import FoundFaces, find_candidates, find_faces, merge_candidates
from edgeface.kernels.jit import Engine, cache_folder, loops, numba_installed
from edgeface.kernels.morphable import Basis, contract_shapes
from edgeface.kernels.nms import Suppression, suppress
from edgeface.kernels.pose import PosedFaces, pose_faces
from edgeface.kernels.project import (
    euler_from_rotation,
    pose_from_vector,
    project_landmarks,
    rotation_from_quaternion,
    unit_quaternion,
)
from edgeface.kernels.rasterise import rasterise
from edgeface.kernels.resize import MAX_SIDE, resize_into

__all__ = [
    "MAX_SIDE",
    "Basis",
    "Engine",
    "FoundFaces",
    "PosedFaces",
    "Suppression",
    "cache_folder",
    "contract_shapes",
    "decode_candidates",
    "euler_from_rotation",
    "find_candidates",
    "find_faces",
    "loops",
    "merge_candidates",
    "numba_installed",
    "pose_faces",
    "pose_from_vector",
    "project_landmarks",
    "rasterise",
    "resize_into",
    "rotation_from_quaternion",
    "suppress",
    "unit_quaternion",
]
