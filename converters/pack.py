"""Packs: what ready files share with the ONNX file of their network, found in their bytes.

`edgeface.ready` says what a pack is for and reads it.
"""

# the library here tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from edgeface.metadata import FACE_MODEL_KEY
from edgeface.ready import AS_INT8, LEVELS, piece_bytes, write_pack

LEAST = 256
"""Bytes of a piece that are worth an entry in the index."""
ORDERS: dict[int, list[list[int]]] = {
    1: [[0]],
    2: [[0, 1], [1, 0]],
    4: [[0, 1, 2, 3], [0, 2, 3, 1], [1, 2, 3, 0], [2, 3, 1, 0]],
}
"""Orders of a tensor's axes by their number: as in ONNX, and as TFLite has them."""
FORMS: dict[int, tuple[str, ...]] = {
    TensorProto.FLOAT: ("<f4", "<f2", *LEVELS),
    TensorProto.INT8: (AS_INT8,),
}
"""The forms of a tensor by its type in the ONNX file."""


def pack(onnx_file: Path, ready: list[Path], out: Path) -> None:
    """Write the pack of ready files that were converted from one network.

    Parameters
    ----------
    onnx_file : the ONNX file that ships beside the pack. If its weights are int8, only files whose
        weights are int8 share them.
    ready : files and CoreML packages in the same folder
    out : the pack
    """
    source = onnx_file.read_bytes()
    candidates = list(_candidates(source))
    index: dict[str, dict[str, Any]] = {}
    kept: dict[str, bytes] = {}
    for path in ready:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        index[path.name] = {}
        for file in files:
            name = file.relative_to(path.parent).as_posix()
            content = file.read_bytes()
            pieces, kept[name] = _split(content, candidates)
            digest = hashlib.sha256(content).hexdigest()
            index[path.name][name] = {"sha256": digest, "pieces": pieces}
    write_pack(out, index, kept)


def _candidates(source: bytes) -> Iterator[tuple[bytes, list[Any]]]:
    """Every form in which a part of the ONNX file may stand in another, the longest first."""
    model = onnx.load_from_string(source)
    for entry in model.metadata_props:
        if entry.key == FACE_MODEL_KEY:
            offset, length = source.index(entry.value.encode()), len(entry.value)
            for form in ("text", "base64"):
                yield piece_bytes(source, offset, form, [length], []), [offset, form, [length], []]
    tensors = sorted(model.graph.initializer, key=lambda t: -len(t.raw_data))
    for tensor in tensors:
        forms = FORMS.get(tensor.data_type, ())
        if not forms or len(tensor.raw_data) < LEAST:
            continue
        offset, shape = source.index(tensor.raw_data), list(tensor.dims)
        for axes in ORDERS.get(len(shape), []):
            for form in forms:
                yield piece_bytes(source, offset, form, shape, axes), [offset, form, shape, axes]


def _split(content: bytes, candidates: list[tuple[bytes, list[Any]]]) -> tuple[list[Any], bytes]:
    """The pieces of a file, in their order, and the bytes between them."""
    found: list[tuple[int, int, list[Any]]] = []
    for part, piece in candidates:
        if len(part) < LEAST:
            continue
        start = content.find(part)
        end = start + len(part)
        if start >= 0 and all(end <= s or start >= e for s, e, _ in found):
            found.append((start, end, piece))
    found.sort()
    edges = [0, *(edge for start, end, _ in found for edge in (start, end)), len(content)]
    kept = b"".join(content[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
    return [[start, *piece] for start, _, piece in found], kept
