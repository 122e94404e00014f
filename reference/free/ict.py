"""ICT-FaceKit's head as the renderer of free people takes it: centimetres, ``model`` axes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeface.face_model import FaceModel
from edgeface.face_model_import import from_ict_facekit
from edgeface.reference.data.ledger import Ledger
from edgeface.reference.face_model.ict import Places, places_on_ict
from edgeface.reference.personal.ict import NUM_FACE_QUADS, read_ict, triangles_of
from edgeface.types import FloatArray, IntArray

FILE = "ict_facekit_light.npz"


@dataclass(frozen=True)
class Head:
    """The morphable head.

    Attributes
    ----------
    neutral : float, shape (V, 3); modes : float, shape (100, V, 3), of one standard deviation
    shapes : float, shape (57, V, 3), offsets; names : their names, ICT-FaceKit's
    triangles : int32, shape (T, 3), counter-clockwise seen from outside
    landmarks : int, shape (68,), vertices
    is_face : bool, shape (V,), whether a vertex is of the face, not of skull, ears or neck
    rims : the vertices around the right eye, the left eye and the mouth
    places : where the points of the teacher's mesh lie
    """

    neutral: FloatArray
    modes: FloatArray
    shapes: FloatArray
    names: tuple[str, ...]
    triangles: IntArray
    landmarks: IntArray
    is_face: FloatArray
    rims: tuple[IntArray, IntArray, IntArray]
    places: Places


def read_head(path: Path, ledger: Ledger, model: FaceModel) -> Head:
    """Read ICT-FaceKit light; ``model`` is the free face model, in the teacher's topology.

    Raises
    ------
    InvalidInputError, ModelFormatError
        If the ledger lacks the file, or it is no ICT-FaceKit.
    """
    ict = read_ict(path, ledger.read(path))
    neutral_face = model.landmarks(np.eye(50)[0], np.zeros(46)).astype(np.float64)
    places = places_on_ict(from_ict_facekit(path), model.mean.astype(np.float64), neutral_face)
    is_face = np.zeros(len(ict.neutral), bool)
    is_face[ict.quads[:NUM_FACE_QUADS]] = True
    return Head(
        ict.neutral, ict.identity, ict.expression, ict.names,
        triangles_of(ict.quads).astype(np.int32),
        ict.landmarks, is_face, _rims(ict.quads, ict.neutral), places,
    )  # fmt: skip


def _rims(quads: IntArray, neutral: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """The vertices on the borders of the holes for the right eye, the left eye and the mouth."""
    edges = np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1)
    found, count = np.unique(edges, axis=0, return_counts=True)
    border = np.unique(found[count == 1])
    x, y = neutral[border, 0], neutral[border, 1]
    eyes, front = y > 0, y > -6  # the other border is that of the shoulders
    return border[eyes & (x < 0)], border[eyes & (x > 0)], border[front & ~eyes]
