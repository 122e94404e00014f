"""Turning results into figures.

They are ``{group: {section: {row: {column: number}}}}``; NaN means that nothing was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeface.boxes import iou_matrix
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.data.expression_sets import CATEGORIES, category_columns
from edgeface.reference.evaluation.detection import (
    MATCH_IOU,
    DetectionSample,
    PrecisionRecall,
    coco_precision,
    size_share,
)
from edgeface.reference.evaluation.eyes import eye_section, gaze_section
from edgeface.reference.evaluation.metrics import (
    Norm,
    area_under_curve,
    euler_error,
    nme,
    rotation_angle,
)
from edgeface.reference.evaluation.run import ImageResult, expressions_by_name
from edgeface.types import AnyArray, BoolArray, FloatArray

Section = dict[str, dict[str, float]]
Figures = dict[str, dict[str, Section]]

SIZES = (0.0, 0.02, 0.05, 0.10)
"""The least sizes of faces that count, as shares of both sides of the image."""
LARGE = 0.10
"""The least longer side of a large face, as a share of the image's."""
MAX_FACES = 20
"""Photos of more faces are left out of detection, as in the paper (2019, Sec. 4.1)."""
YAW_GROUPS = ((0, 30), (30, 60), (60, 90))
NORMS: tuple[Norm, ...] = ("eyes", "box", "diagonal")
ERROR_LIMIT = 8.0
"""The error in percent at which cumulative error curves end."""
EXTREME = 0.5
"""The least label of an expression that counts as shown."""
COEFFICIENTS = "coefficients"
"""The name of the section with each expression's own error."""


@dataclass(frozen=True)
class FaceTable:
    """The labelled faces of all results as parallel arrays, without those to be ignored.

    Predictions are NaN for faces that were not found, and labels where there are none.
    """

    found: BoolArray
    large: BoolArray
    yaw_deg: FloatArray
    landmarks: FloatArray
    true_landmarks: FloatArray
    rotation: FloatArray
    true_rotation: FloatArray
    expression: FloatArray
    true_expression: FloatArray
    gaze_deg: FloatArray
    true_gaze_deg: FloatArray


def face_table(results: list[ImageResult]) -> FaceTable:
    """Gather the faces of results in order."""
    columns: dict[str, list[AnyArray]] = {name: [] for name in FaceTable.__annotations__}
    for result in results:
        labels, count = result.labels, len(result.labels.boxes)
        counts = ~labels.ignore
        longer = (labels.boxes[:, 2:] - labels.boxes[:, :2]).max(axis=1, initial=0)
        for name, predicted, truth in (
            ("landmarks", result.faces.landmarks_2d, labels.landmarks),
            ("rotation", result.faces.rotation, labels.rotation),
            ("expression", expressions_by_name(result.faces), labels.expression),
            ("gaze_deg", result.faces.gaze_deg, labels.gaze_deg),
        ):
            spread = np.full((count, *truth.shape[1:]), np.nan, np.float32)
            if predicted is not None:
                spread[result.found] = predicted
            columns[name].append(spread[counts])
            columns[f"true_{name}"].append(truth[counts])
        columns["found"].append(result.found[counts])
        columns["large"].append((longer >= LARGE * max(result.size_hw))[counts])
        columns["yaw_deg"].append(labels.yaw_deg[counts])
    return FaceTable(**{name: np.concatenate(parts) for name, parts in columns.items()})


def measure(results: list[ImageResult], detects: bool) -> Figures:
    """Measure all figures that the labels allow, by the images' groups.

    Parameters
    ----------
    results : the results of at least one image
    detects : whether the network finds faces itself
    """
    groups = list(dict.fromkeys(result.group for result in results))
    return {g: _sections([r for r in results if r.group == g], detects) for g in groups}


def _sections(results: list[ImageResult], detects: bool) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    if detects and results[0].complete:
        sections |= detection_sections(results)
    faces = face_table(results)
    sections["landmarks"] = landmark_section(faces)
    known = faces.found & np.isfinite(faces.true_landmarks).all(axis=(1, 2))
    sections["eyes"] = eye_section(
        faces.landmarks[known], faces.true_landmarks[known], faces.expression[known]
    )
    sections["head pose, deg"] = pose_section(faces)
    parts = _parts(faces)
    sections["gaze, deg"] = gaze_section(faces.gaze_deg, faces.true_gaze_deg, parts)
    sections |= expression_sections(faces)
    return {name: section for name, section in sections.items() if section}


def detection_sections(results: list[ImageResult]) -> dict[str, Section]:
    """Average precision and recall by size, and false faces in photos without any."""
    kept = [r for r in results if len(r.labels.boxes) <= MAX_FACES]
    if not kept:
        return {}
    if all(len(r.labels.boxes) == 0 for r in kept):
        sure = sum((r.scores >= r.threshold).sum() for r in kept)
        row = {"photos": float(len(kept)), "false faces per 100": float(100 * sure / len(kept))}
        return {"false faces": {"all": row}}
    rows: Section = {}
    for least, figures in zip(SIZES, precision_recall(kept), strict=True):
        rows[f"faces from {least:.0%} of the photo" if least else "all faces"] = {
            "photos": float(len(kept)),
            "faces": float(figures.num_faces),
            "AP": figures.ap,
            "AP50": figures.ap50,
            "AP75": figures.ap75,
            "recall": figures.recall,
            "recall at threshold": _recall(kept, least),
            "precision at threshold": _precision(kept, least),
        }
    return {"detection": rows}


def precision_recall(results: list[ImageResult]) -> list[PrecisionRecall]:
    """COCO's figures for each of `SIZES`."""
    samples = [
        DetectionSample(r.labels.boxes, r.labels.ignore, r.boxes, r.scores, r.size_hw)
        for r in results
    ]
    return coco_precision(samples, SIZES)


def _recall(results: list[ImageResult], least: float) -> float:
    found = [
        r.found[~r.labels.ignore & (size_share(r.labels.boxes, r.size_hw) >= least)]
        for r in results
    ]
    return _mean(np.concatenate(found))


def _precision(results: list[ImageResult], least: float) -> float:
    """The share of sure detections of at least a size that overlap any labelled face."""
    right: list[BoolArray] = []
    for r in results:
        boxes = r.boxes[r.scores >= r.threshold]
        boxes = boxes[size_share(boxes, r.size_hw) >= least]
        overlap = iou_matrix(boxes, r.labels.boxes).max(axis=1, initial=0)
        right.append(overlap >= MATCH_IOU)
    return _mean(np.concatenate(right))


def landmark_section(faces: FaceTable) -> Section:
    """Errors in percent of the faces that were found, by yaw group; the curve counts all faces."""
    known = np.isfinite(faces.true_landmarks).all(axis=(1, 2))
    rows = {name: _landmark_row(faces, known & part) for name, part in _parts(faces).items()}
    rows = {name: row for name, row in rows.items() if row["faces"]}
    by_yaw = [row for name, row in rows.items() if name.startswith("yaw")]
    if len(by_yaw) == len(YAW_GROUPS):
        # the benchmark of AFLW2000-3D weighs its three groups equally
        rows["mean of the yaw groups"] = {
            column: float(np.mean([row[column] for row in by_yaw])) for column in by_yaw[0]
        } | {column: float(sum(row[column] for row in by_yaw)) for column in ("faces", "missed")}
    return rows


def _landmark_row(faces: FaceTable, part: BoolArray) -> dict[str, float]:
    row = {"faces": float(part.sum()), "missed": float((part & ~faces.found).sum())}
    for norm in NORMS:
        for count, inner in (("51", True), ("68", False)):
            error = nme(faces.landmarks[part], faces.true_landmarks[part], norm, inner)
            row[f"{norm} {count}"] = _mean(error[faces.found[part]])
        row[f"{norm} AUC"] = area_under_curve(failing_errors(faces, part, norm), ERROR_LIMIT)
    return row


def failing_errors(faces: FaceTable, part: BoolArray, norm: Norm) -> FloatArray:
    """The errors over 68 points of some of the faces, infinite where a face was not found."""
    error = nme(faces.landmarks[part], faces.true_landmarks[part], norm)
    return np.where(faces.found[part], error, np.inf)


def _parts(faces: FaceTable) -> dict[str, BoolArray]:
    turned = np.abs(faces.yaw_deg)
    parts = {"all faces": np.ones(len(turned), bool)}
    for low, high in YAW_GROUPS:
        top = turned <= high if high == YAW_GROUPS[-1][1] else turned < high
        parts[f"yaw {low} to {high}"] = (turned >= low) & top
    if not faces.large.all():
        parts["longer side from 10%"] = faces.large
    return parts


def pose_section(faces: FaceTable) -> Section:
    """The mean absolute errors of the three angles, and the mean angle between rotations."""
    known = np.isfinite(faces.true_rotation).all(axis=(1, 2)) & faces.found
    rows: Section = {}
    for name, part in _parts(faces).items():
        predicted, truth = faces.rotation[known & part], faces.true_rotation[known & part]
        if len(truth):
            pitch, yaw, roll = euler_error(predicted, truth).mean(axis=0)
            rows[name] = {
                "faces": float(len(truth)),
                "pitch": float(pitch),
                "yaw": float(yaw),
                "roll": float(roll),
                "mean of three": float((pitch + yaw + roll) / 3),
                "rotation": _mean(rotation_angle(predicted, truth)),
            }
    return rows


def expression_sections(faces: FaceTable) -> dict[str, Section]:
    """The mean absolute errors over all 46 coefficients, by Table 5's categories, and of each."""
    sections: dict[str, Section] = {}
    known = np.isfinite(faces.true_expression + faces.expression).all(axis=1) & faces.found
    if known.any():
        error = np.abs(faces.expression[known] - faces.true_expression[known])
        sections["expression"] = {
            name: {"faces": float(part[known].sum()), "error": _mean(error[part[known]])}
            for name, part in _parts(faces).items()
            if part[known].any()
        }
        sections[COEFFICIENTS] = {
            name: {"error": float(value)}
            for name, value in zip(EXPRESSION_NAMES, error.mean(axis=0), strict=True)
        }
    rows: dict[str, dict[str, float]] = {}
    for category in CATEGORIES:
        errors = category_errors(category, faces.expression, faces.true_expression)
        if len(errors):
            rows[category] = {"faces": float(len(errors)), "error": _mean(errors)}
    if rows:
        average = float(np.mean([row["error"] for row in rows.values()]))
        count = sum(row["faces"] for row in rows.values())
        sections["expressions shown"] = rows | {"average": {"faces": count, "error": average}}
    return sections


def category_errors(category: str, predicted: FloatArray, truth: FloatArray) -> FloatArray:
    """The expression metric (2019, Sec. 4.2) of the found faces that show a category.

    Notes
    -----
    It is the mean absolute difference over the category's coefficients, as in Table 5, where every
    label is 1. A face shows the category if its labels average at least `EXTREME`. If either of two
    alternatives would do, such as the jaw to the left or to the right, the better one counts.
    """
    best = np.full(len(truth), np.nan)
    for columns in category_columns(category):
        shown = truth[:, columns].mean(axis=1) >= EXTREME
        error = np.abs(predicted[:, columns] - truth[:, columns]).mean(axis=1)
        best = np.fmin(best, np.where(shown, error, np.nan))
    return best[np.isfinite(best)]


def _mean(values: FloatArray | BoolArray) -> float:
    return float(values.mean()) if len(values) else float("nan")
