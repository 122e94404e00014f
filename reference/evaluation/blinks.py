"""How far `eyeBlink` must be stretched for shut eyes to be drawn shut.

A network that is unsure whether an eye is shut says that it is half open, which costs it least in
the mean over faces, most of whose eyes are open. Here shut, half-shut and open eyes count the same.
"""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.faces import Faces, concatenate
from edgeface.reference.data.labelled import LabelledImage, labels_from_landmarks
from edgeface.reference.data.packs import HUMAN_PACK, is_validation, open_pack, show_face
from edgeface.reference.evaluation.eyes import OPEN
from edgeface.reference.evaluation.predictor import Predictor, open_predictor
from edgeface.reference.evaluation.run import run
from edgeface.reference.geometry.lids import BLINK_NAMES, SHUT, lid_opening
from edgeface.reference.networks.blinks import with_blinks
from edgeface.reference.networks.checkpoint import TrainedNetwork, load_network, refuse_free
from edgeface.types import FloatArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stretch:
    """What makes ``gain * logit + offset`` of the logits of `eyeBlink`."""

    gain: float = 1.0
    offset: float = 0.0

    def __call__(self, blinks: FloatArray) -> FloatArray:
        """The values in [0, 1] that are said for these."""
        known = np.clip(blinks.astype(np.float64), 1e-6, 1 - 1e-6)
        logits = np.log(known / (1 - known))
        return 1 / (1 + np.exp(-(self.gain * logits + self.offset)))


def learn_blinks(checkpoint: Path, folder: Path) -> TrainedNetwork:
    """The network of a checkpoint with the stretch that `fit_stretch` finds on faces it learned.

    Parameters
    ----------
    folder : the folder of the data packs

    Raises
    ------
    InvalidInputError
        If it is no SFN or MFN, or one of a free run, which must not learn from 300-W.
    """
    trained = with_blinks(load_network(checkpoint), 1.0, 0.0)
    refuse_free(trained)
    predictor = open_predictor(checkpoint)
    model = predictor.face_model
    faces, labelled = said_of(predictor, learned_faces(folder, model))
    stretch = fit_stretch(faces, model, labelled)
    for name, by in (("before", Stretch()), ("after", stretch)):
        shut, half, wide = 100 * errors(drawn_openings(faces, model, by), labelled)
        log.info(
            "%s: gain %.3f, offset %.3f; the opening of shut, half-shut and open eyes is wrong by "
            "%.2f, %.2f and %.2f %% of their width", name, by.gain, by.offset, shut, half, wide,
        )  # fmt: skip
    return with_blinks(trained, stretch.gain, stretch.offset)


def learned_faces(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Yield the faces of the training split whose points people placed."""
    pack = open_pack(folder, HUMAN_PACK)
    points = pack.labels["landmarks68"]
    chosen = np.flatnonzero(~is_validation(pack) & show_face(points))
    for i, pixels in pack.images(chosen):
        found = labels_from_landmarks(points[i : i + 1], model)
        yield LabelledImage(f"{pack.name}/{i}", pack.name, pixels, found)


def said_of(predictor: Predictor, images: Iterator[LabelledImage]) -> tuple[Faces, FloatArray]:
    """What a network says of the N faces that it finds, and their labelled openings (N, 2)."""
    results = [result for result, _ in run(predictor, images) if result.found.any()]
    if not results:
        raise InvalidInputError(f"{predictor.name} finds none of the faces")
    faces = concatenate([result.faces for result in results], results[0].faces)
    openings = [lid_opening(result.labels.landmarks[result.found]) for result in results]
    return faces, np.concatenate(openings)


def drawn_openings(faces: Faces, model: FaceModel, stretch: Stretch) -> FloatArray:
    """The openings of the lids (N, 2) as they are drawn with another `eyeBlink`."""
    expressions = faces.expression_coeffs.copy()
    columns = [faces.expression_names.index(name) for name in BLINK_NAMES]
    expressions[:, columns] = stretch(expressions[:, columns])
    shapes = model.landmarks(faces.identity_coeffs, expressions)
    return lid_opening((shapes @ faces.rotation.transpose(0, 2, 1))[..., :2])


def errors(drawn: FloatArray, labelled: FloatArray) -> FloatArray:
    """The mean absolute errors of openings (N, 2) of shut, half-shut and open eyes.

    Raises
    ------
    InvalidInputError
        If the labels show none of one sort.
    """
    sorts = np.digitize(labelled, (SHUT, OPEN))
    if len(np.unique(sorts)) < 3:
        raise InvalidInputError("the faces lack shut, half-shut or open eyes")
    wrong = np.abs(drawn - labelled)
    return np.array([wrong[sorts == sort].mean() for sort in range(3)])


def fit_stretch(faces: Faces, model: FaceModel, labelled: FloatArray) -> Stretch:
    """The stretch with the least mean of the three `errors`."""

    def cost(values: FloatArray) -> float:
        return float(errors(drawn_openings(faces, model, Stretch(*values)), labelled).mean())

    start = [[1.0, 0.0], [1.5, 0.0], [1.0, 0.5]]
    options = {"initial_simplex": start, "xatol": 1e-2, "fatol": 1e-5}
    return Stretch(*minimize(cost, start[0], method="Nelder-Mead", options=options).x)
