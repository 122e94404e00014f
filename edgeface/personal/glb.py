"""A person's head as binary glTF 2.0: textured, with a morph target for each ARKit shape."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from edgeface.gltf_writer import INDICES, MOVE_STEP_M, STEP, VERTICES, GltfWriter, in_steps
from edgeface.personal.model import PersonalModel, sample_maps, sample_texture
from edgeface.personal.rendering import vertex_normals
from edgeface.types import Float32Array, FloatArray

METRES = 0.1
"""Of one unit of length of personal models."""
LEAST_MOVE_M, LEAST_TURN, LEAST_COLOUR = 5e-6, 1e-3, 2e-3
"""What a morph target changes less than this, it leaves alone."""


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
    file = GltfWriter()
    neutral = person.neutral_vertices
    normals = vertex_normals(neutral, template.triangles)
    targets: list[dict[str, int]] = []
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": file.array(neutral * np.float32(METRES), "VEC3", VERTICES, bounds=True),
            "NORMAL": file.array(normals, "VEC3", VERTICES),
            "TEXCOORD_0": file.array(template.uv, "VEC2", VERTICES),
            "COLOR_0": file.array(np.ones_like(neutral), "VEC3", VERTICES),
        },
        "indices": file.array(template.triangles.astype(np.uint32).reshape(-1), "SCALAR", INDICES),
        "material": 0,
        "targets": targets,
    }
    colours = _colour_changes(person)
    names = list(dict.fromkeys(template.arkit_names))
    for name in names:
        rows = [i for i, own in enumerate(template.arkit_names) if own == name]
        offset = person.offsets[rows].sum(axis=0)
        turned = vertex_normals(neutral + offset, template.triangles) - normals
        targets.append(_target(file, offset, turned, colours[rows].sum(axis=0)))
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


def _target(
    file: GltfWriter, offset: Float32Array, turned: Float32Array, coloured: Float32Array
) -> dict[str, int]:
    """The accessors of what a shape adds (V, 3) to places, normals and colours of vertices."""
    move = offset * np.float32(METRES)
    moves = np.flatnonzero(np.linalg.norm(move, axis=1) > LEAST_MOVE_M)
    turns = np.flatnonzero(np.linalg.norm(turned, axis=1) > LEAST_TURN)
    colours = np.flatnonzero(np.abs(coloured).max(axis=1) > LEAST_COLOUR)
    return {
        "POSITION": file.sparse(in_steps(move, MOVE_STEP_M), moves, bounds=True),
        "NORMAL": file.sparse(in_steps(turned, STEP), turns),
        "COLOR_0": file.sparse(in_steps(coloured, STEP), colours),
    }


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
