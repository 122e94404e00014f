"""The network to be measured as two functions, whatever file it comes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeface.face_model import FaceModel
from edgeface.faces import Faces
from edgeface.model import Model, load
from edgeface.types import FloatArray, ImageArray


@dataclass(frozen=True)
class Predictor:
    """A network under evaluation: an MFN has ``find``, an SFN has ``look``.

    Attributes
    ----------
    find : finds the faces of an image, from a score threshold on
    look : looks at boxes (N, 4) of an image, and returns the N faces in them
    score_threshold : the least score of a detection that counts as a face
    side_by_side : whether several threads may call the functions at once
    """

    name: str
    face_model: FaceModel
    find: Callable[[ImageArray, float], Faces] | None = None
    look: Callable[[ImageArray, FloatArray], Faces] | None = None
    score_threshold: float = 0.0
    side_by_side: bool = False


def open_predictor(path: str | os.PathLike[str]) -> Predictor:
    """Open a network that ships by its name, a model file, or a checkpoint (.ckpt)."""
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
        find=lambda image, score: model.run(
            image, score_threshold=score, look_again=False, detail="fast"
        ),
        score_threshold=model.metadata.score_threshold,
    )


def _open_checkpoint(path: Path) -> Predictor:
    from edgeface.reference.networks.checkpoint import load_network
    from edgeface.reference.networks.predict import (
        IOU_THRESHOLD,
        SCORE_THRESHOLD,
        predict_boxes,
        predict_faces,
    )

    trained = load_network(path)
    name = f"{trained.config.kind} of {path.name}, epoch {trained.epoch}"

    def find(image: ImageArray, score: float) -> Faces:
        return predict_faces(trained, image, score, IOU_THRESHOLD)

    def look(image: ImageArray, boxes: FloatArray) -> Faces:
        return predict_boxes(trained, image, boxes)

    if not trained.config.network_kind.detects:
        return Predictor(name, trained.face_model, look=look, side_by_side=True)
    return Predictor(
        name, trained.face_model, find=find, score_threshold=SCORE_THRESHOLD, side_by_side=True
    )
