"""Reading JSON from files of strangers: it is bounded and has one meaning for all readers."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from edgeface.file_bytes import bytes_of

MAX_BYTES = 1 << 22
"""4 MiB; the names of a thousand layers take a fiftieth."""
MAX_DEPTH = 16
MAX_DIGITS = 18
"""The most digits of a whole number, which 64-bit integers of any language hold."""

_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def parse(data: str | bytes) -> Any:
    """Read a JSON text.

    Raises
    ------
    ValueError
        If it is no JSON in UTF-8, is too long or too deep, has a key twice, or holds numbers that
        are not finite, integers of more than 18 digits, or control characters, which a terminal
        would obey.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES >> 20} MiB")
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    _check(text)
    return json.loads(
        text,
        object_pairs_hook=_object,
        parse_constant=finite,
        parse_float=finite,
        parse_int=_integer,
    )


def read(path: Path) -> Any:
    """Read a JSON file that people edit.

    Raises
    ------
    ValueError
        As `parse` and `text_of` do.
    OSError
        If it cannot be read.
    """
    return parse(text_of(bytes_of(path, MAX_BYTES)))


def text_of(data: bytes) -> str:
    """The text of a file that people edit: UTF-8, also with the mark that some editors begin with.

    Raises
    ------
    ValueError
        If it is in another encoding.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8; save it as UTF-8") from error


def _check(text: str) -> None:
    """Check the depth, before a parser that recurses sees it, and every string's characters."""
    depth = 0
    for match in _STRUCTURE.finditer(text):
        mark = match[0]
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark, 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if mark.startswith('"') and _UNPRINTABLE.search(json.loads(mark, strict=False)):
            raise ValueError(f"it holds control characters or half a character: {mark[:40]!a}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it names a key twice")
    return found


def finite(text: str) -> float:
    """The number that JSON writes so, or ValueError if it is none, as NaN and 1e999 are not."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it holds {text[:40]}, which is no finite number")
    return value


def _integer(text: str) -> int:
    digits = len(text.removeprefix("-"))
    if digits > MAX_DIGITS:
        raise ValueError(f"it holds a whole number of {digits} digits")
    return int(text)
