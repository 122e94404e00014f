"""glTF 2.0: a performance as an animation of a user's character."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.recording import Performance, Recording
from edgeface.retarget.mapping import Mapping, check_names
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.retargeter import Retargeter
from edgeface.rotations import quaternion_from_rotation, rotation_from_quaternion

Array = NDArray[Any]

FLOAT, LINEAR = 5126, "LINEAR"
ANIMATION_NAME = "edgeface"


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
    path : the .glb to write
    character : a .glb or .gltf whose meshes have named morph targets
    performance : one person
    retargeter : its targets must be shapes of the character; without targets, those of ARKit's
        names that the character has are moved

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
    ``P^-1 turn P rest`` with P the rest rotation of its parent in the world.
    """
    retargeter = retargeter or Retargeter()
    gltf = _load(character)
    meshes = _morph_names(gltf, character)
    _check_targets(retargeter.mapping, meshes, character)
    frames = [
        retargeter(shapes, quaternion)
        for shapes, quaternion in zip(
            performance.blendshapes, performance.quaternions_wxyz, strict=True
        )
    ]
    blob = _Blob(gltf)
    times = blob.add((performance.times_s - performance.times_s[0])[:, None], "SCALAR")
    channels: list[tuple[int, str, int]] = []
    for node, names in meshes.items():
        weights = np.array([[shapes.get(name, 0.0) for name in names] for shapes, _ in frames])
        channels.append((node, "weights", blob.add(weights.reshape(-1, 1), "SCALAR")))
    head = _head_node(gltf, retargeter.mapping, character)
    if head is not None:
        turns = np.stack([turn for _, turn in frames])
        local = _local_rotations(gltf, head, turns)
        channels.append((head, "rotation", blob.add(local[:, [1, 2, 3, 0]], "VEC4")))
    _animate(gltf, times, channels)
    blob.finish()
    try:
        gltf.save_binary(str(path))
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error}") from error


def _library() -> Any:
    try:
        return importlib.import_module("pygltflib")
    except ImportError as error:
        raise BackendUnavailableError(
            "writing glTF needs pygltflib: pip install 'edgeface[video]'"
        ) from error


def _load(character: str | os.PathLike[str]) -> Any:
    library = _library()
    if not Path(character).is_file():
        raise InvalidInputError(f"no such character: {character}")
    try:
        gltf = library.GLTF2().load(str(character))
        if gltf is None or not gltf.nodes:
            raise InvalidInputError(f"{character} is no glTF file with nodes in it")
        gltf.convert_buffers(library.BufferFormat.BINARYBLOB)
    except InvalidInputError:
        raise
    except Exception as error:  # the library lets any parsing error through
        raise InvalidInputError(f"{character} is no readable glTF file: {error}") from error
    return gltf


def _morph_names(gltf: Any, character: Any) -> dict[int, list[str]]:
    """Names of the morph targets by the node that shows their mesh."""
    found: dict[int, list[str]] = {}
    for index, node in enumerate(gltf.nodes):
        if node.mesh is None:
            continue
        mesh = gltf.meshes[node.mesh]
        count = len(mesh.primitives[0].targets or []) if mesh.primitives else 0
        if count:
            names = cast(dict[str, Any], mesh.extras or {}).get("targetNames", [])
            if len(names) != count:
                raise InvalidInputError(
                    f"{character}: mesh {mesh.name!r} has {count} morph targets but names "
                    f"{len(names)}; export it with 'extras.targetNames', as Blender does"
                )
            found[index] = list(names)
    if not found:
        raise InvalidInputError(f"{character} has no morph targets, so no face that could move")
    return found


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
    exact = [i for i, name in enumerate(names) if name.lower() == "head"]
    ending = [i for i, name in enumerate(names) if name.lower().endswith(("head", "head_m"))]
    return next(iter(exact + ending), None)


def _local_rotations(gltf: Any, head: int, turns: Array) -> Array:
    parent_of: dict[int, int] = {}
    for index, node in enumerate(gltf.nodes):
        parent_of |= dict.fromkeys(cast(list[int], node.children or []), index)
    parent = np.eye(3)
    node = parent_of.get(head)
    while node is not None:
        parent = _rest_rotation(gltf.nodes[node]) @ parent
        node = parent_of.get(node)
    rest = _rest_rotation(gltf.nodes[head])
    return quaternion_from_rotation(parent.T @ rotation_from_quaternion(turns) @ parent @ rest)


def _rest_rotation(node: Any) -> Array:
    if node.matrix:
        linear = np.array(node.matrix, np.float64).reshape(4, 4).T[:3, :3]
        return linear / np.linalg.norm(linear, axis=0)
    x, y, z, w = node.rotation or (0.0, 0.0, 0.0, 1.0)
    return rotation_from_quaternion(np.array([w, x, y, z]))


class _Blob:
    """The binary part of a file, and arrays appended to it."""

    def __init__(self, gltf: Any) -> None:
        self._gltf = gltf
        self._data = bytearray(gltf.binary_blob() or b"")
        if not gltf.buffers:
            gltf.buffers.append(_library().Buffer(byteLength=0))

    def add(self, rows: Array, kind: str) -> int:
        """Append float32 rows (T, D); returns the number of their accessor."""
        library = _library()
        values = np.ascontiguousarray(rows, np.float32)
        self._data += b"\0" * (-len(self._data) % 4)
        view = library.BufferView(buffer=0, byteOffset=len(self._data), byteLength=values.nbytes)
        self._gltf.bufferViews.append(view)
        self._data += values.tobytes()
        accessor = library.Accessor(
            bufferView=len(self._gltf.bufferViews) - 1,
            componentType=FLOAT,
            count=len(values),
            type=kind,
            min=values.min(axis=0).tolist(),
            max=values.max(axis=0).tolist(),
        )
        self._gltf.accessors.append(accessor)
        return len(self._gltf.accessors) - 1

    def finish(self) -> None:
        self._gltf.buffers[0].byteLength = len(self._data)
        self._gltf.set_binary_blob(bytes(self._data))


def _animate(gltf: Any, times: int, channels: list[tuple[int, str, int]]) -> None:
    library = _library()
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
