"""Surfaces of which the head that ships is made, and how they become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeface.types import FloatArray, IntArray


@dataclass(frozen=True)
class Surface:
    """A surface with its shapes, in the template's units and frame.

    Attributes
    ----------
    points : float, shape (V, 3); triangles : int, shape (T, 3), counter-clockwise seen from outside
    colours : float, shape (V, 3), linear; shapes : the offsets (V, 3) of each shape by name
    """

    points: FloatArray
    triangles: IntArray
    colours: FloatArray
    shapes: Mapping[str, FloatArray]


def join(surfaces: list[Surface]) -> Surface:
    """One surface of several; where one lacks a shape, it stays."""
    names = dict.fromkeys(name for surface in surfaces for name in surface.shapes)
    starts = np.cumsum([0, *(len(surface.points) for surface in surfaces)])
    return Surface(
        np.concatenate([surface.points for surface in surfaces]),
        np.concatenate([s.triangles + start for s, start in zip(surfaces, starts, strict=False)]),
        np.concatenate([surface.colours for surface in surfaces]),
        {
            name: np.concatenate([s.shapes.get(name, np.zeros_like(s.points)) for s in surfaces])
            for name in names
        },
    )


def smoothed(values: FloatArray, triangles: IntArray, times: int) -> FloatArray:
    """Values (V, C) of vertices, each put to the mean with its neighbours, several times."""
    ends = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    count = 1 + np.bincount(ends[:, 0], minlength=len(values))[:, None]
    for _ in range(times):
        beside = [np.bincount(ends[:, 0], c[ends[:, 1]], len(values)) for c in values.T]
        values = (values + np.stack(beside, axis=1)) / count
    return values


def grid_triangles(rows: int, columns: int, *, closed: bool) -> IntArray:
    """Triangles of a grid of vertices, row after row; ``closed`` joins last and first column.

    They are seen where columns run to the right and rows down.
    """
    row, column = np.mgrid[0 : rows - 1, 0 : columns if closed else columns - 1]
    first, second = row * columns + column, row * columns + (column + 1) % columns
    quads = np.stack([first, first + columns, second + columns, second], axis=-1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
