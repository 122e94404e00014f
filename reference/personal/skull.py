"""What ICT-FaceKit has beside the face, for the head that ships: skull, ears, neck, shoulders."""

from __future__ import annotations

import io
import os

import numpy as np

from edgeface.errors import ModelFormatError
from edgeface.personal.template import UNIT_MM
from edgeface.reference.personal.template import NUM_FACE_QUADS

STILL_MM = 0.02
"""What a shape moves less stays."""


def skull_file(ict_facekit: str | os.PathLike[str]) -> bytes:
    """The ``.npz`` of `edgeface.retarget.skull`, in the template's units and numbers of vertices.

    Parameters
    ----------
    ict_facekit : ``.npz`` of ICT-FaceKit light, as `edgeface.from_ict_facekit` takes it

    Raises
    ------
    ModelFormatError
        If an array is missing.
    """
    try:
        with np.load(ict_facekit, allow_pickle=False) as archive:
            ict = dict(archive)
        num_face = int(ict["quads"][:NUM_FACE_QUADS].max()) + 1
        quads = ict["quads"][NUM_FACE_QUADS:]
        scale = np.float32(10.0 / UNIT_MM)  # ICT-FaceKit is in centimetres
        neutral = ict["neutral"][num_face:] * scale
        expression = ict["expression_delta"][:, num_face:] * scale
        names = ict["expression_names"].astype("U")
    except (KeyError, OSError, ValueError, IndexError) as error:
        raise ModelFormatError(f"{ict_facekit} lacks something: {error}") from error
    expression[np.abs(expression).max(axis=2) < STILL_MM / UNIT_MM] = 0
    moving = np.flatnonzero(expression.any(axis=(1, 2)))
    content = io.BytesIO()
    np.savez_compressed(
        content,
        allow_pickle=False,
        neutral=neutral.astype(np.float32),
        expression=expression[moving].astype(np.float16),
        expression_names=names[moving],
        triangles=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.uint16),
    )
    return content.getvalue()
