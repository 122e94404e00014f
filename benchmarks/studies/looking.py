"""What studies of detection share: the photos that judge it, and networks that count passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgeface
from edgeface.backends import Backend, open_backend
from edgeface.face_model import FaceModel
from edgeface.model import ASSETS, Model
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.packs import NEGATIVE_PACK
from edgeface.reference.data.validation import read_packs
from edgeface.reference.evaluation.headline import FACES, PHOTOS
from edgeface.run_options import Detail
from edgeface.shipped import BUNDLED

LEAST_SCORE = 0.01


class CountingBackend:
    """A backend that counts what it is asked for, in passes over an input of the file's size."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.metadata, self.face_model = backend.metadata, backend.face_model
        self.passes = 0.0

    def infer(self, input_tensor):
        batch, side = input_tensor.shape[:2]
        self.passes += batch * (side / self.metadata.input_size) ** 2
        return self._backend.infer(input_tensor)


def open_counting(name: str) -> tuple[Model, CountingBackend]:
    """A model on one thread, and the backend that counts its passes."""
    path = ASSETS / f"{name}.onnx" if name in BUNDLED else Path(name)
    backend = CountingBackend(open_backend(path, 1))
    return Model(backend), backend


@dataclass(frozen=True)
class Photos:
    """The unseen split: photos of groups, of nobody, and faces that fill half of the picture."""

    groups: list[LabelledImage]
    empty: list[LabelledImage]
    portraits: list[LabelledImage]


def read_unseen(folder: Path, model: FaceModel) -> Photos:
    """The validation split of the packs that judge detection."""
    kept: dict[str, list[LabelledImage]] = {PHOTOS: [], NEGATIVE_PACK: [], FACES: []}
    for image in read_packs(folder, model):
        if image.group in kept:
            kept[image.group].append(image)
    return Photos(kept[PHOTOS], kept[NEGATIVE_PACK], kept[FACES])


def everything_seen(
    model: Model, images: Iterable[LabelledImage], detail: Detail, doubtful: float
) -> list[edgeface.Faces]:
    """The faces of each image down to `LEAST_SCORE`.

    Those from the score ``doubtful`` on have held up to the second look, as in a default call.
    """
    found: list[edgeface.Faces] = []
    for image in images:
        faces = model.run(
            image.pixels, detail=detail, score_threshold=LEAST_SCORE, look_again=False
        )
        sure = faces.scores >= doubtful
        kept = np.ones(len(faces), bool)
        kept[sure] = model.hold_up(image.pixels, faces.select(sure))
        found.append(faces.select(kept))
    return found
