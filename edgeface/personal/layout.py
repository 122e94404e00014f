"""The bytes of an ``.efp`` file: a magic, a hash, a JSON header, and arrays one after another.

``docs/reference/personal-file.md`` specifies it for other languages::

    0   8 bytes   "EFPERSON"
    8   32 bytes  SHA-256 of everything that follows
    40  4 bytes   length of the header, unsigned, little-endian
    44  header    JSON, UTF-8
    ..  arrays    little-endian, C order, each at the offset that the header gives
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from edgeface import strict_json
from edgeface.errors import ModelFormatError
from edgeface.types import AnyArray, FloatArray

MAGIC = b"EFPERSON"
VERSION = (1, 0)
MAX_BYTES = 16_000_000
"""Files that are larger are refused; those of this release have under 2 MB."""
_HASHED = len(MAGIC) + 32
_HEADER = _HASHED + 4
_DTYPES = {"int8": "<i1", "uint8": "<u1", "int16": "<i2", "float32": "<f4"}


@dataclass(frozen=True)
class Stored:
    """An array as the file holds it; real values are it times ``scales``, one a first index."""

    array: AnyArray
    scales: tuple[float, ...] | None = None


def quantised(values: FloatArray, dtype: type[np.signedinteger[Any]]) -> Stored:
    """Values (N, ...) as integers, each first index by a scale of its own."""
    limit = np.iinfo(dtype).max
    largest = np.abs(values).reshape(len(values), -1).max(axis=1)
    scales = np.maximum(largest / limit, np.finfo(np.float32).tiny).astype(np.float32)
    shape = (-1, *([1] * (values.ndim - 1)))
    array = np.rint(values / scales.reshape(shape)).clip(-limit, limit).astype(dtype)
    return Stored(array, tuple(float(s) for s in scales))


def pack(header: Mapping[str, Any], arrays: Mapping[str, Stored]) -> bytes:
    """A file's bytes; ``header`` takes the entries that are the caller's own."""
    entries: dict[str, Any] = {}
    payload = bytearray()
    for name, stored in arrays.items():
        dtype = stored.array.dtype.name
        data = np.ascontiguousarray(stored.array.astype(_DTYPES[dtype])).tobytes()
        entries[name] = {
            "dtype": dtype,
            "shape": list(stored.array.shape),
            "offset": len(payload),
            "scales": stored.scales,
        }
        payload += data
    text = json.dumps(
        {
            **header,
            "version": list(VERSION),
            "arrays": entries,
        }
    ).encode()
    body = len(text).to_bytes(4, "little") + text + bytes(payload)
    return MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes, source: str) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Header and arrays, scales applied; inverse of `pack`.

    Raises
    ------
    ModelFormatError
        If the bytes are foreign, truncated, damaged or of a newer major version.
    """
    if not data.startswith(MAGIC):
        raise ModelFormatError(f"{source} is no personal model: it does not begin with {MAGIC!r}")
    if len(data) > MAX_BYTES:
        raise ModelFormatError(f"{source} has {len(data)} bytes; at most {MAX_BYTES} are read")
    if hashlib.sha256(data[_HASHED:]).digest() != data[len(MAGIC) : _HASHED]:
        raise ModelFormatError(f"{source} is a damaged or truncated personal model")
    start = _HEADER + int.from_bytes(data[_HASHED:_HEADER], "little")
    payload = data[start:]
    try:
        header = cast(dict[str, Any], strict_json.parse(data[_HEADER:start]))
        version, entries = header["version"], header["arrays"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFormatError(f"{source} has no header that can be read: {error}") from error
    if not (isinstance(version, list) and version and version[0] == VERSION[0]):
        raise ModelFormatError(
            f"{source} has the version {version}; this release reads {VERSION[0]}.x"
        )
    try:
        arrays = {str(name): _array(entry, payload) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelFormatError(f"{source} is damaged: {error}") from error
    return header, arrays


def _array(entry: dict[str, Any], payload: bytes) -> AnyArray:
    shape = tuple(int(n) for n in entry["shape"])
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    start, count = int(entry["offset"]), math.prod(shape)
    if start < 0 or min(shape, default=0) < 1 or start + count * dtype.itemsize > len(payload):
        raise ValueError(f"an array of the shape {shape} at {start} lies outside the file")
    array = np.frombuffer(payload, dtype, count, start).reshape(shape)
    if entry["scales"] is None:
        return array.astype(np.float32) if dtype.kind == "f" else array
    scales = np.asarray(entry["scales"], np.float32)
    if scales.shape != shape[:1] or not np.isfinite(scales).all():
        raise ValueError(f"the shape {shape} needs {shape[0]} finite scales")
    return array * scales.reshape(-1, *([1] * (len(shape) - 1)))
