"""Evaluation on the validation split, which training never saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.face_model import FaceModel
from edgeface.faces import Faces
from edgeface.reference.data.faces import FaceSet, read_faces
from edgeface.reference.data.photos import Photo, read_photos
from edgeface.reference.metrics import average_precision, iou_matrix, match_detections, nme

Array = NDArray[Any]
SCORE_FLOOR = 0.01
"""Detections below this are not collected; average precision needs the rest of the curve."""
MIN_FACE = 0.05

FindFaces = Callable[[NDArray[np.uint8], float], Faces]
"""An MFN: image and score threshold to faces."""
LookAtFace = Callable[[NDArray[np.uint8], Array], Faces]
"""An SFN: image and boxes (1, 4) to the one face."""


def evaluate_detection(
    find: FindFaces, folder: Path, model: FaceModel, threshold: float, min_face: float = MIN_FACE
) -> dict[str, float]:
    """AP50 and recall on unseen photos, and false alarms on unseen photos without faces.

    Faces whose longer side is under ``min_face`` of the image's, and those that the data calls
    invalid, may be found or not.
    """
    photos, empty, _ = read_photos(folder, model, validation=True)
    results = [_detect(find, photo, min_face) for photo in photos]
    scores = np.concatenate([r[0] for r in results])
    outcome = np.concatenate([r[1] for r in results])
    num_faces = sum(r[2] for r in results)
    precision, recall = average_precision(scores, outcome, num_faces)
    sure = scores >= threshold
    alarms = sum(len(find(photo.pixels, threshold)) for photo in empty)
    return {
        "photos": float(len(photos)),
        "faces": float(num_faces),
        "AP50": precision,
        "recall at any score": recall,
        "recall at threshold": float((outcome[sure] == 1).sum() / num_faces),
        "precision at threshold": float(
            (outcome[sure] == 1).sum() / max((outcome[sure] >= 0).sum(), 1)
        ),
        "false alarms per 100 empty photos": 100.0 * alarms / len(empty),
    }


def _detect(find: FindFaces, photo: Photo, min_face: float) -> tuple[Array, Array, int]:
    faces = find(photo.pixels, SCORE_FLOOR)
    targets = photo.targets
    longer = (targets.boxes[:, 2:] - targets.boxes[:, :2]).max(axis=1, initial=0)
    ignore = targets.ignore | (longer < min_face * max(photo.pixels.shape[:2]))
    outcome, _ = match_detections(faces.boxes_xyxy, faces.scores, targets.boxes, ignore)
    # what is itself too small to count, and hit nothing, is no false alarm either
    size = (faces.boxes_xyxy[:, 2:] - faces.boxes_xyxy[:, :2]).max(axis=1, initial=0)
    outcome[(outcome == 0) & (size < min_face * max(photo.pixels.shape[:2]))] = -1
    return faces.scores, outcome, int((~ignore).sum())


def evaluate_sfn(look: LookAtFace, folder: Path, model: FaceModel) -> dict[str, dict[str, float]]:
    """Landmark, pose and expression errors on unseen faces, by pack; the box is given."""
    faces = read_faces(folder, model, validation=True)
    found = [look(pixels, faces.targets.boxes[i : i + 1]) for i, pixels in enumerate(faces.crops)]
    return _face_errors(faces, found, np.zeros(len(found), int))


def evaluate_mfn_faces(
    find: FindFaces, folder: Path, model: FaceModel, threshold: float
) -> dict[str, dict[str, float]]:
    """The same for an MFN, which must find the face in the 256 x 256 crop itself."""
    faces = read_faces(folder, model, validation=True)
    found = [find(pixels, threshold) for pixels in faces.crops]
    which = np.full(len(found), -1)
    for i, result in enumerate(found):
        if len(result):
            overlap = iou_matrix(result.boxes_xyxy, faces.targets.boxes[i : i + 1])[:, 0]
            which[i] = overlap.argmax() if overlap.max() >= 0.5 else -1
    return _face_errors(faces, found, which)


def _face_errors(faces: FaceSet, found: list[Faces], which: Array) -> dict[str, dict[str, float]]:
    report: dict[str, dict[str, float]] = {}
    for pack in np.unique(faces.pack).tolist():
        rows = np.flatnonzero(faces.pack == pack)
        hits = rows[which[rows] >= 0]
        entry = {"faces": float(len(rows)), "missed": float(len(rows) - len(hits))}
        points = np.stack([found[i].landmarks_2d[which[i]] for i in hits])
        truth = faces.labelled[hits]
        if np.isfinite(truth).all():
            for inner, count in ((True, 51), (False, 68)):
                error = nme(points, truth, inner=inner)
                entry[f"NME {count} inter-ocular %"] = float(error.mean())
                entry[f"NME {count} box %"] = float(nme(points, truth, inner, box=True).mean())
        expression = np.stack([found[i].expression_coeffs[which[i]] for i in hits])
        truth_expression = faces.targets.expression[hits]
        entry["expression error"] = float(np.abs(expression - truth_expression).mean())
        rotation = np.stack([found[i].rotation[which[i]] for i in hits])
        entry["pose error deg"] = float(rotation_angle(rotation, faces.targets.rotation[hits]))
        report[pack] = entry
    return report


def rotation_angle(a: Array, b: Array) -> float:
    """Mean geodesic angle between rotations (N, 3, 3) in degrees."""
    cosine = (np.einsum("nij,nij->n", a, b) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).mean())
