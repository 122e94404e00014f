"""The head that ships: a character with ARKit's shapes for whoever has none of their own.

It is the head of USC ICT-FaceKit light (MIT licence): the template of personal models and the rest
of the skull, with eyeballs, teeth, a tongue and short hair of our own.
"""

from __future__ import annotations

import json
import struct
from functools import cache
from typing import Any

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.personal.template import REGIONS, UNIT_MM, Template, default_template
from edgeface.retarget.eyes import Eye, eyeball, find_eye, lid_edges, slide_lids
from edgeface.retarget.mouth import cavity, mouth
from edgeface.retarget.skull import border_loops, follows_head, hair, read_skull
from edgeface.retarget.surface import Surface, join, normals, smoothed
from edgeface.types import AnyArray, Float32Array, FloatArray, IntArray

NAME = "head"
"""What stands for it where a character is asked for."""
METRES = UNIT_MM / 1000
NECK, PIVOT = (0.0, -0.9, 0.0), (0.0, -0.5, 0.1)
"""Where neck and head turn, in the template's units."""
STILL = 2e-4
"""A vertex that a shape moves by less, in the template's units, is left out of it: 20 um."""
SKIN = {"none": (0.60, 0.37, 0.29), "skin": (0.60, 0.37, 0.29), "nose": (0.60, 0.36, 0.28),
        "brows": (0.13, 0.07, 0.045), "lips": (0.50, 0.19, 0.18)}  # fmt: skip
"""Linear colours of the parts of the face."""
HAIR, HAIR_THICK = (0.045, 0.028, 0.02), 0.05
LASHES = (0.10, 0.05, 0.035)
FLOAT, UINT16, UINT8, ARRAY, ELEMENTS = 5126, 5123, 5121, 34962, 34963


@cache
def head_glb() -> bytes:
    """The head as a binary glTF file.

    Its nodes are called ``Neck``, ``Head``, ``face``, ``LeftEye``, ``RightEye`` and ``mouth``;
    lengths are in metres, in the ``model`` frame, which is glTF's. The shoulders stay where the
    head turns: the skin of the neck follows ``Neck`` and ``Head`` by shares.

    Examples
    --------
    >>> head_glb()[:4]
    b'glTF'
    """
    template = default_template()
    parts = _Parts()
    neck, pivot = np.array(NECK), np.array(PIVOT)
    rim, *lids = border_loops(template)[1:]
    shapes = shapes_of(template)
    eyes = [find_eye(template, lid, shapes) for lid in lids]
    where = {eye.side: _metres(eye.centre - pivot) for eye in eyes}
    inside = mouth(template, rim, shapes)
    inside = Surface(inside.points - pivot, inside.triangles, inside.colours, inside.shapes)
    face = _mesh(parts, "face", 0, whole_head(template, rim, eyes), skinned=True)
    meshes = [
        face,
        _mesh(parts, "eye", 1, eyeball(eyes[0].radius)),
        _mesh(parts, "mouth", 1, inside),
    ]
    document = {
        "asset": {
            "version": "2.0",
            "generator": "edgeface",
            "copyright": "USC ICT-FaceKit, MIT licence, (c) 2020 USC Institute for Creative "
            "Technologies; eyes, mouth and hair: edgeface",
        },
        "scene": 0,
        "scenes": [{"nodes": [0, 2]}],
        "nodes": [
            {"name": "Neck", "children": [1], "translation": _metres(neck)},
            {"name": "Head", "children": [3, 4, 5], "translation": _metres(pivot - neck)},
            {"name": "face", "mesh": 0, "skin": 0},
            {"name": "LeftEye", "mesh": 1, "translation": where["Left"]},
            {"name": "RightEye", "mesh": 1, "translation": where["Right"]},
            {"name": "mouth", "mesh": 2},
        ],
        "skins": [{"joints": [0, 1], "skeleton": 0, "inverseBindMatrices": _binds(parts)}],
        "meshes": meshes,
        "materials": [_material("skin", 0.55), _material("wet", 0.12)],
        "accessors": parts.accessors,
        "bufferViews": parts.views,
        "buffers": [{"byteLength": len(parts.data)}],
    }
    return _binary(document, bytes(parts.data))


def shapes_of(template: Template) -> dict[str, Float32Array]:
    """Offsets (V, 3) of the template by ARKit's names, of those it has."""
    return _by_name(
        template, dict(zip(template.expression_names, template.expression, strict=True))
    )


def _by_name(template: Template, own: dict[str, Float32Array]) -> dict[str, Float32Array]:
    """Shapes by ARKit's names, the halves of one added up."""
    found: dict[str, Float32Array] = {}
    for name, called in zip(template.arkit_names, template.expression_names, strict=True):
        if called in own:
            found[name] = found[name] + own[called] if name in found else own[called]
    return {name: found[name] for name in ARKIT_NAMES if name in found}


def whole_head(template: Template, rim: IntArray, eyes: list[Eye]) -> Surface:
    """Face, skull down to the shoulders, the edges of the lids and the inside of the cheeks."""
    skull, shapes = read_skull(), shapes_of(template)
    for eye in eyes:
        for name in (f"eyeBlink{eye.side}", f"eyeLookDown{eye.side}"):
            shapes[name] = slide_lids(template, eye, shapes[name])
    inner = [cavity(template, rim, shapes), *(lid_edges(template, eye, shapes) for eye in eyes)]
    neutral = np.concatenate([template.neutral, skull.neutral]).astype(np.float64)
    triangles = np.concatenate([template.triangles, skull.triangles])
    behind, still = _by_name(template, skull.shapes), np.zeros_like(skull.neutral)
    moved = {
        name: np.concatenate([offsets, behind.get(name, still)]) for name, offsets in shapes.items()
    }
    grown = smoothed(hair(neutral)[:, None], triangles, 6)
    tones = np.tile(SKIN["skin"], (len(neutral), 1))
    tones[: len(template.neutral)] = _colours(template)
    tones = (1 - grown) * tones + grown * HAIR
    for eye in eyes:
        tones[eye.rim] = LASHES
    points = neutral + HAIR_THICK * grown * normals(neutral, triangles)
    return join([Surface(points, triangles, tones, moved), *inner])


def _mesh(
    parts: _Parts, name: str, material: int, surface: Surface, *, skinned: bool = False
) -> dict[str, Any]:
    points = surface.points * METRES
    attributes = {
        "POSITION": parts.add(points, "VEC3"),
        "NORMAL": parts.add(surface.normals(), "VEC3"),
        "COLOR_0": parts.add(surface.colours, "VEC3"),
    }
    if skinned:
        head = follows_head(surface.points)
        shares = np.stack([1 - head, head, 0 * head, 0 * head], axis=1)
        joints = np.tile(np.array([0, 1, 0, 0], np.uint8), (len(points), 1))
        joints[head == 0, 1] = 0  # one without a weight is 0 (glTF 2.0, 3.7.3.3)
        attributes |= {
            "JOINTS_0": parts.add(joints, "VEC4"),
            "WEIGHTS_0": parts.add(shares, "VEC4"),
        }
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": parts.add(surface.triangles.reshape(-1, 1), "SCALAR"),
        "material": material,
    }
    mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if surface.shapes:
        moves = surface.shapes.values()
        primitive["targets"] = [{"POSITION": parts.add_sparse(offsets)} for offsets in moves]
        mesh["extras"] = {"targetNames": [*surface.shapes]}
    return mesh


def _binds(parts: _Parts) -> int:
    """What takes a vertex into the frame of each joint, column by column."""
    rows = np.tile(np.eye(4), (2, 1, 1))
    rows[:, 3, :3] = -METRES * np.array([NECK, PIVOT])
    return parts.add(rows.reshape(2, 16), "MAT4")


def _material(name: str, roughness: float) -> dict[str, Any]:
    surface = {"metallicFactor": 0.0, "roughnessFactor": roughness}
    return {"name": name, "pbrMetallicRoughness": surface}


def _colours(template: Template) -> FloatArray:
    """Colours (V, 3) by the part of the face that each vertex lies in, softened over neighbours."""
    size = template.map_size
    column, row = np.clip((template.uv * size).astype(int), 0, size - 1).T
    table = np.array([SKIN[name] for name in REGIONS])
    return smoothed(table[template.regions[row, column]], template.triangles, 2)


def _metres(place: FloatArray) -> list[float]:
    return (np.asarray(place, np.float64) * METRES).round(6).tolist()


class _Parts:
    """The binary part of a file that grows, with views and accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, rows: AnyArray, kind: str) -> int:
        """Append rows (N, D), floats, bytes or indices; returns the number of their accessor."""
        is_index = rows.dtype.kind == "i"
        stored, component = ("<u2", UINT16) if is_index else ("<f4", FLOAT)
        if rows.dtype == np.uint8:
            stored, component = "u1", UINT8
        values = rows.astype(stored)
        target = ELEMENTS if is_index else None if kind == "MAT4" else ARRAY
        accessor: dict[str, Any] = {
            "bufferView": self._view(values, target),
            "componentType": component,
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
