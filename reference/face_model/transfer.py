"""Carrying another model's expression shapes over to the mesh of the learned one."""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from edgeface.face_model import FaceModel
from edgeface.reference.geometry.alignment import align
from edgeface.types import FloatArray


def transferred_expressions(
    source: FaceModel, mean: FloatArray, landmarks: FloatArray
) -> FloatArray:
    """The source's 46 expression offsets at the vertices of another mean face.

    Parameters
    ----------
    source : the model that has the expressions
    mean : float, shape (V, 3), the mean of the model that shall have them
    landmarks : float, shape (68, 3), the landmarks of that mean

    Returns
    -------
    float, shape (46, V, 3)

    Notes
    -----
    The other mean is warped onto the source's by a thin-plate spline through the landmarks; each
    vertex then takes the offsets of the four nearest source vertices, weighted by 1/distance.
    """
    goal = source.landmarks(np.eye(50)[0], np.zeros(46)).astype(float)
    weights = np.ones(len(landmarks))
    near = align(landmarks[None], goal, weights)[0]
    both = align(np.concatenate([landmarks, mean])[None], np.concatenate([goal, mean]),
                 np.concatenate([weights, np.zeros(len(mean))]))[0]  # fmt: skip
    spline = RBFInterpolator(near, goal - near, kernel="thin_plate_spline", smoothing=1e-4)
    moved = both[len(landmarks) :]
    distance, index = KDTree(source.mean.astype(float)).query(moved + spline(moved), k=4)
    share = 1.0 / (distance + 1e-3)
    share /= share.sum(axis=1, keepdims=True)
    scale = np.linalg.norm(landmarks[45] - landmarks[36]) / np.linalg.norm(goal[45] - goal[36])
    offsets = np.einsum("kvnc,vn->kvc", source.expression[:, index].astype(float), share)
    return offsets * scale
