"""A record as tables, with a line for each configuration and number of faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

STAGES = ("resize", "network", "decode", "nms", "landmarks", "post-processing", "run")


def rows(record: dict[str, Any]) -> list[list[str]]:
    """The table of times: a heading, and a line for each configuration and number of faces."""
    table = [["file", "threads", "kernels", "faces", *(f"{s} ms" for s in STAGES), "runs/s"]]
    for result in record["results"]:
        for run in result["faces"]:
            stages = [
                f"{run['stages'][s]['median_ms']:.3g}" if s in run["stages"] else "-"
                for s in STAGES
            ]
            head = [result["file"], str(result["threads"]), result["kernels"], str(run["count"])]
            table.append([*head, *stages, f"{run['per_second']:.0f}"])
    return table


def start_rows(record: dict[str, Any]) -> list[list[str]]:
    """The table of start, memory and size: a heading, and a line for each configuration."""
    table = [["file", "threads", "kernels", "first faces s", "its MB", "load ms", "peak MB", "MB"]]
    for r in record["results"]:
        cold = r["cold_start"]
        table.append(
            [
                r["file"],
                str(r["threads"]),
                r["kernels"],
                f"{cold['median_s']:.2f}",
                _number(cold["peak_memory_mb"]),
                _number(r["load_ms"]),
                _number(r["peak_memory_mb"]),
                f"{r['file_mb']:.1f}",
            ]
        )
    return table


def busiest(record: dict[str, Any]) -> float:
    """The largest share of a stage's time in which the process had no processor."""
    stages = [s for r in record["results"] for run in r["faces"] for s in run["stages"].values()]
    return max((s["waited"] for s in stages if s["median_ms"] >= 1), default=0.0)


def as_text(table: Sequence[Sequence[str]]) -> str:
    """A table as text with aligned columns, of which the first is left-aligned."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            v.ljust(w) if i == 0 else v.rjust(w)
            for i, (v, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
