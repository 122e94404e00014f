"""The parts of a glTF file, its JSON and its binary chunk, and a check of what is used of them."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from edgeface.strict_json import finite
from edgeface.values import Free, Number, Record, Several, Whole

MAGIC = b"glTF"
HEADER_BYTES, CHUNK_BYTES = 12, 8
MOST = 20_000
"""The most nodes, meshes, accessors or buffers that a file may have."""
_INDEX = Whole(0, MOST)
_SIZE = Whole(0, 1 << 40)
_FINITE = Number(-1e30, 1e30)


def _many(item: Any, least: int = 0) -> Several:
    return Several(item, least, MOST)


_FILE = Record(
    required={
        "nodes": _many(
            Record(
                required={},
                optional={
                    "children": _many(_INDEX),
                    "matrix": Several(_FINITE, 16, 16),
                    "mesh": _INDEX,
                    "rotation": Several(_FINITE, 4, 4),
                    "scale": Several(_FINITE, 3, 3),
                    "translation": Several(_FINITE, 3, 3),
                    "weights": _many(_FINITE),
                },
            ),
            least=1,
        )
    },
    optional={
        "accessors": _many(Free()),
        "animations": _many(Free()),
        "buffers": _many(Record({"byteLength": _SIZE})),
        "bufferViews": _many(
            Record({"buffer": _INDEX, "byteLength": _SIZE}, {"byteOffset": _SIZE})
        ),
        "extensions": Free(),
        "images": _many(Free()),
        "meshes": _many(
            Record(
                {"primitives": _many(Record({}, {"targets": _many(Free())}), least=1)},
                {"weights": _many(_FINITE)},
            )
        ),
    },
)


def read_parts(data: bytes) -> tuple[dict[str, Any], bytes | None]:
    """The checked JSON of a file, and its binary chunk if it is a binary file that has one.

    Entries that are null, and ``extras`` that are no objects, which the library cannot hold, are
    left out.

    Raises
    ------
    ValueError
        If the file is truncated, is no glTF 2.0, or has parts that are missing, of another type or
        not finite.
    """
    text, binary = _chunks(data) if data.startswith(MAGIC) else (data, None)
    try:
        given = json.loads(text.decode("utf-8-sig"), parse_constant=finite, parse_float=finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    given = _without_nulls(given)
    checked = _FILE.check(given, "")
    _check_references(checked)
    _check_tree([node.get("children", ()) for node in checked["nodes"]])
    _hand_over_weights(given)
    return given, binary


def _chunks(data: bytes) -> tuple[bytes, bytes | None]:
    parts: list[tuple[bytes, bytes]] = []
    start = HEADER_BYTES
    if len(data) < HEADER_BYTES or struct.unpack_from("<I", data, 4)[0] != 2:
        raise ValueError("it is no binary glTF of version 2")
    while start + CHUNK_BYTES <= len(data) and len(parts) < 2:
        length, kind = struct.unpack_from("<I4s", data, start)
        start += CHUNK_BYTES
        parts.append((kind, data[start : start + length]))
        start += length
    if not parts or parts[0][0] != b"JSON" or start > len(data):
        raise ValueError("it is truncated")
    has_binary = len(parts) > 1 and parts[1][0] == b"BIN\0"
    return parts[0][1], parts[1][1] if has_binary else None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(item) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_nulls(item)
        for name, item in cast(dict[str, Any], value).items()
        if item is not None and (name != "extras" or isinstance(item, dict))
    }


def _check_references(file: dict[str, Any]) -> None:
    """Raise ValueError unless nodes, meshes, buffers and views name what is there."""
    sizes = [buffer["byteLength"] for buffer in file.get("buffers", ())]
    for number, view in enumerate(file.get("bufferViews", ())):
        _among(sizes, view["buffer"], f"bufferViews[{number}].buffer")
        if view.get("byteOffset", 0) + view["byteLength"] > sizes[view["buffer"]]:
            raise ValueError(f"bufferViews[{number}] is longer than its buffer")
    meshes: list[dict[str, Any]] = file.get("meshes", [])
    counts: list[int] = [
        max(len(p.get("targets", ())) for p in mesh["primitives"]) for mesh in meshes
    ]
    for number, (mesh, count) in enumerate(zip(meshes, counts, strict=True)):
        _fitting(mesh, count, f"meshes[{number}]")
    for number, node in enumerate(file["nodes"]):
        for child in node.get("children", ()):
            _among(file["nodes"], child, f"nodes[{number}].children")
        if "mesh" in node:
            _among(meshes, node["mesh"], f"nodes[{number}].mesh")
            _fitting(node, counts[int(node["mesh"])], f"nodes[{number}]")


def _hand_over_weights(file: dict[str, Any]) -> None:
    """Make weights of nodes, which the library loses, those of their meshes, of which they are
    given one of their own where others show it, too."""
    shows = Counter(node["mesh"] for node in file["nodes"] if "mesh" in node)
    for node in file["nodes"]:
        if "mesh" in node and "weights" in node:
            number = node["mesh"]
            mesh = {**file["meshes"][number], "weights": node.pop("weights")}
            if shows[number] == 1:
                file["meshes"][number] = mesh
            else:
                shows[number] -= 1
                file["meshes"].append(mesh)
                node["mesh"] = len(file["meshes"]) - 1


def _among(items: Sequence[Any], index: int, name: str) -> None:
    if index >= len(items):
        raise ValueError(f"{name} names number {index} of {len(items)}")


def _fitting(part: dict[str, Any], count: int, name: str) -> None:
    if "weights" in part and len(part["weights"]) != count:
        raise ValueError(f"{name} has {len(part['weights'])} weights for {count} morph targets")


def _check_tree(children: Sequence[Sequence[int]]) -> None:
    """Raise ValueError if a node has two parents, or is one of its own."""
    parents: dict[int, int] = {}
    for parent, nodes in enumerate(children):
        for node in nodes:
            if parents.setdefault(node, parent) != parent:
                raise ValueError(f"nodes[{node}] has two parents")
    known: set[int] = set()
    for node in range(len(children)):
        path: list[int] = []
        above: int | None = node
        while above is not None and above not in known:
            if len(path) > len(children):
                raise ValueError(f"nodes[{node}] is its own parent")
            path.append(above)
            above = parents.get(above)
        known.update(path)
