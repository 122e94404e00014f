"""Reading glTF files by their content, with all their buffers in one."""

from __future__ import annotations

import base64
import contextlib
import importlib
import mimetypes
import os
import struct
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.file_bytes import bytes_of
from edgeface.retarget.gltf_parts import MAGIC, read_parts
from edgeface.retarget.head import NAME, head_glb
from edgeface.types import FloatArray
from edgeface.values import path_of, shown

FLOAT, ALIGNMENT = 5126, 4
MAX_BYTES = 1 << 30
"""The most that a character, its buffers or its pictures take, 1 GiB; large ones have 200 MB."""
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/ktx2")
MESHOPT = "EXT_meshopt_compression"
"""Compressed views lie in a buffer of their own; the one that they name is empty, and stays so."""


def import_pygltflib() -> Any:
    """Import pygltflib; the error names the remedy."""
    try:
        return importlib.import_module("pygltflib")
    except ImportError as error:
        raise BackendUnavailableError(
            "writing glTF needs pygltflib: pip install 'edgeface[video]'"
        ) from error


def load_character(path: str | os.PathLike[str]) -> Any:
    """Read a character into a ``pygltflib.GLTF2`` with one buffer; "head" is the one that ships.

    Raises
    ------
    InvalidInputError
        If there is no such file, if it is no glTF with nodes, if it is damaged, or if a buffer is
        absent, too short, or outside the file's folder.
    """
    library = import_pygltflib()
    file = path_of("the character", path)
    ships = is_own_head(file)
    if not ships and not os.path.isfile(file):
        raise InvalidInputError(f"no such character: {path}")
    with _explained(path):
        description, binary = read_parts(head_glb() if ships else bytes_of(file, MAX_BYTES))
        with warnings.catch_warnings():  # of pictures that do not say what type they are
            warnings.simplefilter("ignore", RuntimeWarning)
            gltf = library.GLTF2.from_dict(description, infer_missing=True)
        gltf.set_binary_blob(binary)
        folder = file.absolute().parent
        _join_buffers(gltf, folder)
        if not ships:
            _embed_images(gltf, folder)
    return gltf


@contextlib.contextmanager
def _explained(path: str | os.PathLike[str]) -> Generator[None, None, None]:
    """Say of an error that the file is no glTF; the library lets any parsing error through."""
    try:
        yield
    except InvalidInputError:
        raise
    except Exception as error:
        raise InvalidInputError(f"{path} is no readable glTF file: {error}") from error


def files_of(path: str | os.PathLike[str]) -> list[Path]:
    """The files that a character consists of: itself, and buffers and pictures beside it.

    Raises
    ------
    InvalidInputError
        If it is no glTF.
    """
    file = path_of("the character", path)
    if is_own_head(file):
        return []
    with _explained(path):
        description, _ = read_parts(bytes_of(file, MAX_BYTES))
        parts = [*description.get("buffers", ()), *description.get("images", ())]
        uris = [part["uri"] for part in parts if not part.get("uri", "data:").startswith("data:")]
        beside = [_beside(file.absolute().parent, uri) for uri in uris]
    return [file, *(path for path in beside if path is not None)]


def is_own_head(path: str | os.PathLike[str]) -> bool:
    """Whether a character is the head that ships rather than a file."""
    return os.fspath(path) == NAME and not os.path.exists(path)


def _join_buffers(gltf: Any, folder: Path) -> None:
    joined, starts = bytearray(), dict[int, int]()
    empty: list[Any] = []
    for number, buffer in enumerate(gltf.buffers):
        compressed = _meshopt(buffer)
        if compressed is not None and compressed.get("fallback"):
            empty.append(buffer)
            continue
        data = _buffer_bytes(gltf, buffer.uri, folder)
        if len(data) < buffer.byteLength:
            raise InvalidInputError(
                f"buffer {number} of the character has {len(data)} bytes, not {buffer.byteLength}"
            )
        if len(joined) + buffer.byteLength > MAX_BYTES:  # however often one buffer is named
            raise InvalidInputError(f"the character's buffers have more than {MAX_BYTES:,} bytes")
        joined += b"\0" * (-len(joined) % ALIGNMENT)
        starts[number] = len(joined)
        joined += data[: buffer.byteLength]
    places = dict.fromkeys(starts, 0)
    places |= {gltf.buffers.index(buffer): 1 + k for k, buffer in enumerate(empty)}
    for view in gltf.bufferViews:
        packed = _meshopt(view)
        if packed is not None:
            packed["byteOffset"] = packed.get("byteOffset", 0) + starts[packed["buffer"]]
            packed["buffer"] = 0
        view.byteOffset = (view.byteOffset or 0) + starts.get(view.buffer, 0)
        view.buffer = places[view.buffer]
    gltf.buffers = [import_pygltflib().Buffer(byteLength=len(joined)), *empty]
    gltf.set_binary_blob(bytes(joined))


def _meshopt(part: Any) -> dict[str, Any] | None:
    """What a buffer or view says of its compression."""
    extensions: dict[str, Any] = part.extensions or {}
    return extensions.get(MESHOPT)


def _buffer_bytes(gltf: Any, uri: str | None, folder: Path) -> bytes:
    if uri is None:
        return gltf.binary_blob() or b""
    if uri.startswith("data:"):
        return base64.b64decode(uri.partition(",")[2])
    path = _beside(folder, uri)
    if path is None:
        raise InvalidInputError(f"the character's buffer {shown(uri)} lies outside its folder")
    if not os.path.isfile(path):  # a pipe would be waited for
        raise InvalidInputError(f"the character's buffer {shown(uri)} is not there")
    return bytes_of(path, MAX_BYTES)


def _beside(folder: Path, uri: str) -> Path | None:
    """The file that a part of a character names; None if it lies outside the character's folder."""
    path = (folder / unquote(uri)).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


def _embed_images(gltf: Any, folder: Path) -> None:
    """Take the pictures beside the file into it, since the result may lie in another folder."""
    blob = bytearray(gltf.binary_blob() or b"")
    for image in gltf.images:
        if image.uri is None or image.uri.startswith("data:"):
            continue
        path = _beside(folder, image.uri)
        media_type = None if path is None else mimetypes.guess_type(path.name)[0]
        if path is None or media_type not in IMAGE_TYPES or not os.path.isfile(path):
            continue
        blob += b"\0" * (-len(blob) % ALIGNMENT)
        data = bytes_of(path, MAX_BYTES)
        if len(blob) + len(data) > MAX_BYTES:
            raise InvalidInputError(f"the character's pictures have more than {MAX_BYTES:,} bytes")
        view = import_pygltflib().BufferView(buffer=0, byteOffset=len(blob), byteLength=len(data))
        gltf.bufferViews.append(view)
        image.uri, image.mimeType, image.bufferView = None, media_type, len(gltf.bufferViews) - 1
        blob += data
    gltf.buffers[0].byteLength = len(blob)
    gltf.set_binary_blob(bytes(blob))


def glb_bytes(gltf: Any) -> bytes:
    """A loaded file as a binary glTF file.

    The library's own writer would lose the empty buffers of compressed meshes.
    """
    text = gltf.gltf_to_json().encode()
    text += b" " * (-len(text) % ALIGNMENT)
    blob = gltf.binary_blob() or b""
    blob += b"\0" * (-len(blob) % ALIGNMENT)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(blob), b"BIN\0") + blob
    return struct.pack("<4sII", MAGIC, 2, 12 + len(chunks)) + chunks


class Blob:
    """The binary part of a loaded file, to which arrays are appended."""

    def __init__(self, gltf: Any) -> None:
        self._gltf = gltf
        self._data = bytearray(gltf.binary_blob() or b"")

    def add(self, rows: FloatArray, kind: str) -> int:
        """Append float32 rows (T, D); returns the number of their accessor."""
        library = import_pygltflib()
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
        """Hand the binary part back to the file."""
        for accessor in self._gltf.accessors:
            if accessor.bufferView is None:  # of sparse ones the library makes up an offset
                accessor.byteOffset = None
        self._gltf.buffers[0].byteLength = len(self._data)
        self._gltf.set_binary_blob(bytes(self._data))
