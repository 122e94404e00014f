"""The ledger of sources that anyone may use: a free run opens no file that it lacks.

``ledger.toml`` names each source with its terms; ``ledger.sha256`` lists the files, a line each:
the SHA-256 of its content, its source, its name. Content decides, wherever a file lies.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeface.errors import InvalidInputError

FOLDER = Path(__file__).parent
MADE = "made"
"""The source of files that the project's own commands made of listed files alone."""


@dataclass(frozen=True)
class Source:
    """Where files come from, and what allows their use.

    Attributes
    ----------
    address : where the source is published
    terms : its terms, in its own words
    holder : who holds what right
    date : when that was looked at
    """

    address: str
    terms: str
    holder: str
    date: str


@dataclass(frozen=True)
class Ledger:
    """Sources by name, and the source and name of every file by the SHA-256 of its content."""

    sources: Mapping[str, Source]
    files: Mapping[str, tuple[str, str]]

    def source_of(self, content: bytes) -> str | None:
        """The source of a file with this content; None if it is not in the ledger."""
        entry = self.files.get(hashlib.sha256(content).hexdigest())
        return entry[0] if entry else None

    def read(self, path: Path) -> bytes:
        """The content of a file, which the ledger must have.

        Raises
        ------
        InvalidInputError
            If it cannot be read, or is not in the ledger.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidInputError(f"cannot read {path}: {error}") from error
        if self.source_of(content) is None:
            raise InvalidInputError(
                f"{path} is not in the ledger of free sources ({FOLDER.name}/ledger.sha256), and a "
                "free run opens nothing else; add its SHA-256 "
                f"{hashlib.sha256(content).hexdigest()} there once its terms are known to allow "
                "any use"
            )
        return content


@cache
def free_ledger() -> Ledger:
    """The ledger that the project keeps.

    Raises
    ------
    InvalidInputError
        If a listed file names a source that is not described.
    """
    described = tomllib.loads((FOLDER / "ledger.toml").read_text(encoding="utf-8"))
    sources = {name: Source(**entry) for name, entry in described.items()}
    files: dict[str, tuple[str, str]] = {}
    for line in (FOLDER / "ledger.sha256").read_text(encoding="utf-8").splitlines():
        digest, source, name = line.split(maxsplit=2)
        if source not in sources:
            raise InvalidInputError(f"ledger.sha256 names {source}, which ledger.toml lacks")
        files[digest] = (source, name)
    return Ledger(sources, files)
