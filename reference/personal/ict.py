"""Reading ICT-FaceKit light, of which template, skull and the heads of free people are made."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.archives import arrays_of
from edgeface.errors import ModelFormatError
from edgeface.types import Float32Array, IntArray

NUM_FACE_QUADS = 6560
"""The first quads are the face, with holes for eyes and mouth; then come skull, ears, neck and
shoulders."""

_DAMAGE = (KeyError, OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile,
           zlib.error)  # fmt: skip
"""What `numpy.load` raises on files that are no archive of arrays."""


@dataclass(frozen=True)
class IctFaceKit:
    """The morphable head, in centimetres, ``model`` axes.

    Attributes
    ----------
    neutral : float32, shape (V, 3)
    identity : float32, shape (100, V, 3), offsets of one standard deviation
    expression : float32, shape (57, V, 3), offsets
    names : of the expressions, ICT-FaceKit's
    quads : int, shape (Q, 4), vertices; quads_uv : of the same shape, rows of ``uv``
    uv : float, shape (P, 2), v up
    landmarks : int, shape (68,), vertices
    """

    neutral: Float32Array
    identity: Float32Array
    expression: Float32Array
    names: tuple[str, ...]
    quads: IntArray
    quads_uv: IntArray
    uv: NDArray[Any]
    landmarks: IntArray

    @property
    def num_face(self) -> int:
        """How many vertices are of the face; they are the first ones."""
        return int(self.quads[:NUM_FACE_QUADS].max()) + 1


def read_ict(path: str | os.PathLike[str], content: bytes | None = None) -> IctFaceKit:
    """Read ``.npz`` of ICT-FaceKit light, as `edgeface.from_ict_facekit` takes it.

    Parameters
    ----------
    path : the file
    content : what is in it, if that was read already

    Raises
    ------
    ModelFormatError
        If it cannot be read, or an array is missing.
    """
    try:
        data = Path(path).read_bytes() if content is None else content
        ict = arrays_of(data)
        return IctFaceKit(
            ict["neutral"].astype(np.float32),
            ict["identity_delta"].astype(np.float32),
            ict["expression_delta"].astype(np.float32),
            tuple(str(n) for n in ict["expression_names"]),
            ict["quads"],
            ict["quads_uv"],
            ict["uv"],
            ict["landmarks68"].astype(np.int64),
        )
    except _DAMAGE as error:
        raise ModelFormatError(f"{path} is no ICT-FaceKit light: {error}") from error


def triangles_of(quads: IntArray) -> IntArray:
    """Two triangles of each quad, shape (2 Q, 3): the first ones of all, then the second ones."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
