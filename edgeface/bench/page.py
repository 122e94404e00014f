"""A record as one HTML page that needs no network, with tables, plots and the record itself."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from edgeface.bench.tables import busiest, rows, start_rows

COLOURS = ("#4c6ef5", "#12b886", "#f76707", "#ae3ec9", "#e03131", "#0b7285", "#5c940d", "#495057")
WIDTH, HEIGHT, MARGIN = 560, 260, 46

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; padding: 0 1rem;
  color: #212529; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid #dee2e6; padding: .3rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
svg { background: #f8f9fa; margin: 0 1rem 1rem 0; max-width: 100%; }
svg text { font: 11px system-ui, sans-serif; fill: #343a40; }
figure { display: inline-block; margin: 0; } figcaption { font-weight: 600; }
.warning { background: #fff3bf; padding: .5rem 1rem; }
"""


def as_html(record: dict[str, Any]) -> str:
    """The page of a record, with its plots as inline SVG."""
    system = record["system"]
    facts = [["", ""], *([k, str(v)] for k, v in system.items() if k != "libraries")]
    libraries = ", ".join(f"{k} {v}" for k, v in system["libraries"].items() if v)
    facts.append(["libraries", libraries])
    waited = busiest(record)
    warning = (
        f"<p class=warning>Other processes held the processor for up to {waited:.0%} of the time: "
        "repeat this on an idle machine.</p>"
        if waited > 0.1
        else ""
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>edgeface bench</title>",
        f"<style>{STYLE}</style><h1>edgeface bench</h1>{warning}",
        _table(rows(record)),
        _table(start_rows(record)),
        _plot("run, by number of faces", "faces", _by_faces(record, "run")),
        _plot(
            "after the network, by number of faces", "faces", _by_faces(record, "post-processing")
        ),
        _plot("sustained run", "% of the time", _sustained(record)),
        "<h2>Measured on</h2>",
        _table(facts),
        f"<script type='application/json' id=record>{_script(record)}</script></html>",
    ]
    return "\n".join(parts)


Series = tuple[str, list[tuple[float, float]]]


def _by_faces(record: dict[str, Any], stage: str) -> list[Series]:
    return [
        (_label(r), [(f["count"], f["stages"][stage]["median_ms"]) for f in r["faces"]])
        for r in record["results"]
        if all(stage in f["stages"] for f in r["faces"])
    ]


def _sustained(record: dict[str, Any]) -> list[Series]:
    return [
        (_label(r), [(100 * i / len(ms), value) for i, value in enumerate(ms)])
        for r in record["results"]
        if "sustained" in r and (ms := r["sustained"]["median_ms"])
    ]


def _label(result: dict[str, Any]) -> str:
    return f"{result['file']}, {result['threads']} thr., {result['kernels']}"


def _plot(title: str, x_name: str, series: list[Series]) -> str:
    """Plot lines over x, in milliseconds from zero, if there are any points."""
    points = [point for _, line in series for point in line]
    if not points:
        return ""
    right = max(x for x, _ in points) or 1.0
    top = _round_up(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            MARGIN + x / right * (WIDTH - 2 * MARGIN),
            HEIGHT - MARGIN + y / top * (2 * MARGIN - HEIGHT) + MARGIN / 2,
        )

    drawn: list[str] = []
    for step in range(5):
        y = top * step / 4
        (x0, py), (x1, _) = place(0, y), place(right, y)
        drawn.append(f"<path d='M{x0:.1f} {py:.1f}H{x1:.1f}' stroke='#ced4da'/>")
        drawn.append(f"<text x='{x0 - 6:.1f}' y='{py + 4:.1f}' text-anchor=end>{y:g}</text>")
    for x in sorted({x for x, _ in points})[:: max(1, len({x for x, _ in points}) // 6)]:
        px, py = place(x, 0)
        drawn.append(f"<text x='{px:.1f}' y='{py + 16:.1f}' text-anchor=middle>{x:.0f}</text>")
    for i, (name, line) in enumerate(series):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (place(*p) for p in line))
        drawn.append(f"<polyline points='{path}' fill=none stroke='{colour}' stroke-width=2 />")
        drawn += [
            f"<circle cx='{px:.1f}' cy='{py:.1f}' r=2.5 fill='{colour}'/>"
            for px, py in (place(*p) for p in line)
        ]
        y = HEIGHT + 28 + 15 * i
        drawn.append(f"<path d='M{MARGIN} {y - 4}h14' stroke='{colour}' stroke-width=3 />")
        drawn.append(f"<text x='{MARGIN + 20}' y='{y}'>{html.escape(name)}</text>")
    foot = HEIGHT - MARGIN / 2 + 32
    drawn.append(
        f"<text x='{WIDTH / 2}' y='{foot}' text-anchor=middle>{html.escape(x_name)}</text>"
    )
    drawn.append("<text x=6 y=14>ms</text>")
    size = HEIGHT + 36 + 15 * len(series)
    return (
        f"<figure><figcaption>{html.escape(title)}</figcaption>"
        f"<svg width={WIDTH} height={size} viewBox='0 0 {WIDTH} {size}'>"
        f"{''.join(drawn)}</svg></figure>"
    )


def _round_up(value: float) -> float:
    """The next larger value that is 1, 2, 4, 6, 8 or 10 times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def _table(table: Iterable[Sequence[str]]) -> str:
    head, *body = table
    cells = "".join(f"<th>{html.escape(v)}" for v in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(v)}" for v in line) for line in body)
    return f"<table><tr>{cells}{lines}</table>"


def _script(record: dict[str, Any]) -> str:
    """JSON that can stand inside a script element."""
    return json.dumps(record).replace("<", "\\u003c")
