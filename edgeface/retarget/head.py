"""The head that ships: a character with ARKit's shapes for whoever has none of their own.

It is the template of personal models, the face region of USC ICT-FaceKit (MIT licence), with
eyeballs of our own. The tongue is the only one of ARKit's 52 shapes that it does not have.
"""

from __future__ import annotations

import json
import struct
from functools import cache
from typing import Any

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.personal.template import REGIONS, UNIT_MM, Template, default_template
from edgeface.types import AnyArray, Float32Array, FloatArray, IntArray

NAME = "head"
"""What stands for it where a character is asked for."""
METRES = UNIT_MM / 1000
NECK, PIVOT = (0.0, -0.9, 0.2), (0.0, -0.5, 0.1)
"""Where neck and head turn, in the template's units."""
EYE_RADIUS, EYE_BEHIND_LIDS = 0.125, 0.015
STILL = 2e-5
"""A vertex that a shape moves by less, in the template's units, is left out of it: 2 um."""
SKIN = {"none": (0.60, 0.37, 0.29), "skin": (0.60, 0.37, 0.29), "nose": (0.60, 0.36, 0.28),
        "brows": (0.13, 0.07, 0.045), "lips": (0.50, 0.19, 0.18)}  # fmt: skip
"""Linear colours of the parts of the face."""
EYE_COLOURS = ((16, (0.005, 0.005, 0.005)), (30, (0.05, 0.13, 0.22)), (180, (0.85, 0.83, 0.80)))
"""Pupil, iris and white: out to how many degrees from where the eye looks, and their colour."""
FLOAT, UINT16, ARRAY, ELEMENTS = 5126, 5123, 34962, 34963


@cache
def head_glb() -> bytes:
    """The head as a binary glTF file.

    Its nodes are called ``Neck``, ``Head``, ``face``, ``LeftEye`` and ``RightEye``; lengths are in
    metres, in the ``model`` frame, which is glTF's.

    Examples
    --------
    >>> head_glb()[:4]
    b'glTF'
    """
    template = default_template()
    parts = _Parts()
    neck, pivot = np.array(NECK), np.array(PIVOT)
    face = _face(parts, template, pivot)
    eye = _eye(parts)
    left, right = (_eye_centre(template, side) - pivot for side in ("left", "right"))
    material = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.55}}
    wet = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.12}}
    document = {
        "asset": {
            "version": "2.0",
            "generator": "edgeface",
            "copyright": "USC ICT-FaceKit, MIT licence, (c) 2020 USC Institute for Creative "
            "Technologies; eyes: edgeface",
        },
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {"name": "Neck", "children": [1], "translation": _metres(neck)},
            {"name": "Head", "children": [2, 3, 4], "translation": _metres(pivot - neck)},
            {"name": "face", "mesh": 0},
            {"name": "LeftEye", "mesh": 1, "translation": _metres(left)},
            {"name": "RightEye", "mesh": 1, "translation": _metres(right)},
        ],
        "meshes": [face, eye],
        "materials": [{"name": "skin", **material}, {"name": "eye", **wet}],
        "accessors": parts.accessors,
        "bufferViews": parts.views,
        "buffers": [{"byteLength": len(parts.data)}],
    }
    return _binary(document, bytes(parts.data))


def shapes_of(template: Template) -> dict[str, Float32Array]:
    """Offsets (V, 3) of the template by ARKit's names, of those it has."""
    found: dict[str, Float32Array] = {}
    for name, offsets in zip(template.arkit_names, template.expression, strict=True):
        found[name] = found[name] + offsets if name in found else offsets
    return {name: found[name] for name in ARKIT_NAMES if name in found}


def _face(parts: _Parts, template: Template, pivot: FloatArray) -> dict[str, Any]:
    shapes = shapes_of(template)
    points = (template.neutral - pivot) * METRES
    primitive = {
        "attributes": {
            "POSITION": parts.add(points, "VEC3"),
            "NORMAL": parts.add(_normals(points, template.triangles), "VEC3"),
            "COLOR_0": parts.add(_colours(template), "VEC3"),
        },
        "indices": parts.add(template.triangles.reshape(-1, 1), "SCALAR"),
        "material": 0,
        "targets": [{"POSITION": parts.add_sparse(offsets)} for offsets in shapes.values()],
    }
    return {"name": "face", "primitives": [primitive], "extras": {"targetNames": list(shapes)}}


def _colours(template: Template) -> FloatArray:
    """Colours (V, 3) by the part of the face that each vertex lies in, softened over neighbours."""
    size = template.map_size
    column, row = np.clip((template.uv * size).astype(int), 0, size - 1).T
    table = np.array([SKIN[name] for name in REGIONS])
    colours = table[template.regions[row, column]]
    ends = np.concatenate([template.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    for _ in range(2):
        total, count = colours.copy(), np.ones(len(colours))
        np.add.at(total, ends[:, 0], colours[ends[:, 1]])
        np.add.at(count, ends[:, 0], 1)
        colours = total / count[:, None]
    return colours


def _eye_centre(template: Template, side: str) -> FloatArray:
    first = 42 if side == "left" else 36
    lids = template.neutral[template.landmark_vertices[first : first + 6]]
    centre = lids.mean(axis=0).astype(np.float64)
    centre[2] = lids[[1, 2, 4, 5], 2].mean() - EYE_RADIUS - EYE_BEHIND_LIDS
    return centre


def _eye(parts: _Parts) -> dict[str, Any]:
    """A ball that looks along +z, with rings of vertices about that axis."""
    rings = np.deg2rad([0, 15.9, 16.1, 29.9, 30.1, *range(45, 181, 15)])
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    away, angle = (g.ravel() for g in np.meshgrid(rings, around, indexing="ij"))
    normals = np.stack(
        [np.sin(away) * np.cos(angle), np.sin(away) * np.sin(angle), np.cos(away)], axis=1
    )
    limits = np.deg2rad([limit for limit, _ in EYE_COLOURS])
    colours = np.array([colour for _, colour in EYE_COLOURS])[np.searchsorted(limits, away - 1e-9)]
    corner = np.arange(len(rings) - 1)[:, None] * 24 + np.arange(24)
    after = np.arange(len(rings) - 1)[:, None] * 24 + (np.arange(24) + 1) % 24
    faces = np.concatenate(
        [np.stack(t, axis=-1).reshape(-1, 3)
         for t in ((corner, corner + 24, after + 24), (corner, after + 24, after))]
    )  # fmt: skip
    primitive = {
        "attributes": {
            "POSITION": parts.add(normals * EYE_RADIUS * METRES, "VEC3"),
            "NORMAL": parts.add(normals, "VEC3"),
            "COLOR_0": parts.add(colours, "VEC3"),
        },
        "indices": parts.add(faces.reshape(-1, 1), "SCALAR"),
        "material": 1,
    }
    return {"name": "eye", "primitives": [primitive]}


def _normals(points: FloatArray, triangles: IntArray) -> FloatArray:
    corners = points[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points, np.float64)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _metres(place: FloatArray) -> list[float]:
    return (np.asarray(place, np.float64) * METRES).round(6).tolist()


class _Parts:
    """The binary part of a file that grows, with views and accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, rows: AnyArray, kind: str) -> int:
        """Append rows (N, D), floats or indices; returns the number of their accessor."""
        is_index = rows.dtype.kind in "iu"
        values = rows.astype("<u2" if is_index else "<f4")
        accessor: dict[str, Any] = {
            "bufferView": self._view(values, ELEMENTS if is_index else ARRAY),
            "componentType": UINT16 if is_index else FLOAT,
            "count": len(values),
            "type": kind,
        }
        if not is_index:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_sparse(self, offsets: Float32Array) -> int:
        """Append offsets (V, 3) of a shape in metres, of the vertices that it moves alone."""
        moved = np.flatnonzero(np.abs(offsets).max(axis=1) > STILL)
        values = (offsets[moved] * METRES).astype("<f4")
        low, high = (np.minimum(values.min(axis=0), 0), np.maximum(values.max(axis=0), 0))
        self.accessors.append(
            {
                "componentType": FLOAT,
                "count": len(offsets),
                "type": "VEC3",
                "min": low.tolist(),
                "max": high.tolist(),
                "sparse": {
                    "count": len(moved),
                    "indices": {
                        "bufferView": self._view(moved.astype("<u2"), None),
                        "componentType": UINT16,
                    },
                    "values": {"bufferView": self._view(values, None)},
                },
            }
        )
        return len(self.accessors) - 1

    def _view(self, values: AnyArray, target: int | None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        view: dict[str, Any] = {
            "buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes
        }  # fmt: skip
        self.views.append(view if target is None else view | {"target": target})
        self.data += values.tobytes()
        return len(self.views) - 1


def _binary(document: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data += b"\0" * (-len(data) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(data), 0x004E4942) + data
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks
