"""Reading the databases that are fused: packs, and published ones from their own folders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.gaze import LOOKS
from edgeface.reference.data import published
from edgeface.reference.data.cache import archive_digest
from edgeface.reference.data.faces import FaceSet, read_face_pack
from edgeface.reference.data.packs import (
    MULTI_FACE_PACK,
    is_validation,
    nothing_in_split,
    open_pack,
    validates,
)
from edgeface.reference.data.published_crops import SIDE, cut_faces, cut_square
from edgeface.reference.data.targets import from_fit
from edgeface.reference.geometry.boxes import overlap
from edgeface.reference.geometry.fit import fit_meshes
from edgeface.reference.training.views.synthesis import add_turned
from edgeface.types import FloatArray, ImageArray

PACKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "300w": ("faces68-300w", ("68",)),
    "300w+mesh": ("faces68-300w", ("68", "mesh")),
    "video": ("faces68-video", ("68",)),
    "video+mesh": ("faces68-video", ("68", "mesh")),
    "expressive": ("faces-expressive", ("mesh",)),
    "wider": (MULTI_FACE_PACK, ("mesh",)),
}
"""For each database, its pack and its conventions; "+mesh" adds the teacher's labels."""

OUTLINE = 17  # the first of the 68 points, which slide on turned heads
NUM_MESH = 478
NUM_IRIS = 10  # the last points of the mesh, which the packs' readers leave out
MIN_FACE_PX = 40.0  # on smaller faces the teacher guesses
MIN_OVERLAP = 0.5  # of a mesh's box with the labelled one, else the mesh is of another face


@dataclass(frozen=True)
class LabelledFaces:
    """One split of a database.

    Attributes
    ----------
    crops : uint8, shape (N, 256, 256, 3)
    boxes : shape (N, 4), xyxy, in the crops
    points : for each convention, shape (N, P, 2), in the crops, NaN where not labelled
    depth : shape (N, 478), the depth of the teacher's mesh, pixels of the crops, NaN where not
        known
    expression : shape (N, 46), fitted to what the teacher saw, NaN where it saw no face
    scores : shape (N, 46), the teacher's expressions, NaN where it saw no face
    skipped : the names of the images that could not be read
    """

    crops: ImageArray
    boxes: FloatArray
    points: dict[str, FloatArray]
    depth: FloatArray
    expression: FloatArray
    scores: FloatArray
    skipped: list[str]


def conventions_of(name: str) -> tuple[str, ...]:
    """The conventions that a database is labelled in.

    Parameters
    ----------
    name : one of `PACKS`, or a published database and its folder as in ``wflw=/data/WFLW``

    Raises
    ------
    InvalidInputError
        If there is no such database.
    """
    kind, _, folder = name.partition("=")
    if name in PACKS:
        return PACKS[name][1]
    if folder and kind in published.DATABASES:
        return (published.DATABASES[kind][0],)
    raise InvalidInputError(
        f"{name!r} is no database: expected one of {', '.join(PACKS)}, or a published one with its "
        f"folder, NAME=FOLDER, of {', '.join(published.DATABASES)}"
    )


def read_database(
    name: str, folder: Path, model: FaceModel, validation: bool, turned: float, seed: int
) -> LabelledFaces:
    """Read one split of a database; ``turned`` is the share of a pack's faces with turned copies.

    Of a published database, a fifth of the groups, by the hash of their names, is for validation.
    """
    conventions = conventions_of(name)
    if name not in PACKS:
        kind, _, place = name.partition("=")
        return _read_published(kind, Path(place), model, validation)
    faces = add_turned(_read_pack(PACKS[name][0], folder, model, validation), model, turned, seed)
    mesh = _mesh(faces)
    expression = np.full(faces.scores.shape, np.nan, np.float32)
    if "mesh" in conventions:
        seen = np.isfinite(faces.scores).all(axis=1)
        expression[seen] = faces.targets.expression[seen]
    return LabelledFaces(
        crops=faces.crops,
        boxes=faces.targets.boxes,
        points={c: mesh[..., :2] if c == "mesh" else _points(faces) for c in conventions},
        depth=mesh[..., 2] if "mesh" in conventions else np.full_like(mesh[..., 2], np.nan),
        expression=expression,
        scores=np.where(np.isfinite(expression), faces.scores, np.nan),
        skipped=faces.skipped,
    )


def _mesh(faces: FaceSet) -> FloatArray:
    irises = np.full((len(faces.meshes), NUM_IRIS, 3), np.nan, np.float32)
    return np.concatenate([faces.meshes, irises], axis=1)


def _points(faces: FaceSet) -> FloatArray:
    """The 68 points that people placed; of other faces, the inner points of the targets."""
    points = faces.labelled.copy()
    others = np.isnan(points).any(axis=(1, 2))
    points[others, OUTLINE:] = faces.targets.landmarks[others, OUTLINE:]
    return points


def _read_published(kind: str, folder: Path, model: FaceModel, validation: bool) -> LabelledFaces:
    database = published.open_database(kind, folder)
    wanted = [f for f in database.faces if validates(kind, f.group) == validation]
    crops, boxes, points = cut_faces(wanted, database.convention, model)
    unknown = np.full((len(wanted), NUM_MESH + 46), np.nan, np.float32)
    return LabelledFaces(
        crops=crops,
        boxes=boxes,
        points={database.convention: points},
        depth=unknown[:, :NUM_MESH],
        expression=unknown[:, NUM_MESH:],
        scores=unknown[:, NUM_MESH:],
        skipped=list(database.skipped),
    )


_read: dict[tuple[str, str, str, bool], FaceSet] = {}


def _read_pack(pack: str, folder: Path, model: FaceModel, validation: bool) -> FaceSet:
    """Read one split of a pack, once in a process for the same contents."""
    key = pack, archive_digest(folder / f"{pack}.zip"), model.sha256, validation
    if key not in _read:
        if pack == MULTI_FACE_PACK:
            _read[key] = _read_photos(folder, model, validation)
        else:
            _read[key] = read_face_pack(open_pack(folder, pack), model, validation)
    return _read[key]


def _read_photos(folder: Path, model: FaceModel, validation: bool) -> FaceSet:
    """Cut those faces out of the multi-face photos that the teacher saw, as other packs do."""
    pack = open_pack(folder, MULTI_FACE_PACK)
    labels = pack.labels
    large = np.ptp(labels["mesh"][..., :2], axis=1).max(axis=1) >= MIN_FACE_PX
    image = labels["face_image"][labels["mesh_face"]]
    rows = np.flatnonzero(large & pack.has_mesh & (is_validation(pack)[image] == validation))
    if not len(rows):
        raise nothing_in_split(f"face of {pack.name} from {MIN_FACE_PX:.0f} px on", validation)
    image = image[rows]
    scores = pack.scores(rows)
    fit = fit_meshes(model, labels["mesh"][rows], scores)
    boxes = fit.face_boxes(model)
    good = overlap(boxes, labels["face_box"][labels["mesh_face"][rows]]) > MIN_OVERLAP
    crops: list[ImageArray] = []
    kept: list[int] = []
    for index, pixels in pack.images(np.unique(image[good])):
        for face in np.flatnonzero(good & (image == index)).tolist():
            half = float((boxes[face, 2:] - boxes[face, :2]).max())
            corner = (boxes[face, :2] + boxes[face, 2:]) / 2 - half
            crops.append(cut_square(pixels, corner, 2 * half))
            kept.append(face)
    fit, boxes = fit[kept], boxes[kept]
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    zoom = SIDE / (2 * half)
    corner = (boxes[:, :2] + boxes[:, 2:]) / 2 - half[:, None]
    fit = replace(
        fit,
        scale_px=(fit.scale_px * zoom).astype(np.float32),
        origin_px=((fit.origin_px - corner) * zoom[:, None]).astype(np.float32),
    )
    origin = np.pad(corner, ((0, 0), (0, 1)))[:, None]
    meshes = (labels["mesh"][rows[kept]] - origin) * zoom[:, None, None]
    return FaceSet(
        crops=np.array(crops, np.uint8).reshape(-1, SIDE, SIDE, 3),
        targets=from_fit(fit, model),
        labelled=np.full((len(kept), 68, 2), np.nan, np.float32),
        meshes=meshes.astype(np.float32),
        scores=scores[kept],
        looks=np.full((len(kept), len(LOOKS)), np.nan, np.float32),
        pack=np.full(len(kept), pack.name),
        fit=fit,
        skipped=list(pack.skipped),
    )
