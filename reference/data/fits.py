"""Fits of the face model that are kept between runs, so that nothing is fitted twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from edgeface.face_model import FaceModel
from edgeface.reference.data.cache import digest, remembered
from edgeface.reference.geometry import alignment, fit
from edgeface.reference.geometry.fit import Fit, fit_landmarks, fit_meshes
from edgeface.types import AnyArray, FloatArray

SOURCES = [Path(str(module.__file__)) for module in (alignment, fit)]
"""The code that fits; when it changes, earlier fits do not count."""


def known_fit_of_meshes(model: FaceModel, meshes: FloatArray, scores: FloatArray) -> Fit:
    """`fit_meshes`, or what it returned before."""
    return _known(model, [meshes, scores], lambda: fit_meshes(model, meshes, scores))


def known_fit_of_landmarks(model: FaceModel, landmarks: FloatArray) -> Fit:
    """`fit_landmarks`, or what it returned before."""
    return _known(model, [landmarks], lambda: fit_landmarks(model, landmarks))


def _known(model: FaceModel, labels: list[FloatArray], make: Callable[[], Fit]) -> Fit:
    names = [f.name for f in fields(Fit)]
    model_arrays = [model.identity, model.expression, model.landmark_weights]
    key = digest(model.sha256, model.landmark_vertices, *model_arrays, *labels, *SOURCES)

    def arrays() -> dict[str, AnyArray]:
        found = make()
        return {name: getattr(found, name) for name in names}

    return Fit(**remembered(f"fit-{key}", arrays))
