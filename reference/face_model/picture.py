"""Drawing the shapes of a face model."""

# matplotlib tells part of its types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path

import matplotlib

from edgeface.types import AnyArray, BoolArray, IntArray

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from edgeface.face_model import FaceModel
from edgeface.reference.figure_files import save_figure
from edgeface.reference.geometry.harmonics import manifold_harmonics

NUM_MODES = 10
COLUMNS = 10
YAW_DEG = 22.0
NUM_DRAWN = 8
"""Of the harmonics, the smoothest."""


def draw_shapes(model: FaceModel, path: Path) -> None:
    """Draw the mean, 46 expressions at weight 1 and ten identity modes at 2.5 deviations.

    The head is turned a little so that depth shows; red marks how far a vertex moved.
    """
    neutral = np.eye(50)[0]
    panels = [("mean", model.vertices(neutral, np.zeros(46)))]
    for k, name in enumerate(model.expression_names):
        panels.append((name, model.vertices(neutral, np.eye(46)[k])))
    for i in range(1, NUM_MODES + 1):
        panels.append(
            (f"identity {i}", model.vertices(neutral + 2.5 * np.eye(50)[i], np.zeros(46)))
        )
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(1.9 * COLUMNS, 2.3 * rows), dpi=75)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, shape) in zip(axes.flat, panels, strict=False):
        _draw(axis, shape, np.linalg.norm(shape - model.mean, axis=1), model.triangles)
        axis.set_title(title, fontsize=10)
    figure.tight_layout(pad=0.3)
    save_figure(figure, path)
    plt.close(figure)


def draw_harmonics(model: FaceModel, path: Path) -> None:
    """Draw the smoothest functions on the mean face, blue where negative, red where positive."""
    values, functions = manifold_harmonics(model.mean, model.triangles, NUM_DRAWN)
    figure, axes = plt.subplots(2, NUM_DRAWN // 2, figsize=(1.9 * NUM_DRAWN / 2, 5), dpi=100)
    for k, axis in enumerate(axes.flat):
        corners, shade, front = _lit(model.mean, model.triangles)
        level = functions[model.triangles, k].mean(axis=1) / np.abs(functions).max()
        lit = (0.4 + 0.6 * shade)[:, None]  # not so dark that the colour is lost
        colour = matplotlib.colormaps["coolwarm"](0.5 + 0.5 * level)[:, :3] * lit
        _add(axis, corners, colour, front)
        axis.set_title(f"{k}: eigenvalue {values[k]:.2f}", fontsize=8)
        axis.axis("off")
    figure.tight_layout(pad=0.3)
    save_figure(figure, path)
    plt.close(figure)


def _draw(axis: Axes, shape: AnyArray, moved: AnyArray, triangles: IntArray) -> None:
    corners, light, front = _lit(shape, triangles)
    red = np.clip(moved[triangles].mean(axis=1) / 0.12, 0, 1)
    colour = np.stack([light, light * (1 - 0.6 * red), light * (1 - 0.6 * red)], axis=1)
    _add(axis, corners, colour, front)


def _lit(shape: AnyArray, triangles: IntArray) -> tuple[AnyArray, AnyArray, BoolArray]:
    """The corners (T, 3, 3) of turned triangles, their light (T,), and which face the viewer."""
    angle = np.deg2rad(YAW_DEG)
    c, s = np.cos(angle), np.sin(angle)
    turned = shape @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    corners = turned[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    light = np.clip(normal @ np.array([0.3, 0.4, 0.87]), 0.05, 1.0)
    return corners, light, normal[:, 2] > 0


def _add(axis: Axes, corners: AnyArray, colour: AnyArray, front: BoolArray) -> None:
    """Paint the front triangles from the farthest to the nearest."""
    order = np.argsort(corners[front][..., 2].mean(axis=1))
    axis.add_collection(
        PolyCollection(
            list(corners[front][order][..., :2]),
            facecolors=colour[front][order],
            edgecolors="face",
            linewidths=0.3,
        )
    )
    axis.set_xlim(-0.95, 0.95)
    axis.set_ylim(-1.15, 0.95)
    axis.set_aspect("equal")
