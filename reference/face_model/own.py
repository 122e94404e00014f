"""Reading the face model that a training is for: the one that ships, or the user's own."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel, default_face_model
from edgeface.reference.data.ledger import free_ledger

DEFAULT, FREE = "default", "free"
FREE_MODEL = Path(str(files("edgeface.assets").joinpath("face_model_free.npz")))
OUTER_EYE_CORNERS = [36, 45]
TOLERANCE = 0.01


def read_face_model(name: str) -> FaceModel:
    """Read a face model, and put it in the units that training needs.

    Parameters
    ----------
    name : "default" or "free" for those that ship, or the path of an ``.npz`` that
        `FaceModel.save` wrote

    Returns
    -------
    FaceModel
        The outer eye corners of its mean shape are 1 apart, and the origin is the centroid of its
        landmarks. A model in other units is scaled and moved to that, which changes its hash but
        not what its coefficients mean.

    Raises
    ------
    InvalidInputError
        If there is no such file, it has no dense mesh, or its face does not look along z.
    ModelFormatError
        If it is damaged or no face model.
    """
    if name == DEFAULT:
        return default_face_model()
    if name == FREE:
        return FaceModel.from_bytes(free_ledger().read(FREE_MODEL), source=FREE_MODEL.name)
    model = FaceModel.load(name)
    model.require_dense()
    landmarks = model.landmark_shapes[0][0].astype(np.float64)
    left = landmarks[OUTER_EYE_CORNERS[1]] - landmarks[OUTER_EYE_CORNERS[0]]
    down = landmarks[8] - landmarks[27]
    if left[0] <= 0 or down[1] >= 0 or landmarks[30, 2] <= landmarks[[0, 16], 2].max():
        raise InvalidInputError(
            f"the face model {name} is not in the model frame: x must point to the face's left, y "
            "up and z out of the face; turn its shapes before saving it "
            "(docs/explanation/face-model.md)"
        )
    centre, eyes = landmarks.mean(axis=0), float(np.linalg.norm(left))
    if abs(eyes - 1) < TOLERANCE and np.abs(centre).max() < TOLERANCE:
        return model
    identity = model.identity / eyes
    identity[0] -= centre / eyes
    return replace(
        model,
        identity=identity.astype(np.float32),
        expression=(model.expression / eyes).astype(np.float32),
        info=model.info | {"scaled by": 1 / eyes},
    )
