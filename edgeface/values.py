"""Kinds of value: what a value may be is said once, checked in one way, and written as JSON Schema.

Options of functions and entries of files go through the same kinds of value. Python's and numpy's
numbers and bools are taken alike. A bool is no number, and neither is anything that is not finite.
"""

from __future__ import annotations

import numbers
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from edgeface.addresses import without_secrets
from edgeface.errors import InvalidInputError
from edgeface.types import Float64Array

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Kind(Protocol[T_co]):
    """A kind of value."""

    def check(self, value: Any, name: str) -> T_co:
        """Return the value in Python's own type; raises ValueError if it is wrong, naming it."""
        ...

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of such values, for programs in other languages."""
        ...


def option(name: str, value: Any, kind: Kind[T]) -> T:
    """Check an argument of a public function; raises InvalidInputError if it is wrong."""
    try:
        return kind.check(value, name)
    except ValueError as error:
        raise InvalidInputError(str(error)) from error


def instance(name: str, value: object, kind: type[T], made_by: str = "") -> T:
    """Check an argument that must be an object of a class; raises InvalidInputError if it is not.

    ``made_by`` is the function that makes such objects, for the message.
    """
    if not isinstance(value, kind):
        made = f", as {made_by} gives it" if made_by else ""
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise InvalidInputError(
            f"{name} must be {article} {kind.__name__}{made}, got {shown(value)}"
        )
    return value


def path_of(name: str, value: Any) -> Path:
    """Check an argument that names a file; raises InvalidInputError if it is wrong."""
    try:
        text: Any = cast(Any, os).fspath(value)
        good = isinstance(text, str) and text != "" and b"\0" not in os.fsencode(text)
    except Exception:  # of half characters, and of objects that are broken
        good, text = False, ""
    if not good:
        raise InvalidInputError(f"{name} must be a path, got {shown(value)}")
    if text.lower().startswith(("http:/", "https:/")):  # one slash is all that `Path` leaves
        raise InvalidInputError(
            f"{name} must be a path, and {without_secrets(text)} is an address of the web: "
            "only images and videos are fetched"
        )
    return Path(text)


def array_of(name: str, value: Any, shape: str) -> Float64Array:
    """Check an argument of finite real numbers and return it as float64; errors tell ``shape``.

    Raises
    ------
    InvalidInputError
        If it is no array of numbers, is masked, or holds anything that is not finite.
    """
    wanted = f"{name} must be finite numbers of shape {shape}"
    try:
        array = np.asarray(value)
    except Exception as error:  # rows of different lengths, and objects that are broken
        raise InvalidInputError(f"{wanted}: {error}") from error
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidInputError(f"{wanted}, got a masked array: choose the rows that are valid")
    if array.dtype.kind not in "iuf" and array.size:
        raise InvalidInputError(f"{wanted}, got {array.dtype}")
    if array.size and not np.isfinite(array).all():
        raise InvalidInputError(f"{wanted}, got values that are not finite")
    return array.astype(np.float64)


def shown(value: Any) -> str:
    """A short text of any value for an error message, on one line."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of integers of 5,000 digits, and of objects that are broken
        return f"a value of the type {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


_BOOLS: tuple[Any, ...] = (bool, np.bool_)


def _is(number_type: type, value: Any) -> bool:
    """Whether a value is a number of Python's or numpy's; True and False are none."""
    return isinstance(value, number_type) and not isinstance(value, bool)


@dataclass(frozen=True)
class Number:
    """A finite number in [low, high], or in (low, high] if ``above``."""

    low: float
    high: float
    above: bool = False

    def check(self, value: Any, name: str) -> float:
        value = value.item() if isinstance(value, np.floating) else value  # float16 holds no limits
        good = _is(numbers.Real, value) and self.low <= value <= self.high
        if not good or (self.above and value == self.low):
            bracket = "(" if self.above else "["
            raise ValueError(
                f"{name} must lie in {bracket}{self.low:g}, {self.high:g}], got {shown(value)}"
            )
        return float(value)

    def json_schema(self) -> dict[str, Any]:
        low = "exclusiveMinimum" if self.above else "minimum"
        return {"type": "number", low: self.low, "maximum": self.high}


@dataclass(frozen=True)
class Whole:
    """A whole number in [low, high], a multiple of ``step``."""

    low: int
    high: int
    step: int = 1

    def check(self, value: Any, name: str) -> int:
        good = _is(numbers.Integral, value) and self.low <= value <= self.high
        if not good or value % self.step:
            multiple = f", a multiple of {self.step}" if self.step > 1 else ""
            raise ValueError(
                f"{name} must be a whole number from {self.low} to {self.high}{multiple}, "
                f"got {shown(value)}"
            )
        return int(value)

    def json_schema(self) -> dict[str, Any]:
        schema = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return schema | ({"multipleOf": self.step} if self.step > 1 else {})


@dataclass(frozen=True)
class Text:
    """A text of some length, without control characters, that a pattern fits as a whole."""

    longest: int = 200
    pattern: str = ".+"

    def check(self, value: Any, name: str) -> str:
        good = isinstance(value, str) and len(value) <= self.longest
        if not good or not re.fullmatch(self.pattern, value) or not value.isprintable():
            what = "text" if self.pattern == ".+" else f"text like {self.pattern}"
            raise ValueError(
                f"{name} must be {what} of 1 to {self.longest} characters, got {shown(value)}"
            )
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.longest, "pattern": f"^(?:{self.pattern})$"}


SECONDS = Number(-1e10, 1e10)
"""The times that a frame may have: any clock's, also that of the system."""
SHA256 = Text(64, "[0-9a-f]{64}")
"""A hash, in hex."""


@dataclass(frozen=True)
class Choice:
    """One word of several."""

    words: tuple[str, ...]

    def check(self, value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(f"{name} must be one of {', '.join(self.words)}, got {shown(value)}")
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Flag:
    """True or false, or only false if ``never``."""

    never: bool = False

    def check(self, value: Any, name: str) -> bool:
        if not isinstance(value, _BOOLS) or (self.never and value):
            raise ValueError(
                f"{name} must be {'false' if self.never else 'true or false'}, got {shown(value)}"
            )
        return bool(value)

    def json_schema(self) -> dict[str, Any]:
        return {"const": False} if self.never else {"type": "boolean"}


@dataclass(frozen=True)
class Several:
    """A list of items of one kind, as many as allowed, and all different if ``unique``."""

    item: Kind[Any]
    least: int
    most: int
    unique: bool = False

    def check(self, value: Any, name: str) -> tuple[Any, ...]:
        if (
            not isinstance(value, list)
            or not self.least <= len(cast(list[Any], value)) <= self.most
        ):
            count = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
            got = f"{len(cast(list[Any], value))}" if isinstance(value, list) else shown(value)
            raise ValueError(f"{name} must be a list of {count} items, got {got}")
        rows = enumerate(cast(list[Any], value))
        items = tuple(self.item.check(row, f"{name}[{i}]") for i, row in rows)
        if self.unique and len(set(items)) < len(items):
            raise ValueError(f"{name} must not name the same thing twice")
        return items

    def json_schema(self) -> dict[str, Any]:
        schema = {"type": "array", "items": self.item.json_schema()}
        schema |= {"minItems": self.least, "maxItems": self.most}
        return schema | ({"uniqueItems": True} if self.unique else {})


@dataclass(frozen=True)
class Version:
    """The [major, minor] version of a format, of which any minor one is read.

    Attributes
    ----------
    major : the major version that is read
    newer : another one that is read; 0 if there is none
    """

    major: int
    newer: int = 0

    def check(self, value: Any, name: str) -> tuple[int, int]:
        try:
            major, minor = Several(Whole(0, 10**6), 2, 2).check(value, name)
        except ValueError:
            major = minor = -1
        if major not in self._majors:
            read = " and ".join(f"{known}.x" for known in self._majors)
            raise ValueError(f"{name} {shown(value)} is unknown: this release reads {read}")
        return major, minor

    def json_schema(self) -> dict[str, Any]:
        major = {"enum": [*self._majors]} if self.newer else {"const": self.major}
        parts = [major, {"type": "integer", "minimum": 0}]
        return {"type": "array", "prefixItems": parts, "minItems": 2, "maxItems": 2}

    @property
    def _majors(self) -> tuple[int, ...]:
        return (self.major, self.newer) if self.newer else (self.major,)


@dataclass(frozen=True)
class Free:
    """Any JSON object, for people and tools."""

    def check(self, value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"{name} must be an object, got {shown(value)}")
        return cast(dict[str, Any], value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True)
class Mapped:
    """An object of any names and values of one kind."""

    item: Kind[Any]

    def check(self, value: Any, name: str) -> dict[str, Any]:
        entries = Free().check(value, name).items()
        return {key: self.item.check(entry, f"{name}.{key}") for key, entry in entries}

    def json_schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.json_schema()}


@dataclass(frozen=True)
class Record:
    """An object with these entries; others are passed over, as newer versions may have more.

    Attributes
    ----------
    required, optional : the kinds of the entries, by name
    """

    required: Mapping[str, Kind[Any]]
    optional: Mapping[str, Kind[Any]] = field(default_factory=lambda: {})

    def check(self, value: Any, name: str) -> dict[str, Any]:
        """Check the known entries and return them; in errors, ``name`` stands before theirs."""
        values = Free().check(value, name or "it")
        prefix = f"{name}." if name else ""
        for key in self.required:
            if key not in values:
                raise ValueError(f"the entry {prefix}{key} is missing")
        kinds = {**self.required, **self.optional}
        return {k: kind.check(values[k], prefix + k) for k, kind in kinds.items() if k in values}

    def json_schema(self) -> dict[str, Any]:
        kinds = {**self.required, **self.optional}
        return {
            "type": "object",
            "required": list(self.required),
            "properties": {name: kind.json_schema() for name, kind in kinds.items()},
        }
