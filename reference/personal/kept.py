"""Figures that a long evaluation finds again when it is started again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from edgeface.errors import InvalidInputError
from edgeface.output import check_place


class Kept:
    """Figures by a key, each a line of JSON in a file; several processes may add to it.

    Parameters
    ----------
    path : the file, which need not be there yet; None keeps nothing

    Raises
    ------
    InvalidInputError
        If the file holds something else, or cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[str, dict[str, float]] = {}
        if path is None:
            return
        check_place(path)
        try:
            lines = path.read_text().splitlines() if path.exists() else []
            for line in lines:
                entry = cast(dict[str, Any], json.loads(line))
                self._found[str(entry["key"])] = dict(entry["figures"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(f"{path} holds no figures of an evaluation: {error}") from error

    def get(self, key: str) -> dict[str, float] | None:
        """The figures of a key, or None."""
        return self._found.get(key)

    def put(self, key: str, figures: dict[str, float]) -> None:
        """Keep figures, in the file at once."""
        self._found[key] = figures
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps({"key": key, "figures": figures}) + "\n")
