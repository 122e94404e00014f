"""The head that ships: a character with ARKit's shapes for whoever has none of their own.

It is the head of USC ICT-FaceKit light (MIT licence): the template of personal models and the rest
of the skull, with eyeballs, teeth, a tongue and short hair of our own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.gltf_writer import INDICES, MOVE_STEP_M, STEP, VERTICES, GltfWriter, in_steps
from edgeface.personal.rendering import vertex_normals
from edgeface.personal.template import REGIONS, UNIT_MM, Template, default_template
from edgeface.retarget.eyes import Eye, eyeball, find_eye, lid_edges, slide_lids
from edgeface.retarget.mouth import cavity, mouth
from edgeface.retarget.skull import border_loops, follows_head, hair, read_skull
from edgeface.retarget.surface import Surface, join, smoothed
from edgeface.types import Float32Array, FloatArray, IntArray

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
    file = GltfWriter()
    neck, pivot = np.array(NECK), np.array(PIVOT)
    rim, *lids = border_loops(template)[1:]
    shapes = shapes_of(template)
    eyes = [find_eye(template, lid, shapes) for lid in lids]
    where = {eye.side: _metres(eye.centre - pivot) for eye in eyes}
    inside = mouth(template, rim, shapes)
    inside = Surface(inside.points - pivot, inside.triangles, inside.colours, inside.shapes)
    face = _mesh(file, "face", 0, whole_head(template, rim, eyes), skinned=True)
    meshes = [
        face,
        _mesh(file, "eye", 1, eyeball(eyes[0].radius)),
        _mesh(file, "mouth", 1, inside),
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
        "skins": [{"joints": [0, 1], "skeleton": 0, "inverseBindMatrices": _binds(file)}],
        "meshes": meshes,
        "materials": [_material("skin", 0.55), _material("wet", 0.12)],
    }
    return file.finish(document)


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
    points = neutral + HAIR_THICK * grown * vertex_normals(neutral, triangles)
    return join([Surface(points, triangles, tones, moved), *inner])


def _mesh(
    file: GltfWriter, name: str, material: int, surface: Surface, *, skinned: bool = False
) -> dict[str, Any]:

    def vertices(values: FloatArray, kind: str) -> int:
        return file.array(values.astype(np.float32), kind, VERTICES, bounds=True)

    points = surface.points * METRES
    normals = vertex_normals(surface.points, surface.triangles)
    attributes = {
        "POSITION": vertices(points, "VEC3"),
        "NORMAL": vertices(in_steps(normals, STEP), "VEC3"),
        "COLOR_0": vertices(in_steps(surface.colours, STEP), "VEC3"),
    }
    if skinned:
        head = in_steps(follows_head(surface.points), STEP)
        shares = np.stack([1 - head, head, 0 * head, 0 * head], axis=1)
        joints = np.tile(np.array([0, 1, 0, 0], np.uint8), (len(points), 1))
        joints[head == 0, 1] = 0  # one without a weight is 0 (glTF 2.0, 3.7.3.3)
        attributes |= {
            "JOINTS_0": file.array(joints, "VEC4", VERTICES, bounds=True),
            "WEIGHTS_0": vertices(shares, "VEC4"),
        }
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": file.array(surface.triangles.astype(np.uint16).reshape(-1), "SCALAR", INDICES),
        "material": material,
    }
    mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if surface.shapes:
        moves = surface.shapes.values()
        primitive["targets"] = [{"POSITION": _target(file, offsets)} for offsets in moves]
        mesh["extras"] = {"targetNames": [*surface.shapes]}
    return mesh


def _target(file: GltfWriter, offsets: Float32Array) -> int:
    """The accessor of a shape's offsets (V, 3), of the vertices that it moves alone."""
    moved = np.flatnonzero(np.abs(offsets).max(axis=1) > STILL)
    return file.sparse(in_steps(offsets * METRES, MOVE_STEP_M), moved, bounds=True)


def _binds(file: GltfWriter) -> int:
    """What takes a vertex into the frame of each joint, column by column."""
    rows = np.tile(np.eye(4), (2, 1, 1))
    rows[:, 3, :3] = -METRES * np.array([NECK, PIVOT])
    return file.array(rows.reshape(2, 16).astype(np.float32), "MAT4", bounds=True)


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
