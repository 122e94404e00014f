"""A report on paper: tables, JSON, curves, and a picture of the worst faces."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgeface.boxes import iou_matrix
from edgeface.output import whole_file, write_output
from edgeface.reference.evaluation.detection import size_share
from edgeface.reference.evaluation.evaluate import ImageResult
from edgeface.reference.evaluation.metrics import error_curve, nme
from edgeface.reference.evaluation.report import (
    COEFFICIENTS,
    ERROR_LIMIT,
    MAX_FACES,
    SIZES,
    Report,
    face_table,
    failing_errors,
    precision_recall,
)
from edgeface.reference.figures import save_figure

Array = NDArray[Any]

NUM_WORST = 24
WORST_COLUMNS = 6
TILE = 192
SMALLEST = 0.05
"""Faces smaller than this share of the image are not shown among the worst."""
TRUE_COLOUR, PREDICTED_COLOUR = (64, 255, 128), (255, 64, 64)


def write_report(
    found: Report, results: list[ImageResult], worst: WorstFaces, detects: bool, out: Path
) -> None:
    """Write report.md, report.json and the pictures that apply into the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    write_output(out / "report.md", to_markdown(found) + "\n")
    write_output(out / "report.json", json.dumps(to_json(found), indent=1) + "\n")
    draw_error_curves(results, out / "error-curve.png")
    if detects:
        draw_precision_recall(results, out / "precision-recall.png")
    worst.draw(out / "worst.png")


def to_markdown(found: Report) -> str:
    """The tables of a report, aligned so that they read as they are."""
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
    if column in ("faces", "missed", "photos"):
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def to_json(found: Report) -> Report:
    """The report with None for NaN, which JSON does not know."""
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
    """Cumulative curves of the 68-point error by group; nothing without labelled landmarks."""
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
    """Precision over recall at IoU 0.5 by size of face, for groups that label every face."""
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


@dataclass
class WorstFaces:
    """The faces with the largest errors so far, each as a small picture."""

    tiles: list[tuple[tuple[float, float], Image.Image]] = field(default_factory=list)

    def add(self, result: ImageResult, pixels: NDArray[np.uint8]) -> None:
        """Take what is worse than the best of those kept; larger faces first among equals."""
        shares = size_share(result.labels.boxes, result.size_hw)
        errors = face_errors(result)
        for i in np.flatnonzero(~np.isnan(errors) & (shares >= SMALLEST)):
            rank = (float(errors[i]), float(shares[i]))
            if len(self.tiles) < NUM_WORST or rank > self.tiles[-1][0]:
                self.tiles.append((rank, _tile(result, int(i), rank[0], pixels)))
                self.tiles.sort(key=lambda entry: entry[0], reverse=True)
                del self.tiles[NUM_WORST:]

    def draw(self, path: Path) -> None:
        """All tiles as one picture; nothing without any."""
        if not self.tiles:
            return
        rows = -(-len(self.tiles) // WORST_COLUMNS)
        sheet = Image.new("RGB", (WORST_COLUMNS * TILE, rows * TILE))
        for k, (_, tile) in enumerate(self.tiles):
            sheet.paste(tile, (k % WORST_COLUMNS * TILE, k // WORST_COLUMNS * TILE))
        with whole_file(path) as file:
            sheet.save(file, "PNG")


def face_errors(result: ImageResult) -> Array:
    """How wrong a network was about each labelled face, percent, (N,); NaN for ignored ones.

    The 68-point error over the box where landmarks are labelled, else the mean error of the
    labelled expressions, else 1 - IoU. Infinite for faces that were not found.
    """
    labels = result.labels
    errors = np.full(len(labels.boxes), np.inf)
    rows = np.flatnonzero(result.found)
    faces = result.faces
    by_box = 100 * (1 - np.diag(iou_matrix(faces.boxes_xyxy, labels.boxes[rows])))
    difference = np.abs(faces.expression_coeffs - labels.expression[rows])
    labelled = np.isfinite(difference)
    by_expression = 100 * np.where(labelled, difference, 0).sum(1) / np.maximum(labelled.sum(1), 1)
    by_landmarks = nme(faces.landmarks_2d, labels.landmarks[rows], "box")
    errors[rows] = np.where(labelled.any(axis=1), by_expression, by_box)
    known = np.isfinite(by_landmarks)
    errors[rows[known]] = by_landmarks[known]
    errors[labels.ignore] = np.nan
    return errors


def _tile(result: ImageResult, i: int, error: float, pixels: NDArray[np.uint8]) -> Image.Image:
    """The face in its surroundings; green is the label, red what was predicted."""
    low, high = result.labels.boxes[i, :2], result.labels.boxes[i, 2:]
    side = 1.8 * float((high - low).max())
    corner = (low + high) / 2 - side / 2
    scale = TILE / side
    # PIL maps pixel centres as (x + 0.5, y + 0.5), like image_px
    tile = Image.fromarray(pixels).transform(
        (TILE, TILE), Image.Transform.AFFINE,
        (1 / scale, 0, float(corner[0]), 0, 1 / scale, float(corner[1])),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    pen = ImageDraw.Draw(tile)
    pen.rectangle([*((low - corner) * scale), *((high - corner) * scale)], outline=TRUE_COLOUR)
    _dots(pen, (result.labels.landmarks[i] - corner) * scale, TRUE_COLOUR)
    if result.found[i]:
        row = int(result.found[:i].sum())
        _dots(pen, (result.faces.landmarks_2d[row] - corner) * scale, PREDICTED_COLOUR)
    caption = "not found" if math.isinf(error) else f"{error:.1f}%"
    pen.text((4, 3), f"{caption} {result.name[-24:]}", fill=(255, 255, 255), stroke_width=1,
             stroke_fill=(0, 0, 0))  # fmt: skip
    return tile


def _dots(pen: ImageDraw.ImageDraw, points: Array, colour: tuple[int, int, int]) -> None:
    for x, y in points[np.isfinite(points).all(axis=1)].tolist():
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=colour)
