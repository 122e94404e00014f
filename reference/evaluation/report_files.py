"""Writing a report: tables, JSON, curves, and a picture of the worst faces."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from edgeface.output import make_folder, write_output
from edgeface.reference.evaluation.figures import (
    COEFFICIENTS,
    ERROR_LIMIT,
    MAX_FACES,
    SIZES,
    Figures,
    face_table,
    failing_errors,
    precision_recall,
)
from edgeface.reference.evaluation.metrics import error_curve
from edgeface.reference.evaluation.run import ImageResult
from edgeface.reference.evaluation.worst_faces import WorstFaces
from edgeface.reference.figure_files import save_figure


def write_report(
    found: Figures, results: list[ImageResult], worst: WorstFaces, detects: bool, out: Path
) -> None:
    """Write report.md, report.json and the pictures that the labels allow to the folder ``out``."""
    make_folder(out)
    write_output(out / "report.md", to_markdown(found) + "\n")
    write_output(out / "report.json", json.dumps(to_json(found), indent=1) + "\n")
    draw_error_curves(results, out / "error-curve.png")
    if detects:
        draw_precision_recall(results, out / "precision-recall.png")
    worst.draw(out / "worst.png")


def to_markdown(found: Figures) -> str:
    """The tables of a report in Markdown, aligned so that they can be read as they are."""
    lines: list[str] = []
    for group, sections in found.items():
        lines += [f"## {group}", ""]
        for title, rows in sections.items():
            if title == COEFFICIENTS:
                continue
            columns = list(next(iter(rows.values())))
            table = [[title, *columns]]
            table += [[name, *(_format(c, row[c]) for c in columns)] for name, row in rows.items()]
            widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
            table.insert(1, ["-" * w if i == 0 else "-" * (w - 1) + ":"
                             for i, w in enumerate(widths)])  # fmt: skip
            for line in table:
                first, *rest = (
                    cell.ljust(w) if i == 0 else cell.rjust(w)
                    for i, (cell, w) in enumerate(zip(line, widths, strict=True))
                )
                lines.append("| " + " | ".join([first, *rest]) + " |")
            lines.append("")
    return "\n".join(lines)


def _format(column: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    if column in ("faces", "missed", "photos", "eyes"):
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def to_json(found: Figures) -> Figures:
    """The report as JSON values: None takes the place of NaN, which JSON does not know."""
    return {
        group: {
            title: {
                name: {c: None if math.isnan(v) else v for c, v in row.items()}
                for name, row in rows.items()
            }
            for title, rows in sections.items()
        }
        for group, sections in found.items()
    }  # type: ignore[return-value]


def draw_error_curves(results: list[ImageResult], path: Path) -> None:
    """Draw cumulative curves of the 68-point error by group, if landmarks are labelled."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    limits = np.linspace(0, ERROR_LIMIT, 200)
    for group in dict.fromkeys(r.group for r in results):
        faces = face_table([r for r in results if r.group == group])
        known = np.asarray(np.isfinite(faces.true_landmarks).all(axis=(1, 2)))
        for axis, norm in zip(axes, ("eyes", "diagonal"), strict=True):
            if known.any():
                errors = failing_errors(faces, known, norm)
                axis.plot(limits, error_curve(errors, limits), label=f"{group} ({known.sum()})")
                axis.set_xlabel(f"68-point error, % of {norm}")
    axes[0].set_ylabel("share of faces")
    _save(figure, axes, path)


def draw_precision_recall(results: list[ImageResult], path: Path) -> None:
    """Draw precision over recall at IoU 0.5 by size of face, for groups that label every face."""
    figure, axes = plt.subplots(1, 1, figsize=(5, 3.8), squeeze=False)
    recall = np.linspace(0, 1, 101)
    for group in dict.fromkeys(r.group for r in results if r.complete):
        kept = [r for r in results if r.group == group and len(r.labels.boxes) <= MAX_FACES]
        for least, figures in zip(SIZES, precision_recall(kept), strict=True):
            if figures.num_faces:
                label = f"{group}, from {least:.0%} ({figures.num_faces})"
                axes[0, 0].plot(recall, figures.precision, label=label)
    axes[0, 0].set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    _save(figure, axes.ravel(), path)


def _save(figure: Any, axes: Any, path: Path) -> None:
    if any(axis.lines for axis in axes):
        axes[-1].legend(fontsize=7)
        for axis in axes:
            axis.grid(alpha=0.3)
        figure.tight_layout()
        save_figure(figure, path, dpi=110)
    plt.close(figure)
