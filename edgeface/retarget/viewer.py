"""A recording as one HTML file: the head in 3D beside the curves of its expression."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.face_shapes import NUM_EXPRESSIONS
from edgeface.output import write_output
from edgeface.personal.model import PersonalModel
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
    write_viewer(path, recording, face_model, options.personal)


def write_viewer(
    path: str | os.PathLike[str],
    recording: Recording,
    face_model: FaceModel,
    personal: PersonalModel | None = None,
) -> None:
    """Write a page that needs no server, no network and no other file.

    Parameters
    ----------
    path : the .html file to write
    recording : a recording that was made with this face model
    face_model : the face model whose mesh is shown
    personal : a personal model, whose textured head is then shown with everybody's motion

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
    name = source if "://" in source else Path(source).name
    values = page_values(face_model, name, personal=personal)
    values |= {"people": people, "duration": duration, "fps": recording.header.get("fps")}
    values |= {"timecode": recording.header.get("timecode")}
    write_output(path, fill(values))


def page_values(
    face_model: FaceModel, source: str, personal: PersonalModel | None = None
) -> dict[str, Any]:
    """What the page needs of the head that it shows; nobody is in it yet."""
    return {
        "source": source,
        "names": list(face_model.expression_names),
        "mesh": _own_head(face_model) if personal is None else _personal_head(personal),
        "people": [],
        "duration": 0.0,
        "fps": None,
    }


def _own_head(face_model: FaceModel) -> dict[str, Any]:
    face_model.require_dense()
    if face_model.mean.shape[0] > np.iinfo(np.uint16).max:
        raise InvalidInputError("a browser shows at most 65,535 vertices")
    offsets = face_model.expression
    return _surface(face_model.triangles, offsets[0] if offsets.ndim == 4 else offsets)


def _personal_head(person: PersonalModel) -> dict[str, Any]:
    """The person's head, the outer corners of its eyes 1 apart, with its skin."""
    template, neutral = person.template, person.neutral_vertices
    right, left = neutral[template.landmark_vertices[[36, 45]]]
    scale = 1 / float(np.linalg.norm(left - right))
    each = template.from_expression(np.eye(NUM_EXPRESSIONS, dtype=np.float32))
    offsets = np.tensordot(each, person.offsets, axes=1) * scale
    skin = io.BytesIO()
    pixels = np.rint(person.skin.clip(0, 1) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(skin, "PNG")
    return _surface(template.triangles, offsets) | {
        "neutral": packed(_centred(neutral * scale), np.float32),
        "uv": packed(template.uv, np.float32),
        "skin": "data:image/png;base64," + base64.b64encode(skin.getvalue()).decode(),
    }


def _surface(triangles: IntArray, offsets: FloatArray) -> dict[str, Any]:
    unit = max(float(np.abs(offsets).max()), 1e-9) / np.iinfo(np.int16).max
    return {
        "triangles": packed(triangles, np.uint16),
        "offsets": packed(np.round(offsets / unit), np.int16),
        "offset_unit": unit,
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
    return _centred(face_model.vertices(identity, np.zeros(NUM_EXPRESSIONS)))


def _centred(points: FloatArray) -> FloatArray:
    return points - (points.max(axis=0) + points.min(axis=0)) / 2


def _person(performance: Performance, face_model: FaceModel) -> dict[str, Any]:
    return {
        "id": performance.track_id,
        "times": packed(performance.times_s, np.float32),
        "neutral": packed(neutral_of(performance.identity_coeffs, face_model), np.float32),
        "weights": packed(weights_of(performance.expression_coeffs), np.uint8),
        "quaternions": packed(performance.quaternions_wxyz, np.float32),
        "gaps": performance.gaps_s.round(4).tolist(),
    }
