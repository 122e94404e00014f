"""The databases that are fused: which packs they are, and in which conventions labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.face_model import FaceModel
from edgeface.reference.data.crops import sample
from edgeface.reference.data.faces import FaceSet, read_face_pack
from edgeface.reference.data.packs import MULTI_FACE_PACK, is_validation, open_pack
from edgeface.reference.data.photos import overlap
from edgeface.reference.data.targets import from_fit, similarity_matrix
from edgeface.reference.facemodel.learn import expression_scores
from edgeface.reference.fit import fit_meshes

Array = NDArray[Any]

DATABASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "300w": ("faces68-300w", ("68",)),
    "300w+mesh": ("faces68-300w", ("68", "mesh")),
    "video": ("faces68-video", ("68",)),
    "video+mesh": ("faces68-video", ("68", "mesh")),
    "expressive": ("faces-expressive", ("mesh",)),
    "wider": (MULTI_FACE_PACK, ("mesh",)),
}
"""Pack and conventions of each database; with "+mesh", the teacher's labels too."""

PICTURE = 256  # side of the crops of the single-face packs, px
MIN_FACE_PX = 40.0  # on smaller faces the teacher guesses
MIN_OVERLAP = 0.5  # of a mesh's box with the labelled one, else the mesh is of another face


_read: dict[tuple[str, Path, str, bool], FaceSet] = {}


def read_database(name: str, folder: Path, model: FaceModel, validation: bool) -> FaceSet:
    """The faces of one split of a database, by its name in `DATABASES`; read once a process."""
    pack = DATABASES[name][0]
    key = pack, folder, model.sha256, validation
    if key not in _read:
        if pack == MULTI_FACE_PACK:
            _read[key] = _read_photos(folder, model, validation)
        else:
            _read[key] = read_face_pack(open_pack(folder, pack), model, validation)
    return _read[key]


def _read_photos(folder: Path, model: FaceModel, validation: bool) -> FaceSet:
    """The faces of the multi-face photos that the teacher saw, cut out as in the other packs."""
    pack = open_pack(folder, MULTI_FACE_PACK)
    labels = pack.labels
    large = np.ptp(labels["mesh"][..., :2], axis=1).max(axis=1) >= MIN_FACE_PX
    image = labels["face_image"][labels["mesh_face"]]
    rows = np.flatnonzero(large & (is_validation(pack)[image] == validation))
    image = image[rows]
    scores = expression_scores(labels["blendshapes52"], labels["blendshape_names"])[rows]
    fit = fit_meshes(model, labels["mesh"][rows], scores)
    boxes = fit.face_boxes(model)
    good = overlap(boxes, labels["face_box"][labels["mesh_face"][rows]]) > MIN_OVERLAP
    crops: list[NDArray[np.uint8]] = []
    kept: list[int] = []
    scale: list[float] = []
    corner: list[Array] = []
    for index, pixels in pack.images(np.unique(image[good])):
        for face in np.flatnonzero(good & (image == index)).tolist():
            low, high = boxes[face, :2], boxes[face, 2:]
            zoom = PICTURE / 2 / (high - low).max()
            middle = np.array([PICTURE / 2, PICTURE / 2])
            matrix = similarity_matrix(zoom, 0.0, (low + high) / 2, middle)
            crops.append(sample(np.array(pixels)[None], matrix[None], PICTURE).numpy()[0])
            kept.append(face)
            scale.append(zoom)
            corner.append(matrix[:, 2])
    zooms, shift = np.array(scale), np.array(corner).reshape(-1, 2)
    fit = fit[kept]
    fit = replace(
        fit,
        scale_px=(fit.scale_px * zooms).astype(np.float32),
        origin_px=(fit.origin_px * zooms[:, None] + shift).astype(np.float32),
    )
    meshes = labels["mesh"][rows[kept]][..., :2] * zooms[:, None, None] + shift[:, None]
    return FaceSet(
        crops=np.stack(crops),
        targets=from_fit(fit, model),
        labelled=np.full((len(kept), 68, 2), np.nan, np.float32),
        meshes=meshes.astype(np.float32),
        scores=scores[kept],
        pack=np.full(len(kept), pack.name),
        fit=fit,
        skipped=list(pack.skipped),
    )
