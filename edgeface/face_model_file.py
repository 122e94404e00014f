"""The ``.npz`` of a face model: a header and arrays, bounded and checked before they are read.

``docs/face-model.md`` specifies it for other languages.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface import strict_json
from edgeface.values import SHA256, Choice, Free, Record, Several, Text, Version

FORMAT = "edgeface-face-model"
VERSION = (1, 1)
NUM_LANDMARKS = 68
NUM_IDENTITY = 50
"""Identity coefficients; index 0 weighs the mean shape and is 1 for an ordinary face."""
NUM_EXPRESSIONS = 46

INDICES = ("landmark_vertices", "triangles")
ARRAYS = ("identity", "expression", "landmark_vertices", "landmark_weights", "triangles", "uv")
OPTIONAL_ARRAYS = ("harmonics",)
MAX_BYTES = 1 << 29
"""Of all arrays unpacked, 512 MiB; a multilinear tensor of 11,510 vertices takes 320."""
MAX_HEADER = 1 << 12
"""Of the header of a ``.npy``; its own is 128 bytes."""

HEADER = Record(
    required={
        "format": Choice((FORMAT,)),
        "version": Version(VERSION[0]),
        "sha256": SHA256,
        "expression_names": Several(Text(100), NUM_EXPRESSIONS, NUM_EXPRESSIONS, unique=True),
    },
    optional={"info": Free(), "harmonics_sha256": SHA256},
)
"""The JSON in the array ``header``."""

Array = NDArray[Any]


def pack(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """The file as bytes."""
    # modes and offsets are stored in half precision where that loses nothing
    stored = {name: array if name in INDICES else _halved(array) for name, array in arrays.items()}
    stored["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **stored)
    return buffer.getvalue()


def _halved(array: Array) -> Array:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else array


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Header and arrays, int32 and float32, of the file's bytes.

    Raises
    ------
    ValueError
        If the bytes are no such file, are damaged, or claim what cannot be. Nothing is unpacked
        before its name, type, shape and size are known to be good.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive)
            text = _array(archive, members.pop("header"), np.uint8).tobytes()
            header = HEADER.check(strict_json.parse(text), "")
            check_shapes({name: _layout(archive, info)[0] for name, info in members.items()})
            arrays = {
                name: _array(archive, info, np.int32 if name in INDICES else np.float32)
                for name, info in members.items()
            }
            return header, arrays
    except ValueError:
        raise
    except Exception as error:  # zipfile, zlib, struct and numpy have each their own
        raise ValueError(f"it cannot be unpacked: {error}") from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Its arrays by name, sizes checked; others, of newer versions, are passed over."""
    known = {f"{name}.npy": name for name in ("header", *ARRAYS, *OPTIONAL_ARRAYS)}
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = known.get(info.filename)
        if name in found:
            raise ValueError(f"it holds {info.filename} twice")
        if name is not None:
            found[name] = info
    for name in ("header", *ARRAYS):
        if name not in found:
            raise ValueError(f"it lacks the array {name}")
    if any(info.flag_bits & 1 for info in found.values()):
        raise ValueError("it is encrypted")
    total = sum(info.file_size for info in found.values())
    if total > MAX_BYTES:
        raise ValueError(f"unpacked it has {total:,} bytes, more than {MAX_BYTES:,}")
    return found


def _layout(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype of an array, which must fill its member."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file, MAX_HEADER)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(file, MAX_HEADER)
        else:
            raise ValueError(f"{info.filename} is of an unknown version of .npy, {version}")
        if (
            math.prod(shape) * dtype.itemsize != info.file_size - file.tell()
            or min(shape, default=1) < 0
        ):
            raise ValueError(f"{info.filename} is not as long as its shape {shape} says")
    return shape, dtype


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: Any) -> Array:
    """An array of a member, checked to be of floats, of integers or of bytes as ``dtype`` is."""
    _, stored = _layout(archive, info)
    kinds, sizes = ("f", (2, 4, 8)) if dtype is np.float32 else ("iu", (1, 2, 4, 8))
    if (
        stored.kind not in kinds
        or stored.itemsize not in sizes
        or (dtype is np.uint8 and stored != dtype)
    ):
        raise ValueError(f"{info.filename} holds {stored}, expected {np.dtype(dtype)}")
    with archive.open(info) as file:
        array = np.lib.format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)
    if dtype is np.int32 and array.size and not (array.min() >= 0 and array.max() < 2**31):
        raise ValueError(f"{info.filename} holds indices that are none")
    with np.errstate(over="ignore"):  # what is then infinite is found later
        return array.astype(dtype)


def check_shapes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError where the arrays of a face model do not fit together."""
    identity = shapes["identity"]
    vertices = identity[1] if len(identity) == 3 else -1
    tail = (NUM_EXPRESSIONS, vertices, 3)
    corners = shapes["landmark_vertices"]
    harmonics = shapes.get("harmonics")
    good = {
        "identity": vertices > 0 and identity == (NUM_IDENTITY, vertices, 3),
        "expression": shapes["expression"] in (tail, (NUM_IDENTITY, *tail)),
        "landmark_vertices": len(corners) == 2 and corners[0] == NUM_LANDMARKS and corners[1] > 0,
        "landmark_weights": shapes["landmark_weights"] == corners,
        "triangles": len(shapes["triangles"]) == 2 and shapes["triangles"][1] == 3,
        "uv": shapes["uv"] in ((0, 2), (vertices, 2)),
        "harmonics": harmonics is None or (len(harmonics) == 2 and harmonics[0] == vertices),
    }
    for name, fits in good.items():
        if not fits:
            raise ValueError(f"{name} has the shape {shapes[name]}")
