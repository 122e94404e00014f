"""What ICT-FaceKit has beside the face, for the head that ships: skull, ears, neck, shoulders."""

from __future__ import annotations

import io
import os

import numpy as np

from edgeface.personal.template import UNIT_MM
from edgeface.reference.personal.ict import NUM_FACE_QUADS, read_ict, triangles_of
from edgeface.reference.personal.template import CM

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
        If the file cannot be read, or an array is missing.
    """
    ict = read_ict(ict_facekit)
    scale = np.float32(CM / UNIT_MM)
    neutral = ict.neutral[ict.num_face :] * scale
    expression = ict.expression[:, ict.num_face :] * scale
    expression[np.abs(expression).max(axis=2) < STILL_MM / UNIT_MM] = 0
    moving = np.flatnonzero(expression.any(axis=(1, 2)))
    content = io.BytesIO()
    np.savez_compressed(
        content,
        allow_pickle=False,
        neutral=neutral,
        expression=expression[moving].astype(np.float16),
        expression_names=np.array(ict.names)[moving],
        triangles=triangles_of(ict.quads[NUM_FACE_QUADS:]).astype(np.uint16),
    )
    return content.getvalue()
