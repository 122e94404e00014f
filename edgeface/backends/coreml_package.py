"""Reading CoreML packages, which are folders of files, without CoreML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeface import strict_json
from edgeface.backends.contents import model_bytes
from edgeface.backends.protobuf import entry, inside, outside
from edgeface.errors import ModelFormatError

MODEL = Path("Data", "com.apple.CoreML", "model.mlmodel")
MANIFEST, ROOT = "Manifest.json", "com.apple.CoreML/model.mlmodel"
"""The file in which CoreML looks for the model, and what it must say, since that is checked."""
WEIGHTS = Path("Data", "com.apple.CoreML", "weights", "weight.bin")
DESCRIPTION, DESCRIPTION_METADATA, USER_DEFINED = 2, 100, 100
"""Fields of CoreML's ``Model``, ``ModelDescription`` and ``Metadata``."""


def network_pieces(path: Path) -> list[bytes | memoryview]:
    """What a package's checksum is of: weights, and the model without its description's metadata.

    Errors are those of `read_package`.
    """
    return read_package(path)[1]


def read_package(path: Path) -> tuple[dict[str, str], list[bytes | memoryview]]:
    """Read the user's entries in the metadata, and what the checksum is of.

    Raises
    ------
    ModelFormatError
        If a file is absent or damaged, or the manifest names another model than the one checked,
        or anything in the package is a link or a device, which could lead to what is outside of it.
    """
    links = [part for part in (path, *path.rglob("*")) if part.is_symlink()]
    if links and links != [path]:
        raise ModelFormatError(f"{path} holds the link {links[-1].name!r}, which is not followed")
    odd = [part for part in path.rglob("*") if not (part.is_file() or part.is_dir())]
    if odd:
        raise ModelFormatError(f"{path} holds {odd[0].name!r}, which is neither file nor folder")
    try:
        manifest: Any = strict_json.parse(model_bytes(path / MANIFEST))
        named = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
        if named != ROOT:
            raise ValueError(f"its manifest names another model than {ROOT}")
        model = memoryview(model_bytes(path / MODEL))
        place = (DESCRIPTION, DESCRIPTION_METADATA)
        entries = dict(entry(content) for content in inside(model, (*place, USER_DEFINED)))
        return entries, [*outside(model, place), model_bytes(path / WEIGHTS)]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ModelFormatError(f"{path} is no readable CoreML package: {error}") from error
