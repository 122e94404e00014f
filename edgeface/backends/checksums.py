"""Checksums, which show whether a model file still is what the converter wrote.

The JSON of a file carries two SHA-256 sums under ``checksums``. ``network`` is the sum of
everything in the file but the two entries of edgeface, so that it holds whatever the metadata says;
the face model has a hash of its own. ``metadata`` is the sum of the entries of the JSON that decide
which faces come out. Older files have no sums and are taken as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgeface.errors import ConversionError, MetadataError, ModelFormatError
from edgeface.metadata import Metadata

CHECKSUMS, NETWORK, METADATA = "checksums", "network", "metadata"
DECIDING = (
    "kind", "input_size", "any_size", "stride", "cell_range", "anchors", "score_threshold",
    "iou_threshold", "crop_scale", "expression_names", "unseen_expressions", "face_model_sha256",
    "precision",
)  # fmt: skip
"""The entries of the JSON that the checksum is of; others may be edited."""
_UNKNOWN = "0" * 64
"""What stands for the network's checksum until the file is laid out."""


def sealed_json(metadata: Metadata) -> str:
    """The JSON of a file with its checksums, which `stamped` completes."""
    values = json.loads(metadata.to_json())
    values[CHECKSUMS] = {NETWORK: _UNKNOWN, METADATA: _of_metadata(values)}
    return json.dumps(values, indent=1)


def stamped(content: bytes, pieces: Iterable[bytes | memoryview]) -> bytes:
    """Put the network's checksum in its place in a file, or in the part that holds the JSON.

    Raises
    ------
    ConversionError
        If there is no such place, or more than one.
    """
    before, after = (f'"{NETWORK}": "{sum_}"'.encode() for sum_ in (_UNKNOWN, of_network(pieces)))
    if content.count(before) != 1:
        raise ConversionError("the file has no place for its checksum")
    return content.replace(before, after)


def of_network(pieces: Iterable[bytes | memoryview]) -> str:
    """The SHA-256 sum of bytes in pieces."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def check(description: str | bytes, pieces: Iterable[bytes | memoryview], path: Path) -> None:
    """Hold a file against the checksums in its JSON, if it has any.

    Raises
    ------
    ModelFormatError, MetadataError
        If the network or the metadata is damaged.
    """
    values = json.loads(description)
    sums = values.get(CHECKSUMS)
    if sums is None:
        return
    if sums[NETWORK] != of_network(pieces):
        raise ModelFormatError(
            f"{path} is damaged: its network does not match its checksum; get the file again, or "
            "convert the checkpoint again"
        )
    if sums[METADATA] != _of_metadata(values):
        raise MetadataError(
            f"{path}: the metadata does not match its checksum, so it is damaged or was edited; "
            f"whoever edits it on purpose removes {CHECKSUMS!r} from it"
        )


def _of_metadata(values: dict[str, Any]) -> str:
    deciding = {name: values[name] for name in DECIDING if name in values}
    text = json.dumps(deciding, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
