"""Frames of the data packs' faces, from the teacher's labels."""

from __future__ import annotations

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import default_face_model
from edgeface.personal.template import Template
from edgeface.reference.data.packs import Pack
from edgeface.reference.geometry.alignment import mapped_landmarks, similarity, to_model_axes
from edgeface.reference.personal.frames import Frames, cut_frame


def labelled_frame(template: Template, pack: Pack, index: int) -> Frames:
    """One image of a pack as a frame.

    The landmarks are those of the teacher's mesh, by the map of the face model that ships; the
    rotation is that of the similarity from its mean shape to the mesh.

    Raises
    ------
    InvalidInputError
        If the image cannot be read.
    """
    image = pack.image(index)
    if image is None:
        raise InvalidInputError(f"{pack.name} is damaged at image {index}")
    labels, model = pack.labels, default_face_model()
    mesh = labels["mesh"][index]
    head = to_model_axes(mesh)[None]
    _, rotation, _ = similarity(model.mean[None], head, np.ones(len(model.mean)))
    return cut_frame(
        template,
        image,
        mapped_landmarks(mesh[None], model)[0, :, :2],
        mesh[:, :2],
        rotation[0],
        pack.scores(np.array([index]))[0],
    )
