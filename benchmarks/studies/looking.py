"""What studies of detection share: the photos that judge it, and networks that count passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgeface
from edgeface.backends import Backend, open_backend
from edgeface.model import Model
from edgeface.reference.data.labelled import LabelledImage, Labels, face_box, labels
from edgeface.reference.data.packs import (
    HUMAN_PACK,
    MULTI_FACE_PACK,
    NEGATIVE_PACK,
    Pack,
    is_validation,
    open_pack,
)
from edgeface.reference.data.photos import INVALID
from edgeface.run_options import Detail
from edgeface.shipped import network_path

LEAST_SCORE = 0.01


class CountingBackend:
    """A backend that counts what it is asked for, in passes over an input of the file's size."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.metadata, self.face_model = backend.metadata, backend.face_model
        self.passes = 0.0

    def infer(self, input_tensor):
        batch, height, width = input_tensor.shape[:3]
        self.passes += batch * height * width / self.metadata.input_size**2
        return self._backend.infer(input_tensor)


def open_counting(name: str) -> tuple[Model, CountingBackend]:
    """A model on one thread, and the backend that counts its passes."""
    backend = CountingBackend(open_backend(network_path("model", name), 1))
    return Model(backend), backend


@dataclass(frozen=True)
class Photos:
    """The unseen split: photos of groups, of nobody, and faces that fill half of the picture."""

    groups: list[LabelledImage]
    empty: list[LabelledImage]
    portraits: list[LabelledImage]


def read_unseen(folder: Path) -> Photos:
    """The validation split of the packs that judge detection, with the labels of people alone."""
    groups = open_pack(folder, MULTI_FACE_PACK)
    boxes, invalid = groups.labels["face_box"], groups.labels["face_attr"][:, INVALID] > 0
    of_image = groups.labels["face_image"]
    empty, portraits = open_pack(folder, NEGATIVE_PACK), open_pack(folder, HUMAN_PACK)
    points = portraits.labels["landmarks68"]
    return Photos(
        _images(groups, lambda i: labels(boxes[of_image == i], ignore=invalid[of_image == i])),
        _images(empty, lambda _: labels(np.zeros((0, 4)))),
        _images(portraits, lambda i: labels(face_box(points[[i]]), landmarks=points[[i]])),
    )


def _images(pack: Pack, labels_of: Callable[[int], Labels]) -> list[LabelledImage]:
    chosen = np.flatnonzero(is_validation(pack))
    return [
        LabelledImage(pack.image_names[i], pack.name, pixels, labels_of(i), complete=True)
        for i, pixels in pack.images(chosen)
    ]


def everything_seen(
    model: Model, images: Iterable[LabelledImage], detail: Detail
) -> list[edgeface.Faces]:
    """The faces of each image down to `LEAST_SCORE` that hold up, as in a default call."""
    found: list[edgeface.Faces] = []
    for image in images:
        faces = model.run(
            image.pixels, detail=detail, score_threshold=LEAST_SCORE, look_again=False
        )
        found.append(faces.select(model.hold_up(image.pixels, faces)))
    return found
