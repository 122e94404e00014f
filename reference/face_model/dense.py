"""The free face model on the whole head of ICT-FaceKit: other vertices, the same coefficients."""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree

from edgeface.face_model import FaceModel
from edgeface.reference.face_model.ict import Places, places_on_ict
from edgeface.reference.geometry.alignment import similarity
from edgeface.types import FloatArray, IntArray

RIDGE = 1e-3
"""Of ICT-FaceKit's modes, as a share of their mean square at the places."""
SMOOTHING = 1e-3


def on_head(model: FaceModel, ict: FaceModel) -> FaceModel:
    """A face model in the teacher's topology, carried over to ICT-FaceKit's vertices.

    Parameters
    ----------
    model : in the teacher's topology
    ict : as `edgeface.from_ict_facekit` reads it

    Returns
    -------
    FaceModel
        With ICT-FaceKit's surface. For the same coefficients, its landmarks and its places of the
        teacher's points lie where the model's do, up to what smoothing leaves.

    Notes
    -----
    ICT-FaceKit's identity modes are fitted to the mean and to each mode; expressions are
    ICT-FaceKit's, times what fits each best. What remains at the places is spread to the other
    vertices by a thin-plate spline on the mean head.
    """
    landmarks = model.landmarks(np.eye(50)[0], np.zeros(46)).astype(np.float64)
    places = places_on_ict(ict, model.mean.astype(np.float64), landmarks)
    head, basis = ict.mean.astype(np.float64), ict.identity[1:].astype(np.float64)
    scale, rotation, shift = similarity(
        places(head)[None], model.mean.astype(np.float64), np.ones(len(model.mean))
    )
    head = scale[0] * head @ rotation[0].T + shift[0]
    basis = scale[0] * basis @ rotation[0].T
    shapes = scale[0] * ict.expression.astype(np.float64) @ rotation[0].T
    lips = _apart(places, shapes[list(ict.expression_names).index("jawOpen")])

    centres = places(head) + lips  # so that touching lips are two places
    vertices = head + _moved(head, centres, lips)

    def carried(starts: FloatArray, goals: FloatArray) -> FloatArray:
        """Fields on the head that begin as ``starts`` and reach ``goals`` at the places."""
        rest = (goals - places(starts)).swapaxes(0, 1)
        spline = RBFInterpolator(centres, rest, kernel="thin_plate_spline", smoothing=SMOOTHING)
        return starts + spline(vertices).swapaxes(0, 1)

    flat = places(basis).reshape(len(basis), -1)
    gram = flat @ flat.T
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    goals = model.identity.astype(np.float64)
    goals[0] -= places(head)
    fitted = np.linalg.solve(gram, flat @ goals.reshape(len(goals), -1).T).T
    identity = carried(np.tensordot(fitted, basis, 1), goals)
    identity[0] += head
    own, goals = places(shapes), model.expression.astype(np.float64)
    shares = (own * goals).sum(axis=(1, 2)) / np.maximum((own * own).sum(axis=(1, 2)), 1e-12)
    expression = carried(shares[:, None, None] * shapes, goals)
    return replace(
        ict,
        identity=identity.astype(np.float16).astype(np.float32),
        expression=expression.astype(np.float16).astype(np.float32),
        landmark_vertices=_corners(model, places),
        landmark_weights=_weights(model, places),
        info=model.info | {"name": "edgeface free, on the head of ICT-FaceKit"},
    )


def _apart(places: Places, open_jaw: FloatArray) -> FloatArray:
    """How far to move each place so that both lips are apart: a tenth of the open jaw."""
    return 0.1 * places(open_jaw)


def _moved(head: FloatArray, centres: FloatArray, lips: FloatArray) -> FloatArray:
    """The same for all vertices of the head: as the nearest place."""
    nearest = KDTree(centres - lips).query(head)[1]
    return lips[nearest]


def _corners(model: FaceModel, places: Places) -> IntArray:
    """The vertices (68, 3 K) that landmarks are weighted sums of."""
    return places.corners[model.landmark_vertices].reshape(68, -1).astype(np.int32)


def _weights(model: FaceModel, places: Places) -> FloatArray:
    weights = places.weights[model.landmark_vertices] * model.landmark_weights[..., None]
    return weights.reshape(68, -1).astype(np.float32)
