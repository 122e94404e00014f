"""Whole photos with any number of faces, and photos with none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.reference.data.faces import teacher_landmarks
from edgeface.reference.data.fits import known_fit_of_meshes
from edgeface.reference.data.packs import (
    RESEARCH,
    Pack,
    Sources,
    is_validation,
    open_pack,
    photo_packs,
)
from edgeface.reference.data.targets import Targets, boxes_only, from_fit
from edgeface.reference.geometry.boxes import overlap
from edgeface.reference.geometry.lids import with_shut_lids
from edgeface.types import Float32Array, ImageArray

INVALID = 3  # column of face_attr


@dataclass(frozen=True)
class Photo:
    """A decoded photo and its N faces, in ``image_px``.

    Attributes
    ----------
    pack, name : the pack that the photo is from, and its name there
    pixels : uint8, shape (H, W, 3), RGB
    targets : what a network should say of each face
    scores : (N, 46), the teacher's expressions, NaN where it saw no face
    """

    pack: str
    name: str
    pixels: ImageArray
    targets: Targets
    scores: Float32Array


def read_photos(
    folder: Path, model: FaceModel, validation: bool, sources: Sources = RESEARCH
) -> tuple[list[Photo], list[Photo], list[str]]:
    """Read one split: photos with faces, photos without, and the names of corrupt ones."""
    names = photo_packs(folder, sources)
    *packs, empty_pack = (open_pack(folder, name, sources.free) for name in names)
    photos = [photo for pack in packs for photo in _read_photos(pack, model, validation)]
    nobody = boxes_only(np.zeros((0, 4)), np.zeros(0, bool))
    unknown = np.zeros((0, len(EXPRESSION_NAMES)), np.float32)
    empty = [
        Photo(empty_pack.name, empty_pack.image_names[i], pixels, nobody, unknown)
        for i, pixels in empty_pack.images(np.flatnonzero(is_validation(empty_pack) == validation))
    ]
    return photos, empty, [name for pack in (*packs, empty_pack) for name in pack.skipped]


def _read_photos(pack: Pack, model: FaceModel, validation: bool) -> Iterator[Photo]:
    """Read the photos of one split of a pack; faces without a mesh have their box alone."""
    labels = pack.labels
    wanted = np.flatnonzero(is_validation(pack) == validation)
    targets = boxes_only(labels["face_box"], labels["face_attr"][:, INVALID] > 0)
    known = np.full((len(targets), len(EXPRESSION_NAMES)), np.nan, np.float32)
    meshed = labels["mesh_face"]
    meshed_here = np.isin(labels["face_image"][meshed], wanted) & pack.has_mesh
    if meshed_here.any():
        scores, meshes = pack.scores()[meshed_here], labels["mesh"][meshed_here]
        fit = known_fit_of_meshes(model, meshes, scores)
        landmarks = teacher_landmarks(pack, meshes, model)
        irises = labels["irises"][meshed_here]
        fitted = from_fit(with_shut_lids(fit, model, landmarks), model, landmarks, irises)
        rows = meshed[meshed_here]
        good = overlap(fitted.boxes, targets.boxes[rows]) > 0.5  # else the mesh is of another face
        for name in ("landmarks", "identity", "expression", "rotation", "gaze", "has_fit"):
            getattr(targets, name)[rows[good]] = getattr(fitted, name)[good]
        known[rows[good]] = scores[good]
    for i, pixels in pack.images(wanted):
        here = labels["face_image"] == i
        yield Photo(pack.name, pack.image_names[i], pixels, targets[here], known[here])


def resize(pixels: ImageArray, scale: float) -> ImageArray:
    """Resize an image by ``scale``, antialiased; its sides keep at least one pixel."""
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
