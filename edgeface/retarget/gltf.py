"""Writing a performance as a glTF 2.0 animation of a character."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.errors import InvalidInputError
from edgeface.face_shapes import NUM_EXPRESSIONS, NUM_IDENTITY
from edgeface.gaze import eye_quaternions
from edgeface.output import write_output
from edgeface.recording import Performance, Recording
from edgeface.retarget.character import Character, node_names, read_character
from edgeface.retarget.expressions import acting_values
from edgeface.retarget.gltf_file import Blob, files_of, glb_bytes, import_pygltflib
from edgeface.retarget.head import NAME
from edgeface.retarget.mapping import check_names
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.retargeter import Retargeter, given_retargeter
from edgeface.rotations import continuous, quaternion_from_rotation, rotation_from_quaternion
from edgeface.types import FloatArray
from edgeface.values import instance, path_of

LINEAR, ANIMATION_NAME = "LINEAR", "edgeface"
MAX_STRETCH = 1.05
"""How much more the nodes above a bone may scale one axis than another."""


def export_gltf(path: Path, recording: Recording, options: ExportOptions) -> None:
    """Write the chosen performance of a recording as an animation of the options' character.

    Without a character, the head that ships is animated.
    """
    options = _with_character(options)
    write_gltf(
        path,
        cast(Path, options.character),
        *options.calibrated(recording),
        clip={name: recording.header.get(name) for name in ("source", "fps", "timecode")},
    )


def check_gltf(options: ExportOptions) -> None:
    """Raise what `export_gltf` will of the options' character and mapping, before there is a take.

    An animation of one frame at rest is made and dropped.
    """
    options = _with_character(options)
    at_rest = Performance(
        track_id=1,
        times_s=np.zeros(1),
        frames=np.zeros(1, np.int64),
        quaternions_wxyz=np.eye(1, 4),
        expression_coeffs=np.zeros((1, NUM_EXPRESSIONS)),
        identity_coeffs=np.zeros(NUM_IDENTITY),
        blendshapes=[dict.fromkeys(ARKIT_NAMES, 0.0)],
    )
    _animated(cast(Path, options.character), at_rest, options.retargeter(), {})


def check_binary(path: str | os.PathLike[str]) -> None:
    """Raise if a file is to be written by a name that programs read as JSON."""
    path = path_of("path", path)
    if path.suffix.lower() == ".gltf":
        raise InvalidInputError(
            f"{path}: a binary glTF file is written, and programs read .gltf as JSON: name it "
            f"{path.with_suffix('.glb').name}"
        )


def _with_character(options: ExportOptions) -> ExportOptions:
    if options.character is None:
        return replace(options, character=Path(NAME))
    return options


def write_gltf(
    path: str | os.PathLike[str],
    character: str | os.PathLike[str],
    performance: Performance,
    retargeter: Retargeter | None = None,
    *,
    clip: dict[str, Any] | None = None,
) -> None:
    """Write a copy of a character with the performance as an animation.

    An animation that this function wrote into the character before is replaced.

    Parameters
    ----------
    path : the .glb file to write
    character : a binary or JSON glTF file (.glb, .gltf or .vrm), whose meshes have named morph
        targets; "head" is the head that ships
    performance : what one person did
    retargeter : turns the person's expression into the character's. Its targets must be morph
        targets of the character, or expressions of a VRM file. Without targets, those of ARKit's
        shapes move that the character has.
    clip : facts about the clip, which are written into the animation's ``extras`` with the gaps

    Raises
    ------
    InvalidInputError
        If the character is no glTF, has no morph targets or no names for them, or lacks a shape or
        bone that the mapping names; if ``clip`` holds what JSON cannot, or ``path`` ends in .gltf.
    BackendUnavailableError
        If pygltflib is not installed.

    Notes
    -----
    **Frames.** A glTF character looks along +z, with y up and x to its left, which is our ``model``
    frame. Characters of VRM 0.x look along -z.

    **Rotations.** The head, neck and spine share the turn of the head. The local rotation of a bone
    is ``P^-1 turn^share P rest``. There, P is the rotation of its parent in the world at rest, with
    a reflection if the nodes above mirror, and ``rest`` is its own rotation at rest. Consecutive
    quaternions have the same sign, so that players take the short way between them.

    **Times.** Keys have the clip's own times: the animation of somebody who appears after a second
    begins there. Of frames whose times are the same in float32, the last counts.
    ``extras.edgeface.gaps_s`` lists the start and end of each time in which the person was not
    seen.
    """
    check_binary(path)
    retargeter = given_retargeter(retargeter)
    gltf = _animated(character, performance, retargeter, _facts(clip or {}))
    write_output(path, glb_bytes(gltf), inputs=files_of(character))


def _animated(
    character: str | os.PathLike[str],
    performance: Performance,
    retargeter: Retargeter,
    facts: dict[str, Any],
) -> Any:
    """The character with the animation, as the library has it; parameters are `write_gltf`'s."""
    performance = _told_apart(instance("performance", performance, Performance))
    read = read_character(character)
    _check_targets(retargeter, read, character)
    frames = [
        retargeter(shapes, quaternion)
        for shapes, quaternion in zip(
            performance.blendshapes, performance.quaternions_wxyz, strict=True
        )
    ]
    blob = Blob(read.gltf)
    times = blob.add(performance.times_s[:, None], "SCALAR")
    channels: list[tuple[int, str, int]] = []
    for node, weights in _weights(read, [shapes for shapes, _ in frames]).items():
        channels.append((node, "weights", blob.add(weights.reshape(-1, 1), "SCALAR")))
    for node, turns in _eye_turns(read, retargeter, performance.blendshapes):
        local = _local_rotations(read.gltf, node, turns)
        channels.append((node, "rotation", blob.add(local[:, [1, 2, 3, 0]], "VEC4")))
    for node, turns in _bone_turns(read, retargeter, np.stack([turn for _, turn in frames])):
        local = _local_rotations(read.gltf, node, turns)
        channels.append((node, "rotation", blob.add(local[:, [1, 2, 3, 0]], "VEC4")))
    _animate(read.gltf, times, channels)
    gaps = performance.gaps_s.round(4).tolist()
    read.gltf.animations[-1].extras = {"edgeface": facts | {"gaps_s": gaps}}
    blob.finish()
    return read.gltf


def _told_apart(performance: Performance) -> Performance:
    """The frames whose times differ in glTF's numbers, which must rise."""
    kept = np.append(np.diff(performance.times_s.astype(np.float32)) > 0, True)
    if kept.all():
        return performance
    rows = np.flatnonzero(kept)
    return replace(
        performance,
        times_s=performance.times_s[rows],
        frames=np.asarray(performance.frames)[rows],
        quaternions_wxyz=performance.quaternions_wxyz[rows],
        expression_coeffs=np.asarray(performance.expression_coeffs)[rows],
        blendshapes=[performance.blendshapes[row] for row in rows],
    )


def _facts(clip: dict[str, Any]) -> dict[str, Any]:
    """The facts about a clip that are known, or InvalidInputError if JSON has no such values."""
    known = {name: value for name, value in clip.items() if value is not None}
    try:
        json.dumps(known, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"clip holds what JSON cannot: {error}") from error
    return known


def _check_targets(retargeter: Retargeter, character: Character, path: Any) -> None:
    available = character.shapes
    check_names(retargeter.mapping.recipes, available, f"{path}: the mapping's shape")
    if not any(name in available for name in retargeter.target_names):
        raise InvalidInputError(
            f"{path} has none of ARKit's shapes, only {', '.join(sorted(available)[:12])}; give a "
            "mapping file"
        )
    bone = retargeter.mapping.head_bone
    if bone is not None:
        check_names([bone], node_names(character.gltf), f"{path}: the head bone")


def _weights(character: Character, frames: list[dict[str, float]]) -> dict[int, FloatArray]:
    """The weights (T, K) of the morph targets by node; those that nothing moves stay."""
    found: dict[int, FloatArray] = {}
    for node, names in character.morphs.items():
        rest = character.gltf.meshes[character.gltf.nodes[node].mesh].weights
        found[node] = np.tile(rest if rest else [0.0] * len(names), (len(frames), 1)).astype(float)
    shapes, driven = character.shapes, acting_values(character, frames)
    moved = {(bind.node, bind.index) for name in driven for bind in shapes[name]}
    for node, index in moved:
        found[node][:, index] = 0.0
    for name, values in driven.items():
        for bind in shapes[name]:
            found[bind.node][:, bind.index] += bind.weight * values
    for node, index in moved:
        found[node][:, index] = found[node][:, index].clip(0, 1)
    return found


def _bone_turns(
    character: Character, retargeter: Retargeter, turns: FloatArray
) -> Iterator[tuple[int, FloatArray]]:
    """The nodes that turn with the head, and their turns (T, 4) in the character's world."""
    bones = dict(character.bones)
    if retargeter.mapping.head_bone is not None:
        head = node_names(character.gltf).index(retargeter.mapping.head_bone)
        # a node may turn once only
        bones = {bone: node for bone, node in bones.items() if node != head} | {"head": head}
    if character.looks_back:
        turns = turns * [1, -1, 1, -1]  # half a turn about y, there and back
    for bone, turn in retargeter.bone_turns(turns, bones).items():
        yield bones[bone], turn


def _eye_turns(
    character: Character, retargeter: Retargeter, frames: list[dict[str, float]]
) -> Iterator[tuple[int, FloatArray]]:
    """The nodes of eyes that turn as bones, and their turns (T, 4), if the gaze is seen.

    Where it is not, the eyes look ahead.
    """
    gaze = [retargeter.eyes_deg(shapes) for shapes in frames]
    if not character.turns_eyes or all(eyes is None for eyes in gaze):
        return
    ahead = np.zeros((2, 2))
    turns = eye_quaternions(np.stack([ahead if eyes is None else eyes for eyes in gaze]))
    if character.looks_back:
        turns = turns * [1, -1, 1, -1]
    for eye, bone in enumerate(("rightEye", "leftEye")):
        if bone in character.bones:
            yield character.bones[bone], turns[:, eye]


def _local_rotations(gltf: Any, bone: int, turns: FloatArray) -> FloatArray:
    parent_of: dict[int, int] = {}
    for index, node in enumerate(gltf.nodes):
        parent_of |= dict.fromkeys(cast(list[int], node.children or []), index)
    above = np.eye(3)
    node = parent_of.get(bone)
    while node is not None:
        above = _rest_rotation(gltf.nodes[node]) @ np.diag(_scale(gltf.nodes[node])) @ above
        node = parent_of.get(node)
    left, stretch, right = np.linalg.svd(above)
    if stretch[2] * MAX_STRETCH < stretch[0]:
        raise InvalidInputError(
            f"what the character's node {gltf.nodes[bone].name!r} hangs on is scaled by "
            f"{stretch[0]:.3g} along one axis and {stretch[2]:.3g} along another, so that turning "
            "it would bend it out of shape; apply the scale (Blender: Ctrl+A) and export it again"
        )
    parent = left @ right  # it mirrors, too, if the nodes above do
    rest = _rest_rotation(gltf.nodes[bone])
    local = parent.T @ rotation_from_quaternion(turns) @ parent @ rest
    return continuous(quaternion_from_rotation(local))


def _rest_rotation(node: Any) -> FloatArray:
    if node.matrix:
        rotation = _matrix(node)[:3, :3] / _scale(node)
        if not np.allclose(rotation.T @ rotation, np.eye(3), atol=1e-2):
            raise InvalidInputError(f"the character's node {node.name!r} has a matrix that shears")
        return rotation
    x, y, z, w = node.rotation or (0.0, 0.0, 0.0, 1.0)
    return rotation_from_quaternion(np.array([w, x, y, z]) / _lengths(np.array([x, y, z, w]), node))


def _matrix(node: Any) -> FloatArray:
    return np.array(node.matrix, np.float64).reshape(4, 4).T


def _scale(node: Any) -> FloatArray:
    """The scale along each axis, of which one is negative where a matrix mirrors."""
    if not node.matrix:
        return np.array(node.scale or [1.0] * 3, np.float64)
    linear = _matrix(node)[:3, :3]
    scale = _lengths(linear, node)
    return scale * [-1, 1, 1] if np.linalg.det(linear) < 0 else scale


def _lengths(columns: FloatArray, node: Any) -> FloatArray:
    """The lengths of a matrix's columns, or of a quaternion; InvalidInputError if one is 0."""
    lengths = np.linalg.norm(columns, axis=0)
    if not np.all(lengths > 0):
        raise InvalidInputError(f"the character's node {node.name!r} has no rotation: it is 0")
    return lengths


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
    # an earlier take of ours, which players would show in place of this one
    others = [other for other in gltf.animations if other.name != ANIMATION_NAME]
    gltf.animations = [*others, animation]


def _as_parts(node: Any) -> None:
    """Split a node's matrix, which animated ones must not have (glTF 2.0, 3.5.3)."""
    if not node.matrix:
        return
    w, x, y, z = quaternion_from_rotation(_rest_rotation(node)).tolist()
    node.translation, node.rotation = _matrix(node)[:3, 3].tolist(), [x, y, z, w]
    node.scale, node.matrix = _scale(node).tolist(), None
