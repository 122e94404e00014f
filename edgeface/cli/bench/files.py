"""Records of ``edgeface bench`` on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from edgeface import strict_json
from edgeface.errors import InvalidInputError
from edgeface.output import write_output
from edgeface.terminal import printable


def read_record(path: Path) -> dict[str, Any]:
    """What ``edgeface bench run --json`` wrote.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, or is no such record.
    """
    try:
        record = strict_json.read(path)
        if record["schema_version"] != 1:
            raise ValueError("it is not of version 1")
        if "results" not in record:
            raise ValueError("it has no results of edgeface bench run")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"{path} is no record of edgeface bench: {error}") from error
    return record


def write_text(path: Path, text: str, told: TextIO) -> None:
    """Write a record, and say so on ``told``.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    write_output(path, text)
    print(printable(f"wrote {path}"), file=told)
