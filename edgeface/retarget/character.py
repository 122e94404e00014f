"""What a character can do: the shapes and bones of a glTF or VRM file, by their names."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from edgeface.errors import InvalidInputError
from edgeface.retarget.gltf_file import load_character
from edgeface.values import Number

VRM_0_CLIPS = {
    name.lower(): name
    for name in (
        "Neutral", "A", "I", "U", "E", "O", "Blink", "Blink_L", "Blink_R", "Joy", "Angry",
        "Sorrow", "Fun", "LookUp", "LookDown", "LookLeft", "LookRight",
    )
}  # fmt: skip
"""The names that programs know VRM 0.x's preset clips by, from those that files have."""

OVERRIDDEN = {
    "overrideBlink": ("blink", "blinkLeft", "blinkRight"),
    "overrideLookAt": ("lookUp", "lookDown", "lookLeft", "lookRight"),
    "overrideMouth": ("aa", "ih", "ou", "ee", "oh"),
}
"""What expressions of VRM 1.0 may hold back, by the key that says so."""


@dataclass(frozen=True)
class Bind:
    """A morph target that a shape of a character moves.

    Attributes
    ----------
    node : the node that shows the mesh
    index : the number of the morph target in that mesh
    weight : its weight where the shape is 1
    """

    node: int
    index: int
    weight: float = 1.0


@dataclass(frozen=True)
class Character:
    """The shapes and bones of a character, as `read_character` found them in its file.

    Attributes
    ----------
    gltf : the file, a ``pygltflib.GLTF2``
    kind : "glTF", "VRM 0.x" or "VRM 1.0"
    morphs : the names of the morph targets, by the number of the node that shows their mesh; empty
        where the file does not name them
    clips : the morph targets that each expression of a VRM file moves, by the expression's name
    bones : the numbers of nodes by VRM's names of humanoid bones, as far as they are known
    binary : the expressions that are either 0 or 1, never between
    overriding : the expressions that hold others back, by the keys of `OVERRIDDEN`
    """

    gltf: Any
    kind: str
    morphs: dict[int, list[str]]
    clips: dict[str, list[Bind]]
    bones: dict[str, int]
    binary: frozenset[str] = frozenset()
    overriding: dict[str, frozenset[str]] = field(default_factory=lambda: {})

    @property
    def looks_back(self) -> bool:
        """Whether it looks along -z, as characters of VRM 0.x do."""
        return self.kind == "VRM 0.x"

    @property
    def turns_eyes(self) -> bool:
        """Whether its eyes are turned as bones."""
        own = getattr(self.gltf.asset, "generator", None) == "edgeface"
        return eyes_are_bones(own, self.kind, self.clips)

    @functools.cached_property
    def shapes(self) -> dict[str, list[Bind]]:
        """All shapes that a mapping may name: morph targets, and the expressions of a VRM file."""
        found: dict[str, list[Bind]] = {}
        for node, names in self.morphs.items():
            for index, name in enumerate(names):
                if name:
                    found.setdefault(name, []).append(Bind(node, index))
        return found | self.clips

    def find(self, name: str) -> str | None:
        """The shape that a mapping means by a name; None if the character has none.

        Case, prefix, what is between words and the spelling of the side do not matter:
        ``mouthSmile_L``, ``Mouth Smile.L``, ``blendShape1.MouthSmileLeft`` and
        ``Head__mouthSmileLeft`` are all ``mouthSmileLeft``.
        """
        return find_shape(name, self.shapes)


def find_shape(name: str, shapes: Iterable[str]) -> str | None:
    """Find the shape that is meant by a name, as `Character.find` does; the first of several."""
    shapes = list(shapes)
    if name in shapes:
        return name
    wanted = _plain(name)
    return next((shape for shape in shapes if wanted in _plain_tails(shape)), None)


def find_shapes(name: str, shapes: Iterable[str]) -> list[str]:
    """Find all shapes that are meant by a name: that of `find_shape`, and its like on other meshes.

    A face, its teeth and its lashes may have shapes of one name, each with its mesh's prefix.
    """
    shapes = list(shapes)
    first = find_shape(name, shapes)
    if first is None or _plain(first) == _plain(name):
        return [] if first is None else [first]
    return [
        shape
        for shape in shapes
        if _plain(name) in _plain_tails(shape) and _plain(shape) != _plain(name)
    ]


@functools.lru_cache(maxsize=20_000)  # characters have thousands of shapes, mappings hundreds
def _plain_tails(name: str) -> tuple[str, ...]:
    return tuple(map(_plain, _tails(name)))


def _tails(name: str) -> Iterator[str]:
    """A name, and what is left of it without the prefixes that programs add."""
    yield name
    for mark in (".", "__", "|", ":"):
        if mark in name:
            yield name.rpartition(mark)[2]
    if "Fcl_" in name:
        yield name[name.index("Fcl_") :]


_BETWEEN_WORDS = str.maketrans("", "", "_ -.")


def _plain(name: str) -> str:
    """A name without case and what is between its words, its side as one letter."""
    plain = name.translate(_BETWEEN_WORDS).lower()
    for side in ("left", "right"):
        if plain.endswith(side):
            return plain.removesuffix(side) + side[0]
    return plain


def read_character(path: str | os.PathLike[str]) -> Character:
    """Read the shapes and bones of a glTF or VRM file.

    Parameters
    ----------
    path : a ``.glb``, ``.gltf`` or ``.vrm`` file; its content decides, not its suffix. "head" is
        the head that ships.

    Raises
    ------
    InvalidInputError
        If the file is no glTF, is damaged, has no morph targets, or does not name them.
    BackendUnavailableError
        If pygltflib is not installed.
    """
    gltf = load_character(path)
    extensions = cast(dict[str, Any], gltf.extensions or {})
    kind = "VRM 1.0" if "VRMC_vrm" in extensions else "VRM 0.x" if "VRM" in extensions else "glTF"
    morphs = _morph_names(gltf, path)
    try:
        clips = dict(_clips(gltf, extensions, kind))
        binary = frozenset(
            name for name, value in _expressions(extensions, kind) if value.get("isBinary") is True
        )
        overriding = {
            key: frozenset(
                name
                for name, value in _expressions(extensions, kind)
                if value.get(key) in ("block", "blend")
            )
            for key in OVERRIDDEN
        }
        bones = _vrm_bones(extensions, kind)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInputError(f"{path} is damaged in its part for {kind}: {error!r}") from error
    bones = {name: node for name, node in bones.items() if 0 <= node < len(gltf.nodes)}
    character = Character(
        gltf,
        kind,
        morphs,
        _sound(clips, morphs),
        _hanging(gltf, named_bones(node_names(gltf)) | bones),
        binary,
        overriding,
    )
    if not character.shapes:
        raise InvalidInputError(
            f"{path} has morph targets without names; export it with 'extras.targetNames', as "
            "Blender does"
        )
    return character


def node_names(gltf: Any) -> list[str]:
    """The names of all nodes, empty where turning one moves nothing.

    That is so where it shows a mesh with a skin, which may be called as one of the skin's bones is.
    """
    return ["" if node.skin is not None else str(node.name or "") for node in gltf.nodes]


def _morph_names(gltf: Any, path: Any) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for index, node in enumerate(gltf.nodes):
        if node.mesh is None:
            continue
        mesh = gltf.meshes[node.mesh]
        count = max((len(p.targets or []) for p in mesh.primitives), default=0)
        if count:
            # expressions of VRM files tell targets by their numbers, and need no names
            names = _target_names(mesh) or [""] * count
            if len(names) != count:
                raise InvalidInputError(
                    f"{path}: mesh {mesh.name!r} has {count} morph targets but names "
                    f"{len(names)}; export it with 'extras.targetNames', as Blender does"
                )
            found[index] = names
    if not found:
        raise InvalidInputError(f"{path} has no morph targets, so no face that could move")
    return found


def _target_names(mesh: Any) -> list[str]:
    """Names of a mesh's morph targets: of the mesh itself, or as VRM 0.x has it, of a primitive."""
    for part in (mesh, *mesh.primitives):
        names = cast(dict[str, Any], part.extras or {}).get("targetNames")
        if isinstance(names, list) and names:
            return [str(name) for name in cast(list[Any], names)]
    return []


def _clips(gltf: Any, extensions: dict[str, Any], kind: str) -> Iterator[tuple[str, list[Bind]]]:
    """Expressions of a VRM file; in 0.x they name meshes and per cent, in 1.0 nodes and shares."""
    nodes_of: dict[int, list[int]] = {}
    for number, node in enumerate(gltf.nodes):
        if node.mesh is not None:
            nodes_of.setdefault(node.mesh, []).append(number)
    for name, value in _expressions(extensions, kind):
        if kind == "VRM 1.0":
            yield (
                name,
                [
                    Bind(int(b["node"]), int(b["index"]), _weight(b))
                    for b in _rows(value.get("morphTargetBinds"))
                ],
            )
        else:
            yield (
                name,
                [
                    Bind(node, int(b["index"]), _weight(b) / 100)
                    for b in _rows(value.get("binds"))
                    for node in nodes_of.get(int(b["mesh"]), [])
                ],
            )


def _expressions(extensions: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a VRM file says of each expression, by the names that programs know it by."""
    if kind == "VRM 1.0":
        expressions = extensions["VRMC_vrm"].get("expressions", {})
        for name, value in (expressions.get("preset", {}) | expressions.get("custom", {})).items():
            yield str(name), value
    elif kind == "VRM 0.x":
        for group in extensions["VRM"].get("blendShapeMaster", {}).get("blendShapeGroups", []):
            preset = str(group.get("presetName", "unknown")).lower()
            yield VRM_0_CLIPS.get(preset, str(group.get("name", ""))), group


def _weight(bind: dict[str, Any]) -> float:
    return Number(-1e6, 1e6).check(bind["weight"], "weight")


def _rows(values: Any) -> list[dict[str, Any]]:
    """A list of objects that a file may leave out."""
    return cast(list[dict[str, Any]], values or [])


def _sound(clips: dict[str, list[Bind]], morphs: dict[int, list[str]]) -> dict[str, list[Bind]]:
    """Clips with the binds that meet a morph target; those without any move nothing."""
    kept = {
        name: [b for b in binds if 0 <= b.index < len(morphs.get(b.node, []))]
        for name, binds in clips.items()
    }
    return {name: binds for name, binds in kept.items() if binds}


def _vrm_bones(extensions: dict[str, Any], kind: str) -> dict[str, int]:
    if kind == "VRM 1.0":
        bones = extensions["VRMC_vrm"].get("humanoid", {}).get("humanBones", {})
        return {str(name): int(bone["node"]) for name, bone in bones.items()}
    bones = extensions.get("VRM", {}).get("humanoid", {}).get("humanBones", [])
    return {str(bone["bone"]): int(bone["node"]) for bone in bones}


def _hanging(gltf: Any, bones: dict[str, int]) -> dict[str, int]:
    """Bones without a neck and a spine that the head does not hang on, and does not turn with."""
    if "head" not in bones:
        return bones
    parent_of = {child: n for n, node in enumerate(gltf.nodes) for child in node.children or ()}
    above, node = set[int](), parent_of.get(bones["head"])
    while node is not None:
        above.add(node)
        node = parent_of.get(node)
    return {bone: n for bone, n in bones.items() if bone not in ("neck", "spine") or n in above}


_BONE_NAMES = {
    "head": ("head", "ccbasehead", "headm"),
    "neck": ("neck", "neck1", "neck01", "ccbasenecktwist01"),
    "spine": ("spine2", "spine3", "upperchest", "chest", "spine02", "ccbasespine02", "spine"),
    "leftEye": ("lefteye", "eyel", "ccbaseleye", "faciallefteye", "faciallleye"),
    "rightEye": ("righteye", "eyer", "ccbasereye", "facialrighteye", "facialreye"),
}
"""What rigs call the bones, without case, underscores and prefix; the first found counts."""


def eyes_are_bones(own: bool, kind: str, shapes: Collection[str]) -> bool:
    """Whether a character's eyes are turned as bones.

    They are for the head that ships, which is our ``own``, and for a VRM of any ``kind`` that has
    no expressions for the gaze among its ``shapes``. The shapes of other rigs may move the eyes
    themselves, and the eyes would then turn twice.
    """
    looks = "LookLeft" in shapes or "lookLeft" in shapes
    return own or (kind != "glTF" and not looks)


def named_bones(nodes: Iterable[str]) -> dict[str, int]:
    """Bones of a rig that does not say which is which, by the names of its nodes."""
    names = [_bare(node) for node in nodes]
    found = {
        bone: names.index(name)
        for bone, known in _BONE_NAMES.items()
        for name in reversed(known)
        if name in names
    }
    if "head" not in found:
        ending = [
            i
            for i, name in enumerate(names)
            if name.endswith(("head", "headm")) and not name.endswith("forehead")
        ]
        found |= {"head": ending[0]} if ending else {}
    return found


def _bare(name: str) -> str:
    return name.rpartition(":")[2].lower().replace("_", "").replace(" ", "").replace(".", "")
