"""The few figures by which networks, and the files made of them, are compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgeface.face_model import FaceModel
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.validation import TEACHER, read_packs
from edgeface.reference.evaluation.figures import measure
from edgeface.reference.evaluation.predictor import Predictor
from edgeface.reference.evaluation.run import run

FACES = "faces68-300w"
"""The group of faces labelled by people, for the errors of landmarks, pose and expression."""
PHOTOS = f"multiface-wider{TEACHER}"
"""The group of photos for AP50, of faces of at least 5 % of the photo on both sides."""

AP50 = "AP50, %"


def judging_images(folder: Path, model: FaceModel) -> list[LabelledImage]:
    """Read the faces and photos of the unseen split that `headline` needs."""
    return [i for i in read_packs(folder, model) if i.group in (FACES, PHOTOS)]


def headline(predictor: Predictor, images: Iterable[LabelledImage]) -> dict[str, float]:
    """Measure the figures of a network on `judging_images`.

    A figure is left out if the network cannot have it, or the images do not tell it.
    """
    detects = predictor.find is not None
    judging = (i for i in images if detects or i.group == FACES)
    groups = measure([result for result, _ in run(predictor, judging)], detects)
    figures: dict[str, float] = {}
    if "detection" in groups.get(PHOTOS, {}):
        found = groups[PHOTOS]["detection"]["faces from 5% of the photo"]
        figures[AP50] = 100 * found["AP50"]
    if FACES in groups:
        faces = groups[FACES]
        landmarks = faces["landmarks"]["all faces"]
        figures |= {
            "NME-51, %": landmarks["eyes 51"],
            "NME-68, %": landmarks["eyes 68"],
            "missed, %": 100 * landmarks["missed"] / landmarks["faces"],
            "pose, deg": faces["head pose, deg"]["all faces"]["mean of three"],
        }
        if "expression" in faces:  # of a face model with the labels' names
            figures["expression"] = faces["expression"]["all faces"]["error"]
        if "gaze, deg" in faces:
            figures["gaze, deg"] = faces["gaze, deg"]["all faces"]["angle"]
    return figures
