"""Reading a ``.pt2`` archive without letting anything in it be executed.

PyTorch's own reader unpickles sample inputs, and weights and constants if they say so. It hands the
text of size expressions to ``eval``, imports the operators that the graph names, and loads compiled
libraries. It never sees the file: the entries are read here, as bytes, and only those that the
project's converter writes.
"""

from __future__ import annotations

import re
import stat
import zipfile
from pathlib import Path

from edgeface.backends.contents import check_file
from edgeface.errors import ModelFormatError
from edgeface.metadata import FACE_MODEL_KEY, KEY

PROGRAM = "models/model.json"
WEIGHTS = "data/weights/"
WEIGHTS_INDEX = WEIGHTS + "model_weights_config.json"
CONSTANTS_INDEX = "data/constants/model_constants_config.json"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
"""An entry that is a pickle in files of earlier converters and empty now; it is never read."""
DESCRIPTION, FACE_MODEL = f"extra/{KEY}", f"extra/{FACE_MODEL_KEY}"

_NAMED = (
    PROGRAM, WEIGHTS_INDEX, CONSTANTS_INDEX, SAMPLE_INPUTS, DESCRIPTION, FACE_MODEL,
    "archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id",
)  # fmt: skip
_WEIGHT = re.compile(r"data/weights/weight_[0-9]{1,6}")
_ENCRYPTED = 0x1


def read_archive(path: Path) -> dict[str, bytes]:
    """Read every entry of a ``.pt2`` file but the sample inputs, by its name in the root folder.

    Raises
    ------
    ModelFormatError
        If the file is no zip, or has an entry that no converted file has: one with an unknown,
        absolute or repeated name, a link, or compressed or encrypted content.
    """
    try:
        check_file(path)
        with zipfile.ZipFile(path) as archive:
            inside = _checked(archive.infolist(), path)
            return {
                name: archive.read(entry) for name, entry in inside.items() if name != SAMPLE_INPUTS
            }
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{path} is no readable .pt2 archive: {error}") from error


def network_pieces(entries: dict[str, bytes]) -> list[bytes]:
    """What a file's checksum is of: the name, length and content of entries, sorted by name.

    The two entries of edgeface, and the sample inputs, are left out.
    """
    pieces: list[bytes] = []
    for name in sorted(entries.keys() - {DESCRIPTION, FACE_MODEL, SAMPLE_INPUTS}):
        pieces += [f"{name}\n{len(entries[name])}\n".encode(), entries[name]]
    return pieces


def _checked(entries: list[zipfile.ZipInfo], path: Path) -> dict[str, zipfile.ZipInfo]:
    """The entries by their name in the one folder that holds them all."""
    size = path.stat().st_size
    inside: dict[str, zipfile.ZipInfo] = {}
    roots: set[str] = set()
    for entry in entries:
        root, _, name = entry.filename.partition("/")
        roots.add(root)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name in inside:
            raise ModelFormatError(f"{path} holds the entry {name!r} twice")
        if (name not in _NAMED and not _WEIGHT.fullmatch(name)) or kind not in (0, stat.S_IFREG):
            raise ModelFormatError(
                f"{path} holds the entry {entry.filename!r}, which no file of edgeface's converter "
                "has; nothing of it was read. Convert the checkpoint again"
            )
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED:
            raise ModelFormatError(f"{path}: {name!r} is compressed or encrypted; expected neither")
        inside[name] = entry
    if sum(entry.file_size for entry in entries) > size:  # as entries that share bytes do
        raise ModelFormatError(f"{path}: the entries claim more bytes than the file has")
    if len(roots) != 1 or roots & {"", ".", ".."}:
        raise ModelFormatError(f"{path}: expected all entries in one folder, got {sorted(roots)}")
    return inside
