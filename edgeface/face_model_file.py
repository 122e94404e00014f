"""The file of a face model: one ``.npz`` of arrays and a header (``docs/face-model.md``)."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import ModelFormatError

FORMAT = "edgeface-face-model"
VERSION = (1, 2)
SHAPES = ("identity", "expression", "landmark_vertices", "landmark_weights", "triangles", "uv")
"""The arrays of every file, in the order in which they are hashed."""
OPTIONAL = ("harmonics",)
HALVES = ("identity", "expression", "uv")
"""The arrays that are stored in half precision where that loses nothing."""
INTEGERS = ("landmark_vertices", "triangles")

Arrays = dict[str, NDArray[Any]]


def hash_of(arrays: Iterable[tuple[str, NDArray[Any]]], start: str = "") -> str:
    """SHA-256 over names, shapes, types and bytes of arrays, hex; ``start`` goes before them."""
    digest = hashlib.sha256(start.encode())
    for name, array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{name}{array.shape}{array.dtype.str}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def pack(arrays: Mapping[str, NDArray[Any]], header: dict[str, Any]) -> bytes:
    """The file as bytes; format and version are added to the header."""
    stored: Arrays = dict(arrays)
    for name in HALVES:
        with np.errstate(over="ignore"):  # infinite halves are not equal, so floats stay
            half = stored[name].astype(np.float16)
        if np.array_equal(half.astype(np.float32), stored[name]):
            stored[name] = half
    text = json.dumps({"format": FORMAT, "version": list(VERSION)} | header)
    stored["header"] = np.frombuffer(text.encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **stored)
    return buffer.getvalue()


def unpack(data: bytes, source: str) -> tuple[Arrays, dict[str, Any]]:
    """Arrays as float32 and int32, and the header; ``source`` names the file in errors.

    Raises
    ------
    ModelFormatError
        If the file is damaged, of another kind, or of a newer major version.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            names = (*SHAPES, *(name for name in OPTIONAL if name in archive.files))
            arrays = {
                name: archive[name].astype(np.int32 if name in INTEGERS else np.float32)
                for name in names
            }
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelFormatError(
            f"{source} is no edgeface face model, or is damaged: {error}"
        ) from error
    if not isinstance(header, dict) or cast(dict[str, Any], header).get("format") != FORMAT:
        raise ModelFormatError(f"{source} is no edgeface face model: it lacks 'format'")
    header = cast(dict[str, Any], header)
    version = header.get("version")
    if not (isinstance(version, list) and version and version[0] == VERSION[0]):
        raise ModelFormatError(
            f"{source} has face-model version {version}; this release reads {VERSION[0]}.x"
        )
    return arrays, header
