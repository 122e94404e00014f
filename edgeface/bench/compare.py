"""Two records side by side: ``edgeface bench compare A.json B.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edgeface.errors import InvalidInputError

SLACK = 0.05
"""The share by which figures differ on an ordinary machine by chance."""

Verdict = Literal["better", "worse", "same", "only in A", "only in B"]


@dataclass(frozen=True)
class Line:
    """One figure of both records; lower is better for every figure compared."""

    name: str
    unit: str
    a: float | None
    b: float | None
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        """B over A."""
        return None if not self.a or self.b is None else self.b / self.a


def compare(a: dict[str, Any], b: dict[str, Any]) -> list[Line]:
    """Compare every figure of two records, with a verdict on B.

    Figures differ if they do so by more than `SLACK`. Of times, the middle halves must not overlap
    either.

    Raises
    ------
    InvalidInputError
        If a record lacks figures that every one has, or they are no numbers, or the records have no
        figure in common.
    """
    first, second = _checked(a, "first"), _checked(b, "second")
    if not first.keys() & second.keys():
        raise InvalidInputError(
            "the records have no figure in common: they are of files of other names, or of other "
            "threads or kernels"
        )
    lines: list[Line] = []
    for name in [*first, *(n for n in second if n not in first)]:
        x, y = first.get(name), second.get(name)
        unit = (x or y or ("", 0.0, 0.0, 0.0))[0]
        lines.append(Line(name, unit, x and x[1], y and y[1], _verdict(x, y)))
    return lines


Figure = tuple[str, float, float, float]  # unit, value, and the ends of its middle half


def _verdict(a: Figure | None, b: Figure | None) -> Verdict:
    if a is None or b is None:
        return "only in B" if a is None else "only in A"
    overlap = a[2] <= b[3] and b[2] <= a[3]
    if overlap or abs(b[1] - a[1]) <= SLACK * a[1]:
        return "same"
    return "worse" if b[1] > a[1] else "better"


def _checked(record: dict[str, Any], which: str) -> dict[str, Figure]:
    try:
        return {
            name: (unit, float(value), float(low), float(high))
            for name, (unit, value, low, high) in _figures(record).items()
        }
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"the {which} record is none that edgeface bench run wrote, or is damaged: {error!r}"
        ) from error


def _figures(record: dict[str, Any]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for result in record["results"]:
        key = f"{result['file']}, {result['threads']} threads, {result['kernels']}"
        cold = result["cold_start"]
        figures[f"{key}: cold start"] = ("s", cold["median_s"], cold["min_s"], cold["max_s"])
        for name, unit in (("load_ms", "ms"), ("peak_memory_mb", "MB"), ("file_mb", "MB")):
            if result[name] is not None:
                # single values: half the slack to each side, so that only more is a difference
                value = result[name]
                figures[f"{key}: {name.rpartition('_')[0].replace('_', ' ')}"] = (
                    unit,
                    value,
                    value * (1 - SLACK / 2),
                    value * (1 + SLACK / 2),
                )
        for run in result["faces"]:
            for stage, t in run["stages"].items():
                name = f"{key}: {stage}, {run['count']} faces"
                figures[name] = ("ms", t["median_ms"], t["q25_ms"], t["q75_ms"])
    return figures
