"""Evaluation: a predictor runs over labelled images and leaves a result an image.

Data flows one way: a reader's images -> `run` -> results -> `report`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.face_model import FaceModel
from edgeface.faces import Faces, concatenate
from edgeface.image import crop
from edgeface.model import Model, load
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

Array = NDArray[Any]
Pixels = NDArray[np.uint8]

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
"""Detections below this are not collected; average precision needs the rest of the curve."""


@dataclass(frozen=True)
class Predictor:
    """A network under evaluation: an MFN has ``find``, an SFN has ``look``.

    Attributes
    ----------
    find : image and score threshold to the faces found
    look : image and boxes (N, 4) to the N faces in them
    score_threshold : at which a face counts as found
    side_by_side : whether several threads may ask at once
    """

    name: str
    face_model: FaceModel
    find: Callable[[Pixels, float], Faces] | None = None
    look: Callable[[Pixels, Array], Faces] | None = None
    score_threshold: float = 0.0
    side_by_side: bool = False


@dataclass(frozen=True)
class ImageResult:
    """What a network said of one labelled image.

    Attributes
    ----------
    name, group, complete : of the image; size_hw : its size
    labels : of its N faces; for an SFN, of those it looked at
    boxes (D, 4), scores (D,) : everything detected from `SCORE_FLOOR` on; none for an SFN
    threshold : from which score on a detection counts as a face
    found : (N,) bool, the labelled faces that were found so
    faces : what was predicted for those, in order
    """

    name: str
    group: str
    complete: bool
    size_hw: tuple[int, int]
    labels: Labels
    boxes: Array
    scores: Array
    threshold: float
    found: NDArray[np.bool_]
    faces: Faces


def open_predictor(path: str | os.PathLike[str]) -> Predictor:
    """A predictor of a shipped name, a model file, or a training checkpoint (.ckpt)."""
    if Path(path).suffix == ".ckpt":
        return _open_checkpoint(Path(path))
    return model_predictor(load(path))


def model_predictor(model: Model) -> Predictor:
    """The predictor of a loaded model file."""
    if not model.metadata.detects:
        return Predictor(
            model.metadata.name,
            model.face_model,
            look=lambda image, boxes: model.run(image, boxes_xyxy=boxes),
        )
    return Predictor(
        model.metadata.name,
        model.face_model,
        find=lambda image, score: model.run(image, score_threshold=score),
        score_threshold=model.metadata.score_threshold,
    )


def _open_checkpoint(path: Path) -> Predictor:
    from edgeface.reference.networks.checkpoint import load_network
    from edgeface.reference.networks.config import CROP_SCALE
    from edgeface.reference.networks.predict import (
        IOU_THRESHOLD,
        SCORE_THRESHOLD,
        predict_crop,
        predict_faces,
    )

    trained = load_network(path)
    name = f"{trained.config.kind} of {path.name}, epoch {trained.epoch}"

    def find(image: Pixels, score: float) -> Faces:
        return predict_faces(trained, image, score, IOU_THRESHOLD)

    def look_at(image: Pixels, box: Array) -> Faces:
        pixels, placement = crop(image, box, CROP_SCALE, trained.config.input_size)
        faces = predict_crop(trained, pixels)
        landmarks = faces.landmarks_3d.copy()
        landmarks[..., :2] = placement.to_image(landmarks[..., :2])
        landmarks[..., 2] /= placement.scale.mean()
        return replace(faces, landmarks_3d=landmarks, boxes_xyxy=box[None].astype(np.float32))

    def look(image: Pixels, boxes: Array) -> Faces:
        faces = [look_at(image, box) for box in boxes]
        return concatenate(faces, faces[0])

    if trained.config.kind != "mfn":
        return Predictor(name, trained.face_model, look=look, side_by_side=True)
    return Predictor(
        name, trained.face_model, find=find, score_threshold=SCORE_THRESHOLD, side_by_side=True
    )


def run(
    predictor: Predictor, images: Iterable[LabelledImage]
) -> Iterator[tuple[ImageResult, Pixels]]:
    """Each image's result, beside its pixels for pictures, in the images' order.

    An SFN looks at the labelled boxes of the faces of which more than the box is known; in a
    video, from the second frame on, at where it saw the face before (2019, Sec. 5.2), lost or
    not.
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
    look: Callable[[Pixels, Array], Faces], frames: Iterable[LabelledImage], seen: Faces | None
) -> Iterator[tuple[ImageResult | None, Pixels]]:
    """Frames that follow the one in which a face was seen."""
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
    """As many images at once as there are cores, each on one.

    Two threads that share one small network's layers mostly wait for each other, and on a machine
    with other work for the scheduler: ten times as long.
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
    look: Callable[[Pixels, Array], Faces], image: LabelledImage, tracked: Array | None
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


def _size(image: LabelledImage) -> tuple[int, int]:
    height, width = image.pixels.shape[:2]
    return height, width


def more_than_a_box(labels: Labels) -> NDArray[np.bool_]:
    """Which faces have landmarks or an expression, (N,)."""
    known = np.isfinite(labels.landmarks).all(axis=(1, 2)) | np.isfinite(labels.expression).any(1)
    return known & ~labels.ignore
