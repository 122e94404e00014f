"""How far a face model is from the meshes and the landmarks of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeface.face_model import NUM_IDENTITY, FaceModel
from edgeface.reference.data.packs import RESEARCH, Sources
from edgeface.reference.face_model.corpus import Corpus, read_corpus
from edgeface.reference.geometry.alignment import align, mapped_landmarks
from edgeface.reference.geometry.lids import lid_opening
from edgeface.types import FloatArray


def report_on(model: FaceModel, folder: Path, sources: Sources = RESEARCH) -> dict[str, Any]:
    """How well a model fits the meshes of both splits, and its landmark map people's points."""
    report: dict[str, Any] = {}
    for split in ("train", "validation"):
        corpus = read_corpus(folder, split == "validation", sources)
        report[split] = {
            "num_meshes": len(corpus.meshes),
            "residual_percent_of_outer_eye_distance": residuals(model, corpus),
            "landmark_map_nme_percent": landmark_map_nme(model, corpus),
            "lid_opening": lid_openings(model, corpus),
        }
    return report


def residuals(model: FaceModel, corpus: Corpus) -> dict[str, float]:
    """The RMS distance between meshes and the model, in % of the outer eye distance.

    ``scores`` is that by the teacher's scores and the best identity, ``mean_only`` that of the
    mean.
    """
    weights = np.ones(model.mean.shape[0])
    expression = np.tensordot(corpus.scores, model.expression.astype(float), 1)
    neutral = model.mean + np.zeros_like(expression)
    modes = model.identity[1:].reshape(NUM_IDENTITY - 1, -1).astype(float)
    prediction = neutral + expression
    for _ in range(5):
        aligned = align(corpus.meshes, prediction, weights)
        rest = (aligned - neutral - expression).reshape(len(aligned), -1)
        coefficients = np.linalg.lstsq(modes.T, rest.T, rcond=None)[0].T
        prediction = neutral + expression + (coefficients @ modes).reshape(neutral.shape)

    def rms(difference: FloatArray) -> float:
        squared: FloatArray = np.sum(difference**2, axis=2)
        return float(100 * np.sqrt(np.mean(squared)))

    return {
        "mean_only": rms(align(corpus.meshes, neutral, weights) - neutral),
        "scores": rms(align(corpus.meshes, prediction, weights) - prediction),
    }


def landmark_map_nme(model: FaceModel, corpus: Corpus) -> dict[str, float]:
    """The NME, in % of the outer eye distance, of the meshes' landmarks against people's."""
    points = mapped_landmarks(corpus.labelled_meshes[..., :2], model)
    eyes = np.linalg.norm(corpus.landmarks[:, 45] - corpus.landmarks[:, 36], axis=1)
    error = np.linalg.norm(points - corpus.landmarks, axis=2) / eyes[:, None] * 100
    return {"68": float(error.mean()), "51": float(error[:, 17:].mean())}


def lid_openings(model: FaceModel, corpus: Corpus) -> dict[str, float]:
    """The mean opening of eyes, in eye widths, by people's landmarks and by the meshes'."""
    points = mapped_landmarks(corpus.labelled_meshes[..., :2], model)
    return {
        "people": float(lid_opening(corpus.landmarks).mean()),
        "map": float(lid_opening(points).mean()),
    }
