"""A recording as one HTML file: the head in 3D beside the curves of its expression."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.output import write_output
from edgeface.recording import Performance, Recording
from edgeface.retarget.options import ExportOptions
from edgeface.types import AnyArray, FloatArray, IntArray

VIEWER = Path(__file__).parents[1] / "assets" / "viewer.html"
PLACE = "/*DATA*/"
MIN_FRAMES = 5
"""A person seen in fewer frames has no curve worth showing."""


def export_viewer(
    path: Path, recording: Recording, face_model: FaceModel, options: ExportOptions
) -> None:
    """Write the page of everybody in a recording."""
    del options  # the page shows all people as they were seen
    write_viewer(path, recording, face_model)


def write_viewer(path: str | os.PathLike[str], recording: Recording, face_model: FaceModel) -> None:
    """Write a page that needs no server, no network and no other file.

    Parameters
    ----------
    path : the .html file to write
    recording : a recording that was made with this face model
    face_model : the face model whose mesh is shown

    Raises
    ------
    InvalidInputError
        If the recording is of another face model, the mesh is not here or has too many vertices
        for a browser, or the file cannot be written.
    """
    if recording.header.get("face_model_sha256") != face_model.sha256:
        raise InvalidInputError("the recording was made with another face model")
    shown = [p for p in recording.performances.values() if len(p.frames) >= MIN_FRAMES]
    shown.sort(key=lambda p: -len(p.frames))
    people = [_person(p, face_model) for p in shown]
    duration = max((float(p.times_s[-1]) for p in shown), default=0.0)
    source = str(recording.header.get("source", ""))
    values = page_values(face_model, source if "://" in source else Path(source).name)
    values |= {"people": people, "duration": duration, "fps": recording.header.get("fps")}
    write_output(path, fill(values))


def page_values(face_model: FaceModel, source: str) -> dict[str, Any]:
    """What the page needs of the face model; nobody is in it yet."""
    face_model.require_dense()
    if face_model.mean.shape[0] > np.iinfo(np.uint16).max:
        raise InvalidInputError("a browser shows at most 65,535 vertices")
    offsets = face_model.expression
    if offsets.ndim == 4:
        offsets = offsets[0]
    unit = max(float(np.abs(offsets).max()), 1e-9) / np.iinfo(np.int16).max
    return {
        "source": source,
        "names": list(face_model.expression_names),
        "mesh": {
            "triangles": packed(face_model.triangles, np.uint16),
            "offsets": packed(np.round(offsets / unit), np.int16),
            "offset_unit": unit,
        },
        "people": [],
        "duration": 0.0,
        "fps": None,
    }


def fill(values: dict[str, Any], page: Path = VIEWER) -> str:
    """A page with its data in it."""
    # "<" would let a source's name end the script that holds it
    text = json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
    return page.read_text(encoding="utf-8").replace(PLACE, text)


def packed(array: AnyArray, dtype: Any) -> str:
    """An array as base64 of its little-endian bytes."""
    values = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(values.tobytes()).decode()


def weights_of(expression: FloatArray) -> IntArray:
    """Expression coefficients in [0, 1] as bytes."""
    return np.round(255 * np.clip(expression, 0, 1)).astype(np.uint8)


def neutral_of(identity: FloatArray, face_model: FaceModel) -> FloatArray:
    """A person's face at rest, shape (V, 3), centred."""
    neutral = face_model.vertices(identity, np.zeros(46))
    return neutral - (neutral.max(axis=0) + neutral.min(axis=0)) / 2


def _person(performance: Performance, face_model: FaceModel) -> dict[str, Any]:
    return {
        "id": performance.track_id,
        "times": packed(performance.times_s, np.float32),
        "neutral": packed(neutral_of(performance.identity_coeffs, face_model), np.float32),
        "weights": packed(weights_of(performance.expression_coeffs), np.uint8),
        "quaternions": packed(performance.quaternions_wxyz, np.float32),
    }
