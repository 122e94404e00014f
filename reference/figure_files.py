"""Writing matplotlib's figures so that nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeface.errors import InvalidInputError
from edgeface.output import whole_file


def save_figure(figure: Any, path: Path, **options: Any) -> None:
    """Write a matplotlib figure, in the format that the suffix names (default: PNG).

    Raises
    ------
    InvalidInputError
        If the file cannot be written, or matplotlib does not know the format.
    """
    kind = path.suffix.removeprefix(".").lower() or "png"
    with whole_file(path) as file:
        try:
            figure.savefig(file, format=kind, **options)
        except ValueError as error:
            raise InvalidInputError(f"cannot write {path}: {error}") from error
