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
"""The least IoU of a detection with the labelled face that it finds."""
MAX_DETECTIONS = 100


@dataclass(frozen=True)
class DetectionSample:
    """One image's labelled faces and detections.

    Attributes
    ----------
    truth : (M, 4), xyxy, the labelled faces
    ignore : (M,) bool, whether it does not matter if the face is found
    boxes : (N, 4), xyxy, and scores : (N,), the detections
    size_hw : the height and width of the image
    """

    truth: FloatArray
    ignore: BoolArray
    boxes: FloatArray
    scores: FloatArray
    size_hw: tuple[int, int]


@dataclass(frozen=True)
class PrecisionRecall:
    """COCO's figures for faces of one range of sizes, each in [0, 1]; NaN without any face.

    ``precision`` (101,) is that at IoU 0.5, for recalls of 0, 0.01 .. 1.
    """

    num_faces: int
    ap: float
    ap50: float
    ap75: float
    recall: float
    precision: FloatArray


def size_share(boxes: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    """The smaller (N,) of width and height of boxes (N, 4), as shares of the image's."""
    height, width = size_hw
    return ((boxes[:, 2:] - boxes[:, :2]) / [width, height]).min(axis=1, initial=np.inf)


def coco_precision(
    samples: list[DetectionSample], smallest: tuple[float, ...]
) -> list[PrecisionRecall]:
    """Average precision over images, once for each of ``smallest``.

    Parameters
    ----------
    samples : a sample for every image, also for those without faces
    smallest : the least `size_share` of faces that count; it does not matter if smaller ones are
        found

    Notes
    -----
    pycocotools counts at IoU 0.5, 0.55 .. 0.95 and 101 recalls, with at most 100 detections an
    image. Its area ranges bound `size_share` here, not square pixels. Its crowd regions are the
    faces to be ignored, so that a detection most of which lies in one is no false alarm.
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
    """COCO's index of images, each with boxes (N, 4), values of ``key`` (N,) and its size."""
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
    """Find the detection of each labelled face of one image.

    Parameters
    ----------
    boxes : (N, 4), xyxy, and scores : (N,), the detections
    truth : (M, 4), xyxy, the labelled faces

    Returns
    -------
    (M,) int, the row in ``boxes``, or -1 where the face was not found

    Notes
    -----
    By COCO's greedy rule, each detection takes the face that it overlaps most of those still free.
    Detections come in order of falling score; equal ones keep their order.
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
