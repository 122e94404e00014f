"""One picture of conventions over the mean face."""

# matplotlib tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from edgeface.face_model import FaceModel
from edgeface.reference.conventions.convention import Convention
from edgeface.reference.figure_files import save_figure

COLOURS = {"fixed": "#1f5fbf", "sliding": "#e07b00", "unrepresentable": "#c01040"}
COLUMNS = 4
MAX_NUMBERED = 120
"""Conventions of more points are drawn without numbers, which would overlap."""


def draw_conventions(conventions: Sequence[Convention], model: FaceModel, path: Path) -> None:
    """Draw each convention's points over the mean face, numbered from 0, coloured by kind."""
    columns = min(COLUMNS, len(conventions))
    rows = -(-len(conventions) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.4 * columns, 6.2 * rows), dpi=80, squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, convention in zip(axes.flat, conventions, strict=False):
        _draw(axis, convention, model)
    handles = [Line2D([], [], color=c, marker="o", ls="", label=k) for k, c in COLOURS.items()]
    figure.legend(handles=handles, loc="lower center", ncol=len(COLOURS), fontsize=13)
    figure.tight_layout(pad=0.8, rect=(0, 0.03, 1, 1))
    save_figure(figure, path)
    plt.close(figure)


def _draw(axis: Axes, convention: Convention, model: FaceModel) -> None:
    points = convention.on(model.mean)
    axis.triplot(*model.mean[:, :2].T, model.triangles, color="#c8c8c8", lw=0.4, zorder=0)
    numbered = len(points) <= MAX_NUMBERED
    for kind, colour in COLOURS.items():
        of_kind = [i for i, k in enumerate(convention.kind) if k == kind]
        axis.scatter(*points[of_kind, :2].T, s=16 if numbered else 6, color=colour, zorder=2)
        for i in of_kind if numbered else []:
            place = (float(points[i, 0]), float(points[i, 1]))
            axis.annotate(
                str(i), place, (2, 2), textcoords="offset points", fontsize=7, color=colour
            )
    axis.set_aspect("equal")
    kept = convention.kind.count("fixed")
    axis.set_title(f"{convention.name}: {convention.title}\n{len(points)} points, {kept} kept")
