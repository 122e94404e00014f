"""Reading CoreML packages, which are folders of files, without CoreML."""

from __future__ import annotations

from pathlib import Path

from edgeface.backends.protobuf import outside
from edgeface.errors import ModelFormatError

MODEL = Path("Data", "com.apple.CoreML", "model.mlmodel")
WEIGHTS = Path("Data", "com.apple.CoreML", "weights", "weight.bin")
DESCRIPTION, DESCRIPTION_METADATA = 2, 100
"""Fields of CoreML's ``Model`` and ``ModelDescription``."""


def network_pieces(path: Path) -> list[bytes | memoryview]:
    """What a package's checksum is of: weights, and the model without its description's metadata.

    Raises
    ------
    ModelFormatError
        If a file is absent or damaged, or anything in the package is a link, which could lead to
        files outside of it.
    """
    links = [part for part in (path, *path.rglob("*")) if part.is_symlink()]
    if links and links != [path]:
        raise ModelFormatError(f"{path} holds the link {links[-1].name!r}, which is not followed")
    try:
        model = memoryview((path / MODEL).read_bytes())
        return [*outside(model, (DESCRIPTION, DESCRIPTION_METADATA)), (path / WEIGHTS).read_bytes()]
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"{path} is no readable CoreML package: {error}") from error
