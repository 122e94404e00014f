"""Weak labels: what an SFN says of faces whose box alone is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edgeface.faces import Faces
from edgeface.reference.data.photos import Photo
from edgeface.types import Float32Array, ImageArray

MAX_FACES = 20
MIN_FACE = 0.02  # of the photo's longer side

LookAtFaces = Callable[[ImageArray, Float32Array], Faces]
"""An SFN as a function of an image and boxes (N, 4), which returns the N faces in them."""


def weakly_labelled(photos: list[Photo], look: LookAtFaces) -> list[Photo]:
    """Photos whose faces carry the SFN's coefficients instead of any other.

    Notes
    -----
    As in Chaudhuri et al. 2019, Sec. 4.2, photos of more than 20 faces are left out, and faces
    under 2 % of the photo keep their box alone.
    """
    return [_label(p, look) for p in photos if len(p.targets) <= MAX_FACES]


def _label(photo: Photo, look: LookAtFaces) -> Photo:
    targets = photo.targets
    longer = (targets.boxes[:, 2:] - targets.boxes[:, :2]).max(axis=1, initial=0)
    wanted = ~targets.ignore & (longer >= MIN_FACE * max(photo.pixels.shape[:2]))
    labelled = replace(
        targets,
        landmarks=targets.landmarks.copy(),
        identity=targets.identity.copy(),
        expression=targets.expression.copy(),
        rotation=targets.rotation.copy(),
        has_fit=wanted,
    )
    if not wanted.any():
        return replace(photo, targets=labelled)
    faces = look(photo.pixels, targets.boxes[wanted])
    labelled.landmarks[wanted] = faces.landmarks_2d
    labelled.identity[wanted] = faces.identity_coeffs
    labelled.expression[wanted] = faces.expression_coeffs
    labelled.rotation[wanted] = faces.rotation
    return replace(photo, targets=labelled)
