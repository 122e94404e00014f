"""A person's own surface where a network sees a face: their shape, or another's motion on it."""

from __future__ import annotations

from typing import cast

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_arrays import place
from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.faces import Faces
from edgeface.personal.model import PersonalModel
from edgeface.types import Float32Array, Float64Array
from edgeface.values import shown


def place_person(
    person: PersonalModel, faces: Faces, face_model: FaceModel | None = None
) -> Float32Array:
    """The person's surface with every face's expression, in its place.

    Where the faces are the person's own, this is their surface in the picture; where they are
    somebody else's, it is the person who moves as that one does (Chaudhuri et al. 2020, Fig. 8).

    Parameters
    ----------
    person : whose surface it is
    faces : N faces
    face_model : the one to take where these faces came without theirs

    Returns
    -------
    float32, shape (N, V, 3), image_px with depth as in ``Faces.landmarks_3d``
        In the order of the template's ``triangles`` and ``uv``.

    Raises
    ------
    InvalidInputError
        If the face model is not of the mesh or not of the expressions that the template knows, or
        is not there.

    Notes
    -----
    The person's neutral face is laid upon that of the face's identity by the similarity that fits
    the points of the mesh best (Umeyama 1991); the face's pose then moves both.
    """
    model = faces.model_of_faces(face_model)
    check_mesh(person, model)
    known = np.flatnonzero(person.template.mesh_vertices >= 0)
    weights = person.template.from_expression(faces.expression_coeffs)
    own = person.neutral_vertices[person.template.mesh_vertices[known]].astype(np.float64)
    still = model.vertices(faces.identity_coeffs, np.zeros_like(faces.expression_coeffs))
    shapes = np.empty((len(faces), *person.neutral_vertices.shape), np.float32)
    for row, neutral in enumerate(still[:, known]):
        scale, turn, shift = _similarity(own, neutral.astype(np.float64))
        shapes[row] = person.shape(weights[row]) @ (scale * turn.T).astype(np.float32) + shift
    return place(shapes, faces)


def check_mesh(person: PersonalModel, face_model: FaceModel) -> None:
    """Raise InvalidInputError unless the face model has the mesh that the template knows.

    Its expressions must be those that the template's shapes follow, too.
    """
    if not isinstance(cast(object, person), PersonalModel):
        raise InvalidInputError(f"expected a PersonalModel, got {shown(person)}")
    face_model.require_dense()
    points = len(person.template.mesh_vertices)
    if len(face_model.mean) != points:
        raise InvalidInputError(
            f"personal models are laid upon a dense mesh of {points} points, as that of edgeface's "
            f"own networks; this face model has {len(face_model.mean)}"
        )
    if face_model.expression_names != EXPRESSION_NAMES:
        raise InvalidInputError(
            "personal models are moved by the expressions of edgeface's own networks; this face "
            f"model has others ({', '.join(face_model.expression_names[:2])} ...)"
        )


def _similarity(
    source: Float64Array, target: Float64Array
) -> tuple[float, Float64Array, Float64Array]:
    """Scale, rotation (3, 3) and shift (3,) that take points (P, 3) nearest to others."""
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    centred = source - middle
    u, values, vt = np.linalg.svd((target - goal).T @ centred)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * signs) @ vt
    scale = float((values * signs).sum() / np.square(centred).sum())
    return scale, turn, goal - scale * turn @ middle
