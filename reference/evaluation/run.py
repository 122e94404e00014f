"""Running a predictor over labelled images, which leaves a result for each image.

Data flows one way: a reader's images -> `run` -> results -> `figures.measure`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.faces import Faces
from edgeface.reference.data.detection_sets import read_afw, read_fddb, read_wider
from edgeface.reference.data.expression_sets import read_expressions, read_facewarehouse
from edgeface.reference.data.labelled import LabelledImage, Labels, Reader, face_box
from edgeface.reference.data.landmark_sets import (
    read_300vw,
    read_300w,
    read_aflw2000,
    read_lfw,
)
from edgeface.reference.data.validation import read_packs
from edgeface.reference.evaluation.detection import match_faces
from edgeface.reference.evaluation.predictor import Predictor
from edgeface.types import BoolArray, FloatArray, ImageArray

Pixels = ImageArray

SETS: dict[str, Reader] = {
    "packs": read_packs,
    "aflw2000": read_aflw2000,
    "300w": read_300w,
    "300vw": read_300vw,
    "lfw": read_lfw,
    "afw": read_afw,
    "fddb": read_fddb,
    "wider": read_wider,
    "facewarehouse": read_facewarehouse,
    "expressions": read_expressions,
}
SCORE_FLOOR = 0.01
"""The least score of detections that are collected; average precision needs weak ones too."""


@dataclass(frozen=True)
class ImageResult:
    """What a network said of one labelled image.

    Attributes
    ----------
    name, group, complete : what the labelled image says under these names
    size_hw : the size of the image, px
    labels : the labels of its N faces; a network of crops has only those that it looked at
    boxes (D, 4), scores (D,) : everything that was detected with a score of at least `SCORE_FLOOR`;
        a network of crops detects nothing
    threshold : the score from which on a detection counts as a face
    found : (N,) bool, whether each labelled face was found with such a score
    faces : what was predicted for the faces that were found, in their order
    """

    name: str
    group: str
    complete: bool
    size_hw: tuple[int, int]
    labels: Labels
    boxes: FloatArray
    scores: FloatArray
    threshold: float
    found: BoolArray
    faces: Faces


def run(
    predictor: Predictor, images: Iterable[LabelledImage]
) -> Iterator[tuple[ImageResult, Pixels]]:
    """Yield each image's result and its pixels, in the images' order.

    An SFN looks at the labelled boxes of those faces of which more than the box is known. In a
    video, from the second frame on, it looks where it saw the face before (2019, Sec. 5.2), even
    if it lost it.
    """
    apply = _side_by_side if predictor.side_by_side else _one_after_another
    if (find := predictor.find) is not None:
        for result, pixels in apply(lambda image: _find(predictor, find, image), images):
            assert result is not None
            yield result, pixels
    elif (look := predictor.look) is not None:
        seen: Faces | None = None
        for follows, some in groupby(images, lambda image: image.follows):
            if follows:
                results = _tracked(look, some, seen)
            else:
                results = apply(lambda image: _look(look, image, None), some)
            for result, pixels in results:
                if result is not None:
                    seen = result.faces
                    yield result, pixels


def _tracked(
    look: Callable[[Pixels, FloatArray], Faces], frames: Iterable[LabelledImage], seen: Faces | None
) -> Iterator[tuple[ImageResult | None, Pixels]]:
    """Yield the results of frames that follow the one in which a face was seen."""
    for frame in frames:
        at = face_box(seen.landmarks_2d.copy()) if seen else None
        result = _look(look, frame, at)
        if result is not None:
            seen = result.faces
        yield result, frame.pixels


Judge = Callable[[LabelledImage], ImageResult | None]


def _one_after_another(
    judge: Judge, images: Iterable[LabelledImage]
) -> Iterator[tuple[ImageResult | None, Pixels]]:
    return ((judge(image), image.pixels) for image in images)


def _side_by_side(
    judge: Judge, images: Iterable[LabelledImage]
) -> Iterator[tuple[ImageResult | None, Pixels]]:
    """Judge as many images at once as there are cores.

    Two threads that share the layers of one small network mostly wait for each other, and on a
    busy machine for the scheduler: it takes ten times as long.
    """
    import torch

    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    waiting: deque[tuple[Future[ImageResult | None], Pixels]] = deque()
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for image in images:
                waiting.append((pool.submit(judge, image), image.pixels))
                if len(waiting) > 2 * cores:
                    future, pixels = waiting.popleft()
                    yield future.result(), pixels
            for future, pixels in waiting:
                yield future.result(), pixels
        finally:
            torch.set_num_threads(threads)


def _find(
    predictor: Predictor, find: Callable[[Pixels, float], Faces], image: LabelledImage
) -> ImageResult:
    floor = min(SCORE_FLOOR, predictor.score_threshold)
    faces = find(image.pixels, floor)
    sure = faces.scores >= predictor.score_threshold
    match = match_faces(faces.boxes_xyxy[sure], faces.scores[sure], image.labels.boxes)
    matched = faces.select(np.flatnonzero(sure)[match[match >= 0]])
    return ImageResult(
        image.name, image.group, image.complete, _size(image), image.labels,
        faces.boxes_xyxy, faces.scores, predictor.score_threshold, match >= 0, matched,
    )  # fmt: skip


def _look(
    look: Callable[[Pixels, FloatArray], Faces], image: LabelledImage, tracked: FloatArray | None
) -> ImageResult | None:
    known = more_than_a_box(image.labels)
    if not known.any():
        return None
    labels = image.labels[known]
    faces = look(image.pixels, labels.boxes if tracked is None else tracked)
    found = np.ones(len(faces), bool)
    return ImageResult(
        image.name, image.group, image.complete, _size(image), labels,
        np.zeros((0, 4)), np.zeros(0), 0.0, found, faces,
    )  # fmt: skip


def expressions_by_name(faces: Faces) -> FloatArray:
    """Expression coefficients (N, 46) in the order of the labels; NaN for names that faces lack."""
    column = {name: k for k, name in enumerate(faces.expression_names)}
    coefficients = np.pad(faces.expression_coeffs, ((0, 0), (0, 1)), constant_values=np.nan)
    return coefficients[:, [column.get(name, -1) for name in EXPRESSION_NAMES]]


def _size(image: LabelledImage) -> tuple[int, int]:
    height, width = image.pixels.shape[:2]
    return height, width


def more_than_a_box(labels: Labels) -> BoolArray:
    """Whether each face has labelled landmarks or a labelled expression, (N,)."""
    known = np.isfinite(labels.landmarks).all(axis=(1, 2)) | np.isfinite(labels.expression).any(1)
    return known & ~labels.ignore
