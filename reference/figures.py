"""Writing figures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from edgeface.errors import InvalidInputError
from edgeface.output import write_output


def save_figure(figure: Any, path: Path, **options: Any) -> None:
    """Write a matplotlib figure whole, in the format that the suffix names (default: PNG).

    Raises
    ------
    InvalidInputError
        If the file cannot be written, or matplotlib does not know the format.
    """
    buffer = io.BytesIO()
    try:
        figure.savefig(buffer, format=path.suffix.removeprefix(".").lower() or "png", **options)
    except ValueError as error:
        raise InvalidInputError(f"cannot write {path}: {error}") from error
    write_output(path, buffer.getvalue())
