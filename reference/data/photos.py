"""Whole photos with any number of faces, and photos with none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgeface.face_model import FaceModel
from edgeface.reference.data.fits import known_fit_of_meshes
from edgeface.reference.data.packs import (
    MULTI_FACE_PACK,
    NEGATIVE_PACK,
    expression_scores,
    is_validation,
    open_pack,
)
from edgeface.reference.data.targets import Targets, boxes_only, from_fit
from edgeface.reference.geometry.boxes import overlap

INVALID = 3  # column of face_attr


@dataclass(frozen=True)
class Photo:
    """A decoded photo and its faces, in its own pixels (``image_px``).

    ``scores`` (N, 46) are the teacher's own expressions, NaN where it saw no face.
    """

    name: str
    pixels: NDArray[np.uint8]
    targets: Targets
    scores: NDArray[np.float32]


def read_photos(
    folder: Path, model: FaceModel, validation: bool
) -> tuple[list[Photo], list[Photo], list[str]]:
    """Photos with faces, photos without, and the names of corrupt ones, of one split."""
    pack = open_pack(folder, MULTI_FACE_PACK)
    labels = pack.labels
    wanted = np.flatnonzero(is_validation(pack) == validation)
    targets = boxes_only(labels["face_box"], labels["face_attr"][:, INVALID] > 0)
    meshed = labels["mesh_face"]
    meshed_here = np.isin(labels["face_image"][meshed], wanted)
    scores = expression_scores(labels["blendshapes52"], labels["blendshape_names"])[meshed_here]
    fit = known_fit_of_meshes(model, labels["mesh"][meshed_here], scores)
    fitted = from_fit(fit, model)
    rows = meshed[meshed_here]
    good = overlap(fitted.boxes, targets.boxes[rows]) > 0.5  # else the mesh is of another face
    for name in ("landmarks", "identity", "expression", "rotation", "has_fit"):
        getattr(targets, name)[rows[good]] = getattr(fitted, name)[good]
    known = np.full((len(targets), scores.shape[1]), np.nan, np.float32)
    known[rows[good]] = scores[good]
    photos = []
    for i, pixels in pack.images(wanted):
        here = labels["face_image"] == i
        photos.append(Photo(pack.image_names[i], pixels, targets[here], known[here]))
    empty_pack = open_pack(folder, NEGATIVE_PACK)
    empty = [
        Photo(empty_pack.image_names[i], pixels, targets[:0], known[:0])
        for i, pixels in empty_pack.images(np.flatnonzero(is_validation(empty_pack) == validation))
    ]
    return photos, empty, pack.skipped + empty_pack.skipped


def resize(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """An antialiased resize by ``scale``, at least one pixel a side."""
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
