"""What every reader of a data set yields: an image, and labels of the faces in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.geometry.pose import head_rotation, yaw_from_rotation
from edgeface.types import AnyArray, BoolArray, FloatArray, ImageArray

RAISE, LOWER = 0.29, -0.01
"""How much higher the project's face box begins and ends than the tight box of 68 landmarks, in
heights of the latter: medians over 375 faces of the 300-W pack, against `Fit.face_boxes`."""


@dataclass(frozen=True)
class Labels:
    """The N labelled faces of one image; what is not labelled is NaN.

    Attributes
    ----------
    boxes : (N, 4), xyxy, ``image_px``
    ignore : (N,) bool, whether it does not matter if the face is found
    landmarks : (N, 68, 2), ``image_px``
    rotation : (N, 3, 3), the head's rotation, ``model`` frame
    yaw_deg : (N,), the head's yaw, which data sets label more often than ``rotation``; its sign has
        no meaning
    expression : (N, 46); a face may have some coefficients labelled and others not
    gaze_deg : (N, 2, 2), pitch and yaw of the right and the left eye relative to the head
    """

    boxes: FloatArray
    ignore: BoolArray
    landmarks: FloatArray
    rotation: FloatArray
    yaw_deg: FloatArray
    expression: FloatArray
    gaze_deg: FloatArray

    def __getitem__(self, index: Any) -> Labels:
        return Labels(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class LabelledImage:
    """One image of a data set.

    Attributes
    ----------
    name : the name of the image, which no other in the set has
    group : the part of the set to whose figures the image contributes
    pixels : uint8, shape (H, W, 3), RGB
    complete : whether every face in it is labelled, so that other detections are false alarms
    follows : whether the image is the video frame that comes after the previous image
    """

    name: str
    group: str
    pixels: ImageArray
    labels: Labels
    complete: bool = False
    follows: bool = False


Reader = Callable[[Path, FaceModel], Iterator[LabelledImage]]
"""Reads the images of a set from its folder, and labels them in the face model's terms."""


Entry = tuple[str, str, Path, Callable[[], FloatArray]]
"""A face in a folder: its name, its group, its image, and a function that reads its points."""
PICTURES = (".jpg", ".png", ".jpeg")


def labels(boxes: FloatArray, **known: AnyArray) -> Labels:
    """Labels of faces of which the boxes (N, 4) are known, and perhaps more."""
    count = len(boxes)
    unknown: dict[str, AnyArray] = {
        "ignore": np.zeros(count, bool),
        "landmarks": np.full((count, 68, 2), np.nan, np.float32),
        "rotation": np.full((count, 3, 3), np.nan, np.float32),
        "yaw_deg": np.full(count, np.nan, np.float32),
        "expression": np.full((count, 46), np.nan, np.float32),
        "gaze_deg": np.full((count, 2, 2), np.nan, np.float32),
    }
    return Labels(boxes=np.asarray(boxes, np.float32).reshape(-1, 4), **(unknown | known))


def labels_from_landmarks(landmarks: FloatArray, model: FaceModel, **known: AnyArray) -> Labels:
    """Labels of faces of which the landmarks (N, 68, 2) are known; they tell box and yaw."""
    yaw = yaw_from_rotation(head_rotation(landmarks, neutral_landmarks(model)))
    return labels(
        face_box(landmarks), **({"landmarks": landmarks.astype(np.float32), "yaw_deg": yaw} | known)
    )


def neutral_landmarks(model: FaceModel) -> FloatArray:
    """The landmarks (68, 3) of the model's mean face."""
    return model.landmarks(np.eye(1, 50), np.zeros((1, 46)))[0]


def face_box(landmarks: FloatArray) -> FloatArray:
    """The project's face boxes (N, 4) around landmarks (N, L, 2) that span brows to chin."""
    low, high = landmarks.min(axis=1), landmarks.max(axis=1)
    height = high[:, 1] - low[:, 1]
    low[:, 1] -= RAISE * height
    high[:, 1] += LOWER * height
    return np.concatenate([low, high], axis=1)


def existing(folder: Path, *parts: str) -> Path:
    """The path ``folder/parts...``, which must exist.

    Raises
    ------
    InvalidInputError
        If it does not; the message names what is missing.
    """
    path = folder.joinpath(*parts)
    if not path.exists():
        raise InvalidInputError(f"{path} is missing: --data must name the folder that holds it")
    return path


def image_beside(path: Path) -> Path | None:
    """The .jpg or .png of the same name beside an annotation, if there is one."""
    candidates = (path.with_suffix(suffix) for suffix in (".jpg", ".png", ".jpeg"))
    return next((c for c in candidates if c.exists()), None)


def pictures(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every image under ``folder``, by its path relative to it."""
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES):
        yield path.relative_to(folder).as_posix(), path
