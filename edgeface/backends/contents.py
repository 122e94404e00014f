"""The two entries that every model file carries: what it says of itself, and its face model."""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Iterable
from pathlib import Path

from edgeface.backends.checksums import check, sealed_json
from edgeface.errors import MetadataError, ModelFormatError
from edgeface.face_model import FaceModel
from edgeface.kinds import NUM_HARMONICS
from edgeface.metadata import FACE_MODEL_KEY, KEY, Metadata

MAX_FILE_BYTES = 1 << 31
"""2 GiB, the largest file that ONNX and TFLite have."""


def model_bytes(path: Path) -> bytes:
    """The content of a model file, or of a part of one.

    Raises
    ------
    ModelFormatError
        If it is larger than `MAX_FILE_BYTES`, or no file.
    OSError
        If it cannot be read.
    """
    check_file(path)
    return path.read_bytes()


def check_file(path: Path) -> None:
    """Check what `model_bytes` checks, without reading anything."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ModelFormatError(f"{path} is no model, since it is no file")
    if state.st_size > MAX_FILE_BYTES:
        raise ModelFormatError(
            f"{path} is no model: it has {state.st_size:,} bytes, more than {MAX_FILE_BYTES:,}"
        )


def num_bytes(path: Path) -> int:
    """The size of a model file, or of all files of a package."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def read_contents(
    path: Path,
    description: str | bytes | None,
    face_model: str | bytes | None,
    network: Iterable[bytes | memoryview],
) -> tuple[Metadata, FaceModel]:
    """Parse both entries, and check that they belong together and the file is undamaged.

    Parameters
    ----------
    path : the model file, which errors name
    description : the JSON under the key ``edgeface``
    face_model : the ``.npz`` under the key ``edgeface_face_model``, as bytes or as base64 text
    network : the bytes of the file that the JSON's checksum is of

    Raises
    ------
    MetadataError, ModelFormatError
        If an entry is absent or damaged, if the face model is not the one that the JSON names, or
        if the file does not match the checksums in the JSON.
    """
    metadata = Metadata.from_json(description, str(path))
    assert description is not None
    check(description, network, path)
    if face_model is None:
        raise MetadataError(f"{path} carries no face model under the key {FACE_MODEL_KEY!r}")
    if isinstance(face_model, str):
        try:
            face_model = base64.b64decode(face_model, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MetadataError(f"{path}: the face model inside is no base64: {error}") from error
    model = FaceModel.from_bytes(face_model, source=f"the face model in {path}")
    if model.sha256 != metadata.face_model_sha256:
        raise MetadataError(f"{path}: the face model inside is not the one it names")
    if model.expression_names != metadata.expression_names:
        raise MetadataError(f"{path}: expression_names are not those of the face model inside")
    harmonics = 0 if model.harmonics is None else model.harmonics.shape[1]
    if metadata.network_kind.corrects_shape and harmonics != NUM_HARMONICS:
        raise MetadataError(
            f"{path}: a {metadata.kind} needs a face model with {NUM_HARMONICS} harmonics, the one "
            f"inside has {harmonics}"
        )
    if model.is_dense != metadata.dense_mesh:
        carried = "carries a dense mesh" if model.is_dense else "carries no dense mesh"
        raise MetadataError(f"{path} {carried}, although its metadata says otherwise")
    return metadata, model


def to_text(metadata: Metadata, face_model: FaceModel) -> dict[str, str]:
    """Both entries as text, for formats that hold nothing else."""
    return {
        KEY: sealed_json(metadata),
        FACE_MODEL_KEY: base64.b64encode(face_model.to_bytes()).decode(),
    }
