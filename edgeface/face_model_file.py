"""The file of a face model: an ``.npz`` with a header (``docs/explanation/face-model.md``)."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np

from edgeface import strict_json
from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_shapes import NUM_EXPRESSIONS, NUM_IDENTITY, NUM_LANDMARKS
from edgeface.types import AnyArray
from edgeface.values import (
    SHA256,
    Choice,
    Flag,
    Free,
    Record,
    Several,
    Text,
    Version,
    option,
    shown,
)

FORMAT = "edgeface-face-model"
VERSION = (1, 2)
SHAPES = ("identity", "expression", "landmark_vertices", "landmark_weights", "triangles", "uv")
"""The arrays of every file, in the order in which they are hashed."""
OPTIONAL = ("harmonics",)
HALVES = ("identity", "expression", "uv")
"""The arrays that are stored in half precision if that loses nothing."""
INTEGERS = ("landmark_vertices", "triangles")

MAX_BYTES = 1 << 29
"""The most that all arrays take, 512 MiB; a multilinear tensor of 11,510 vertices takes 320."""
MAX_LENGTH = 1e6
"""The largest coordinate, in model units, and weight, so that their products stay finite."""
MAX_HEADER = 1 << 12
"""The longest header of a ``.npy``; ordinary ones have 128 bytes."""

EXPRESSION_LIST = Several(Text(100), NUM_EXPRESSIONS, NUM_EXPRESSIONS, unique=True)
HEADER = Record(
    required={
        "format": Choice((FORMAT,)),
        "version": Version(VERSION[0]),
        "sha256": SHA256,
        "expression_names": EXPRESSION_LIST,
    },
    optional={
        "info": Free(),
        "harmonics_sha256": SHA256,
        "dense": Flag(),
        "basis_sha256": SHA256,
    },
)
"""The JSON in the array ``header``."""

Arrays = dict[str, AnyArray]


def hash_of(arrays: Iterable[tuple[str, AnyArray]], start: str = "") -> str:
    """The SHA-256 of names, shapes, types and bytes of arrays, hex; ``start`` comes first."""
    digest = hashlib.sha256(start.encode())
    for name, array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{name}{array.shape}{array.dtype.str}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def pack(arrays: Mapping[str, AnyArray], header: dict[str, Any]) -> bytes:
    """Make the file as bytes; format and version are added to the header."""
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
    """Read arrays as float32 and int32, and the header; errors name the file by ``source``.

    Raises
    ------
    ModelFormatError
        If the file is damaged, of another kind or of a newer major version, or states sizes that
        cannot be. Nothing is unpacked before its name, type, shape and size are known to be good.
    """
    if not isinstance(cast(object, data), (bytes, bytearray, memoryview)):
        raise InvalidInputError(f"expected the bytes of a face model, got {shown(data)}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive)
            text = _array(archive, members.pop("header"), np.uint8).tobytes()
            header = HEADER.check(strict_json.parse(text), "")
            check_shapes({name: _layout(archive, info)[0] for name, info in members.items()})
            arrays = {
                name: _array(archive, info, np.int32 if name in INTEGERS else np.float32)
                for name, info in members.items()
            }
            return arrays, header
    except Exception as error:  # zipfile, zlib, struct and numpy have each their own
        raise ModelFormatError(
            f"{source} is no edgeface face model, or is damaged: {error}"
        ) from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays by name, their sizes checked; those of newer versions are passed over."""
    known = {f"{name}.npy": name for name in ("header", *SHAPES, *OPTIONAL)}
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = known.get(info.filename)
        if name in found:
            raise ValueError(f"it holds {info.filename} twice")
        if name is not None:
            found[name] = info
    for name in ("header", *SHAPES):
        if name not in found:
            raise ValueError(f"it lacks the array {name}")
    if any(info.flag_bits & 1 for info in found.values()):
        raise ValueError("it is encrypted")
    total = sum(info.file_size for info in found.values())
    if total > MAX_BYTES:
        raise ValueError(f"unpacked it has {total:,} bytes, more than {MAX_BYTES:,}")
    return found


def _layout(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype of an array, which must fill its member."""
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


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: Any) -> AnyArray:
    """Read the array of a member, which must hold floats, integers or bytes as ``dtype`` does."""
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
    """Raise ValueError unless the arrays of a face model fit together."""
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


def check_arrays(arrays: Mapping[str, Any]) -> None:
    """Raise InvalidInputError unless these can be the arrays of a face model."""
    for name, array in arrays.items():
        dtype = np.int32 if name in INTEGERS else np.float32
        got = getattr(array, "dtype", type(array).__name__)
        if not isinstance(array, np.ndarray) or got != dtype:
            raise InvalidInputError(f"{name} must be an array of {np.dtype(dtype)}, got {got}")
    try:
        check_shapes({name: array.shape for name, array in arrays.items()})
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
    num_vertices = arrays["identity"].shape[1]
    for name, array in arrays.items():
        if (
            name in INTEGERS
            and array.size
            and not (array.min() >= 0 and array.max() < num_vertices)
        ):
            raise InvalidInputError(f"{name} points outside the {num_vertices} vertices")
        if name not in INTEGERS and not np.isfinite(array).all():
            raise InvalidInputError(f"{name} contains values that are not finite")
        if name not in INTEGERS and array.size and np.abs(array).max() > MAX_LENGTH:
            raise InvalidInputError(f"{name} contains values beyond {MAX_LENGTH:g}")


def check_names(names: tuple[str, ...]) -> None:
    """Raise InvalidInputError unless these can be the names of the expressions."""
    if not isinstance(cast(object, names), tuple):
        raise InvalidInputError(f"expression_names must be a tuple of names, got {shown(names)}")
    if len(names) != NUM_EXPRESSIONS:
        raise InvalidInputError(f"expected 46 expression names, got {len(names)}")
    option("expression_names", list(names), EXPRESSION_LIST)
