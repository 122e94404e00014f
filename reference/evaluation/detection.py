"""Which detections are right, and average precision as COCO defines it."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeface.boxes import iou_matrix
from edgeface.types import BoolArray, FloatArray, IntArray

MATCH_IOU = 0.5
"""Overlap from which on a detection is of a labelled face."""
MAX_DETECTIONS = 100


@dataclass(frozen=True)
class DetectionSample:
    """One image's labelled faces and detections.

    Attributes
    ----------
    truth : (M, 4) xyxy; ignore : (M,) bool, faces that may neither be demanded nor forbidden
    boxes : (N, 4) xyxy; scores : (N,)
    size_hw : of the image
    """

    truth: FloatArray
    ignore: BoolArray
    boxes: FloatArray
    scores: FloatArray
    size_hw: tuple[int, int]


@dataclass(frozen=True)
class PrecisionRecall:
    """COCO's figures over faces of one range of sizes, each in [0, 1]; NaN without any face.

    ``precision`` (101,) is at IoU 0.5, at recalls 0, 0.01 .. 1.
    """

    num_faces: int
    ap: float
    ap50: float
    ap75: float
    recall: float
    precision: FloatArray


def size_share(boxes: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    """The smaller of width and height of boxes (N, 4), each as a share of the image's, (N,)."""
    height, width = size_hw
    return ((boxes[:, 2:] - boxes[:, :2]) / [width, height]).min(axis=1, initial=np.inf)


def coco_precision(
    samples: list[DetectionSample], smallest: tuple[float, ...]
) -> list[PrecisionRecall]:
    """Average precision over images, once for each of ``smallest``.

    Parameters
    ----------
    samples : one an image, those without faces included
    smallest : least `size_share` of the faces that count; smaller ones may be found or not

    Notes
    -----
    pycocotools does the counting: IoU 0.5, 0.55 .. 0.95, 101 recalls, at most 100 detections an
    image. Its area ranges here bound `size_share`, not square pixels, and its crowd regions are
    the faces to be ignored: a detection most of which lies in one is no false alarm.
    """
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it reports progress by print
        truth = _index([(s.truth, s.ignore.astype(int), s.size_hw) for s in samples], "iscrowd")
        found = _index([(s.boxes, s.scores, s.size_hw) for s in samples], "score")
        run: Any = COCOeval(truth, found, "bbox")
        run.params.maxDets = [MAX_DETECTIONS]
        run.params.areaRng = [[least, np.inf] for least in smallest]
        run.params.areaRngLbl = [str(least) for least in smallest]
        run.evaluate()
        run.accumulate()
    counts = [sum(_count(s, least) for s in samples) for least in smallest]
    return [_figures(run.eval, i, counts[i]) for i in range(len(smallest))]


def _index(images: list[tuple[FloatArray, FloatArray, tuple[int, int]]], key: str) -> Any:
    """COCO's index of boxes (N, 4), the value of ``key`` (N,) and the image's size, by image."""
    from pycocotools.coco import COCO

    annotations: list[dict[str, Any]] = []
    for image, (boxes, values, size_hw) in enumerate(images):
        shares = size_share(boxes, size_hw)
        for (x0, y0, x1, y1), share, value in zip(
            boxes.tolist(), shares.tolist(), values.tolist(), strict=True
        ):
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": 1}
            entry |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": share, "iscrowd": 0}
            annotations.append(entry | {key: value})
    index: Any = COCO()
    index.dataset = {
        "images": [{"id": image} for image in range(len(images))],
        "categories": [{"id": 1}],
        "annotations": annotations,
    }
    index.createIndex()
    return index


def _count(sample: DetectionSample, least: float) -> int:
    return int((~sample.ignore & (size_share(sample.truth, sample.size_hw) >= least)).sum())


def _figures(evaluated: dict[str, Any], index: int, num_faces: int) -> PrecisionRecall:
    if num_faces == 0:
        nothing = float("nan")
        return PrecisionRecall(0, nothing, nothing, nothing, nothing, np.full(101, np.nan))
    precision = evaluated["precision"][:, :, 0, index, 0]
    return PrecisionRecall(
        num_faces=num_faces,
        ap=float(precision.mean()),
        ap50=float(precision[0].mean()),
        ap75=float(precision[5].mean()),
        recall=float(evaluated["recall"][0, 0, index, 0]),
        precision=precision[0],
    )


def match_faces(boxes: FloatArray, scores: FloatArray, truth: FloatArray) -> IntArray:
    """The detection of each labelled face of one image.

    Parameters
    ----------
    boxes (N, 4), scores (N,), truth (M, 4)

    Returns
    -------
    (M,) int, the row of ``boxes``, -1 where the face was not found

    Notes
    -----
    COCO's greedy rule: detections in order of falling score, equal ones in the given order, each
    take the most overlapping face that is still free.
    """
    found = np.full(len(truth), -1)
    if len(truth) == 0:
        return found
    iou = iou_matrix(boxes, truth)
    for row in np.argsort(-scores, kind="stable"):
        free = np.where(found < 0, iou[row], 0.0)
        best = int(free.argmax())
        if free[best] >= MATCH_IOU:
            found[best] = row
    return found
