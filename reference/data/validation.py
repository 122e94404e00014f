"""The data packs as labelled images: of the validation split, which training never saw, or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeface.face_model import FaceModel
from edgeface.reference.data.faces import read_faces
from edgeface.reference.data.labelled import LabelledImage, Labels
from edgeface.reference.data.packs import MULTI_FACE_PACK
from edgeface.reference.data.photos import read_photos
from edgeface.reference.data.targets import Targets
from edgeface.reference.geometry.pose import yaw_from_rotation
from edgeface.types import Float32Array

TEACHER = " (teacher)"
"""How the names of groups end whose landmarks are the teacher's, not people's."""


def read_packs(folder: Path, model: FaceModel, validation: bool = True) -> Iterator[LabelledImage]:
    """Yield crops of the single-face packs, multi-face photos, and photos without faces.

    Expressions are the teacher's scores. Head poses are those of the face model fitted to its mesh,
    and so are landmarks where people labelled none.
    """
    faces = read_faces(folder, model, validation)
    for i, pixels in enumerate(faces.crops):
        found = _labels(faces.targets[i : i + 1], faces.scores[i : i + 1])
        group = str(faces.pack[i])
        if np.isfinite(faces.labelled[i]).all():
            found.landmarks[:] = faces.labelled[i]
        else:
            group += TEACHER
        yield LabelledImage(f"{faces.pack[i]}/{i}", group, pixels, found)
    photos, empty, _ = read_photos(folder, model, validation)
    for photo in (*photos, *empty):
        found = _labels(photo.targets, photo.scores)
        group = photo.pack + (TEACHER if photo.pack == MULTI_FACE_PACK else "")
        yield LabelledImage(photo.name, group, photo.pixels, found, complete=True)


def _labels(targets: Targets, scores: Float32Array) -> Labels:
    """Labels of all faces; those that the teacher did not see have their box alone."""
    unseen = np.isnan(scores).any(axis=1)
    landmarks = np.array(targets.landmarks, np.float32)
    rotation = np.array(targets.rotation, np.float32)
    landmarks[unseen] = rotation[unseen] = np.nan
    return Labels(
        boxes=targets.boxes,
        ignore=targets.ignore,
        landmarks=landmarks,
        rotation=rotation,
        yaw_deg=yaw_from_rotation(rotation),
        expression=scores,
        gaze_deg=np.rad2deg(targets.gaze),
    )
