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
from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.types import AnyArray, FloatArray
from edgeface.values import Choice, Number, Record, Several, Version, Whole

MAGIC = b"EFPERSON"
VERSION = (1, 0)
MAX_BYTES = 16_000_000
"""Files that are larger are refused; those of this release have under 2 MB."""
_HASHED = len(MAGIC) + 32
_HEADER = _HASHED + 4
_DTYPES = {"int8": "<i1", "uint8": "<u1", "int16": "<i2", "float32": "<f4"}
_ENTRY = Record(
    required={
        "dtype": Choice(tuple(_DTYPES)),
        "shape": Several(Whole(1, MAX_BYTES), 1, 8),
        "offset": Whole(0, MAX_BYTES),
    },
    optional={"scales": Several(Number(-1e6, 1e6), 1, MAX_BYTES)},
)


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
    whole = {**header, "version": list(VERSION), "arrays": entries}
    try:
        text = json.dumps(whole, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"the report must be JSON: {error}") from error
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
        Version(VERSION[0]).check(header["version"], "version")
        entries = header["arrays"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFormatError(f"{source} has no header that can be read: {error}") from error
    try:
        checked = {name: _entry(name, entry) for name, entry in entries.items()}
        if (size := sum(entry["bytes"] for entry in checked.values())) != len(payload):
            raise ValueError(f"its arrays have {size} bytes, and {len(payload)} follow the header")
        arrays = {name: _array(entry, payload) for name, entry in checked.items()}
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelFormatError(f"{source} is damaged: {error}") from error
    return header, arrays


def _entry(name: str, given: Any) -> dict[str, Any]:
    """What the header says of an array, and its ``bytes``."""
    entry = _ENTRY.check({k: v for k, v in given.items() if v is not None}, name)
    entry["dtype"] = np.dtype(_DTYPES[entry["dtype"]])
    return entry | {"bytes": math.prod(entry["shape"]) * entry["dtype"].itemsize}


def _array(entry: Mapping[str, Any], payload: bytes) -> AnyArray:
    shape, dtype, start = entry["shape"], entry["dtype"], entry["offset"]
    if start + entry["bytes"] > len(payload):
        raise ValueError(f"an array of the shape {shape} at {start} lies outside the file")
    array = np.frombuffer(payload, dtype, math.prod(shape), start).reshape(shape)
    if "scales" not in entry:
        return array.astype(np.float32) if dtype.kind == "f" else array
    scales = np.asarray(entry["scales"], np.float32)
    if scales.shape != shape[:1]:
        raise ValueError(f"the shape {shape} needs {shape[0]} scales")
    return array * scales.reshape(-1, *([1] * (len(shape) - 1)))
