"""glTF 2.0: a performance as an animation of a user's character."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.output import write_output
from edgeface.recording import Performance, Recording
from edgeface.retarget.gltf_file import Blob, import_pygltflib, load_character
from edgeface.retarget.mapping import Mapping, check_names
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.retargeter import Retargeter
from edgeface.rotations import continuous, quaternion_from_rotation, rotation_from_quaternion
from edgeface.types import FloatArray

LINEAR, ANIMATION_NAME = "LINEAR", "edgeface"


def export_gltf(
    path: Path, recording: Recording, face_model: FaceModel, options: ExportOptions
) -> None:
    """Write the chosen performance of a recording as an animation of the options' character."""
    del face_model  # the character brings its own shapes
    if options.character is None:
        raise InvalidInputError("a glTF export needs a character, which it animates")
    write_gltf(path, options.character, *options.calibrated(recording))


def write_gltf(
    path: str | os.PathLike[str],
    character: str | os.PathLike[str],
    performance: Performance,
    retargeter: Retargeter | None = None,
) -> None:
    """Write a copy of a character with the performance as an animation.

    Parameters
    ----------
    path : the .glb file to write
    character : a binary or JSON glTF file of any suffix (.glb, .gltf, .vrm), whose meshes have
        named morph targets
    performance : what one person did
    retargeter : what turns the person's expression into the character's. Its targets must be
        shapes of the character; without targets, those of ARKit's shapes are moved that the
        character has.

    Raises
    ------
    InvalidInputError
        If the character is no glTF, has no (named) morph targets, or lacks a shape or bone that
        the mapping names.
    BackendUnavailableError
        If pygltflib is not installed.

    Notes
    -----
    glTF looks along +z with y up and x to the character's left: our ``model`` frame. The head
    turns in the world, whatever the bones above it do: its local rotation is
    ``P^-1 turn P rest`` with P the rest rotation of its parent in the world. Characters of VRM 0.x
    look along -z. Keys that follow each other have quaternions of the same sign, so that players
    that interpolate them turn the short way.
    """
    retargeter = retargeter or Retargeter()
    gltf = load_character(character)
    meshes = _morph_names(gltf, character)
    _check_targets(retargeter.mapping, meshes, character)
    frames = [
        retargeter(shapes, quaternion)
        for shapes, quaternion in zip(
            performance.blendshapes, performance.quaternions_wxyz, strict=True
        )
    ]
    blob = Blob(gltf)
    times = blob.add((performance.times_s - performance.times_s[0])[:, None], "SCALAR")
    channels: list[tuple[int, str, int]] = []
    for node, names in meshes.items():
        weights = np.array([[shapes.get(name, 0.0) for name in names] for shapes, _ in frames])
        channels.append((node, "weights", blob.add(weights.reshape(-1, 1), "SCALAR")))
    head = _head_node(gltf, retargeter.mapping, character)
    if head is not None:
        turns = np.stack([turn for _, turn in frames])
        if "VRM" in _extensions(gltf):
            turns = turns * [1, -1, 1, -1]  # half a turn about y, there and back
        local = _local_rotations(gltf, head, turns)
        channels.append((head, "rotation", blob.add(local[:, [1, 2, 3, 0]], "VEC4")))
    _animate(gltf, times, channels)
    blob.finish()
    write_output(path, b"".join(gltf.save_to_bytes()), inputs=(character,))


def _morph_names(gltf: Any, character: Any) -> dict[int, list[str]]:
    """Names of the morph targets by the node that shows their mesh."""
    found: dict[int, list[str]] = {}
    for index, node in enumerate(gltf.nodes):
        if node.mesh is None:
            continue
        mesh = gltf.meshes[node.mesh]
        count = max((len(p.targets or []) for p in mesh.primitives), default=0)
        if count:
            names = _target_names(mesh)
            if len(names) != count:
                raise InvalidInputError(
                    f"{character}: mesh {mesh.name!r} has {count} morph targets but names "
                    f"{len(names)}; export it with 'extras.targetNames', as Blender does"
                )
            found[index] = names
    if not found:
        raise InvalidInputError(f"{character} has no morph targets, so no face that could move")
    return found


def _target_names(mesh: Any) -> list[str]:
    """Names of a mesh's morph targets: of the mesh itself, or as VRM 0.x has it, of a primitive."""
    for part in (mesh, *mesh.primitives):
        names = cast(dict[str, Any], part.extras or {}).get("targetNames")
        if isinstance(names, list) and names:
            return [str(name) for name in cast(list[Any], names)]
    return []


def _extensions(gltf: Any) -> dict[str, Any]:
    return cast(dict[str, Any], gltf.extensions or {})


def _check_targets(mapping: Mapping, meshes: dict[int, list[str]], character: Any) -> None:
    available = sorted(set[str]().union(*meshes.values()))
    check_names(mapping.targets, available, f"{character}: the mapping's shape")
    names = Retargeter(mapping).target_names
    if not set(names) & set(available):
        raise InvalidInputError(
            f"{character} has none of ARKit's shapes, only {', '.join(available[:12])}; give a "
            "mapping file"
        )


def _head_node(gltf: Any, mapping: Mapping, character: Any) -> int | None:
    names = [node.name or "" for node in gltf.nodes]
    if mapping.head_bone is not None:
        check_names([mapping.head_bone], names, f"{character}: the head bone")
        return names.index(mapping.head_bone)
    bone = _vrm_head(_extensions(gltf))
    if bone is not None and 0 <= bone < len(names):
        return bone
    exact = [i for i, name in enumerate(names) if name.lower() == "head"]
    ending = [i for i, name in enumerate(names) if name.lower().endswith(("head", "head_m"))]
    return next(iter(exact + ending), None)


def _vrm_head(extensions: dict[str, Any]) -> int | None:
    """The node of the bone that a VRM file calls the head, in version 1 or 0."""
    try:
        if "VRMC_vrm" in extensions:
            return int(extensions["VRMC_vrm"]["humanoid"]["humanBones"]["head"]["node"])
        bones = extensions["VRM"]["humanoid"]["humanBones"]
        return next(int(bone["node"]) for bone in bones if bone["bone"] == "head")
    except (KeyError, TypeError, ValueError, StopIteration):
        return None


def _local_rotations(gltf: Any, head: int, turns: FloatArray) -> FloatArray:
    parent_of: dict[int, int] = {}
    for index, node in enumerate(gltf.nodes):
        parent_of |= dict.fromkeys(cast(list[int], node.children or []), index)
    parent = np.eye(3)
    node = parent_of.get(head)
    while node is not None:
        parent = _rest_rotation(gltf.nodes[node]) @ parent
        node = parent_of.get(node)
    rest = _rest_rotation(gltf.nodes[head])
    local = parent.T @ rotation_from_quaternion(turns) @ parent @ rest
    return continuous(quaternion_from_rotation(local))


def _rest_rotation(node: Any) -> FloatArray:
    if node.matrix:
        linear = np.array(node.matrix, np.float64).reshape(4, 4).T[:3, :3]
        return linear / np.linalg.norm(linear, axis=0)
    x, y, z, w = node.rotation or (0.0, 0.0, 0.0, 1.0)
    return rotation_from_quaternion(np.array([w, x, y, z]))


def _animate(gltf: Any, times: int, channels: list[tuple[int, str, int]]) -> None:
    library = import_pygltflib()
    animation = library.Animation(name=ANIMATION_NAME)
    for node, path, values in channels:
        sampler = library.AnimationSampler(input=times, output=values, interpolation=LINEAR)
        animation.samplers.append(sampler)
        target = library.AnimationChannelTarget(node=node, path=path)
        animation.channels.append(
            library.AnimationChannel(sampler=len(animation.samplers) - 1, target=target)
        )
        if path == "rotation":
            _as_parts(gltf.nodes[node])
    gltf.animations.append(animation)


def _as_parts(node: Any) -> None:
    """An animated node must not carry a matrix (glTF 2.0, 3.5.3)."""
    if not node.matrix:
        return
    matrix = np.array(node.matrix, np.float64).reshape(4, 4).T
    scale = np.linalg.norm(matrix[:3, :3], axis=0)
    w, x, y, z = quaternion_from_rotation(matrix[:3, :3] / scale).tolist()
    node.translation, node.rotation = matrix[:3, 3].tolist(), [x, y, z, w]
    node.scale, node.matrix = scale.tolist(), None
