"""A person's head as binary glTF 2.0: textured, with a morph target for each ARKit shape."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
from PIL import Image

from edgeface.personal.model import PersonalModel, sample_maps
from edgeface.personal.rendering import sample_texture, vertex_normals
from edgeface.types import AnyArray, BoolArray, Float32Array, FloatArray

METRES = 0.1
"""Of one unit of length of personal models."""
LEAST_MOVE_M, LEAST_COLOUR = 5e-6, 2e-3
"""What a morph target changes less than this, it leaves alone."""
_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963
_JSON, _BINARY = 0x4E4F534A, 0x004E4942


def person_glb(person: PersonalModel) -> bytes:
    """The person as one ``.glb`` file.

    Parameters
    ----------
    person : the model

    Returns
    -------
    bytes
        glTF in metres, y up, the face looking along +z. The morph targets are named by ARKit in
        ``extras.targetNames``, so that ``edgeface track --character`` and other programs drive
        them. What an expression does to the skin is in the targets' ``COLOR_0``; viewers that do
        not morph colours show the skin of the neutral face.

    Notes
    -----
    Colours of vertices multiply the texture in linear light: for the skin c and its change d, both
    sRGB, a target adds ``linear(c + d) / linear(c) - 1``. Targets are stored sparsely.
    """
    template = person.template
    file = _File()
    neutral = person.neutral_vertices
    normals = vertex_normals(neutral, template.triangles)
    targets: list[dict[str, int]] = []
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": file.array(neutral * np.float32(METRES), "VEC3", _VERTICES, bounds=True),
            "NORMAL": file.array(normals, "VEC3", _VERTICES),
            "TEXCOORD_0": file.array(template.uv, "VEC2", _VERTICES),
            "COLOR_0": file.array(np.ones_like(neutral), "VEC3", _VERTICES),
        },
        "indices": file.array(template.triangles.astype(np.uint32).reshape(-1), "SCALAR", _INDICES),
        "material": 0,
        "targets": targets,
    }
    colours = _colour_changes(person)
    names = list(dict.fromkeys(template.arkit_names))
    for name in names:
        rows = [i for i, own in enumerate(template.arkit_names) if own == name]
        offset = person.offsets[rows].sum(axis=0)
        turned = vertex_normals(neutral + offset, template.triangles) - normals
        move = offset * np.float32(METRES)
        moves = np.linalg.norm(move, axis=1) > LEAST_MOVE_M
        change = colours[rows].sum(axis=0)
        coloured = np.abs(change).max(axis=1) > LEAST_COLOUR
        targets.append(
            {
                "POSITION": file.sparse(move, moves, bounds=True),
                "NORMAL": file.sparse(turned, np.linalg.norm(turned, axis=1) > 1e-3),
                "COLOR_0": file.sparse(change, coloured),
            }
        )
    image = file.view(_png(person.skin))
    return file.finish(
        {
            "asset": {"version": "2.0", "generator": "edgeface"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"name": "head", "mesh": 0}],
            "meshes": [
                {
                    "name": "face",
                    "primitives": [primitive],
                    "weights": [0.0] * len(names),
                    "extras": {"targetNames": names},
                }
            ],
            "materials": [
                {
                    "name": "skin",
                    "doubleSided": True,
                    "pbrMetallicRoughness": {
                        "baseColorTexture": {"index": 0},
                        "metallicFactor": 0.0,
                        "roughnessFactor": 0.7,
                    },
                }
            ],
            "textures": [{"source": 0, "sampler": 0}],
            "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
            "images": [{"bufferView": image, "mimeType": "image/png"}],
        }
    )


def _colour_changes(person: PersonalModel) -> Float32Array:
    """What each shape adds to the vertices' colours, float32, shape (K, V, 3)."""
    uv = person.template.uv
    skin = sample_texture(person.skin, uv)
    changes = sample_maps(person.dynamic_skin.transpose(0, 3, 1, 2), uv)
    before = np.maximum(_linear(skin), 0.01)
    return (_linear((skin + changes).clip(0, 1)) / before - 1).clip(-1, 1).astype(np.float32)


def _linear(srgb: FloatArray) -> FloatArray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _png(skin: Float32Array) -> bytes:
    content = io.BytesIO()
    pixels = np.rint(np.clip(skin, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


class _File:
    """The parts of a glTF file that arrays become."""

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

    def array(self, values: AnyArray, kind: str, target: int, *, bounds: bool = False) -> int:
        """Append an array whole; returns the number of its accessor."""
        accessor = self._accessor(values, kind, bounds)
        accessor["bufferView"] = self.view(np.ascontiguousarray(values).tobytes(), target)
        return self._add(accessor)

    def sparse(self, values: Float32Array, where: BoolArray, *, bounds: bool = False) -> int:
        """Append the rows of (V, 3) that are not zero; returns the number of the accessor."""
        rows = np.flatnonzero(where) if where.any() else np.zeros(1, np.intp)
        kept = np.where(where[:, None], values, 0).astype(np.float32)
        accessor = self._accessor(kept, "VEC3", bounds)
        accessor["sparse"] = {
            "count": len(rows),
            "indices": {
                "bufferView": self.view(rows.astype("<u2").tobytes()),
                "componentType": _USHORT,
            },
            "values": {"bufferView": self.view(kept[rows].tobytes())},
        }
        return self._add(accessor)

    def finish(self, description: dict[str, Any]) -> bytes:
        """The file: a header, the JSON chunk, the binary chunk."""
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

    def _accessor(self, values: AnyArray, kind: str, bounds: bool) -> dict[str, Any]:
        component = _UINT if values.dtype.kind == "u" else _FLOAT
        accessor: dict[str, Any] = {
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if bounds:
            accessor["min"] = values.min(axis=0).tolist()
            accessor["max"] = values.max(axis=0).tolist()
        return accessor

    def _add(self, accessor: dict[str, Any]) -> int:
        self._accessors.append(accessor)
        return len(self._accessors) - 1
