"""`GltfWriter`: a binary glTF 2.0 file, made of a description and of arrays."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from edgeface.types import AnyArray, Float32Array, FloatArray, IntArray

MOVE_STEP_M, STEP = 2.0**-16, 2.0**-10
"""The steps of shapes (15 um), and of normals, colours and shares, for `in_steps`: so heads are
compressed to two thirds and less, for the page of a take."""
VERTICES, INDICES = 34962, 34963
"""What a view is for, where a graphics card reads it."""
_COMPONENTS = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125}
_JSON, _BINARY = 0x4E4F534A, 0x004E4942


class GltfWriter:
    """The arrays of a file, one after another, with the views and accessors into them."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, target: int | None = None) -> int:
        """Append bytes; returns the number of their view."""
        self._data += b"\0" * (-len(self._data) % 4)
        view = {"buffer": 0, "byteOffset": len(self._data), "byteLength": len(content)}
        self._views.append(view if target is None else {**view, "target": target})
        self._data += content
        return len(self._views) - 1

    def array(
        self, values: AnyArray, kind: str, target: int | None = None, *, bounds: bool = False
    ) -> int:
        """Append an array; returns the number of its accessor.

        Parameters
        ----------
        values : float32, uint8, uint16 or uint32, shape (N, D), or (N,) where ``kind`` is SCALAR
        kind : glTF's name for a row: ``SCALAR``, ``VEC3``, ``MAT4``
        target : `VERTICES`, `INDICES`, or neither
        bounds : whether the least and greatest values are told, as glTF wants of positions
        """
        view = self.view(_little_endian(values).tobytes(), target)
        return self._add({"bufferView": view, **_described(values, kind, bounds)})

    def sparse(self, values: Float32Array, rows: IntArray, *, bounds: bool = False) -> int:
        """Append those rows of float32 (V, 3) alone, the others being 0; returns the accessor."""
        if not len(rows):  # glTF has no sparse accessor of nothing
            rows = np.zeros(1, np.intp)
        kept = np.zeros_like(values)
        kept[rows] = values[rows]
        part = {
            "count": len(rows),
            "indices": {
                "bufferView": self.view(rows.astype("<u2").tobytes()),
                "componentType": _COMPONENTS["u2"],
            },
            "values": {"bufferView": self.view(_little_endian(kept[rows]).tobytes())},
        }
        return self._add({**_described(kept, "VEC3", bounds), "sparse": part})

    def finish(self, description: dict[str, Any]) -> bytes:
        """The file: a header, the JSON of the description and of all arrays, and their bytes."""
        self._data += b"\0" * (-len(self._data) % 4)
        whole = {
            **description,
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._data)}],
        }
        text = json.dumps(whole, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON) + text
        chunks += struct.pack("<II", len(self._data), _BINARY) + bytes(self._data)
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks

    def _add(self, accessor: dict[str, Any]) -> int:
        self._accessors.append(accessor)
        return len(self._accessors) - 1


def in_steps(values: FloatArray, step: float) -> Float32Array:
    """Values as float32 multiples of a step, a power of 2: they end in zeros, so files compress."""
    return (np.round(values / step) * step).astype(np.float32)


def _described(values: AnyArray, kind: str, bounds: bool) -> dict[str, Any]:
    accessor: dict[str, Any] = {
        "componentType": _COMPONENTS[values.dtype.str[1:]],
        "count": len(values),
        "type": kind,
    }
    if bounds:
        accessor["min"] = np.atleast_1d(values.min(axis=0)).tolist()
        accessor["max"] = np.atleast_1d(values.max(axis=0)).tolist()
    return accessor


def _little_endian(values: AnyArray) -> AnyArray:
    return values.astype(values.dtype.newbyteorder("<"), copy=False)
