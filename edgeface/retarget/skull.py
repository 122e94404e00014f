"""Skull, ears, neck and shoulders, which the template of personal models lacks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edgeface.personal.template import Template
from edgeface.types import BoolArray, Float32Array, FloatArray, IntArray

HAIR_LINE = ((-0.7, -0.45), (-0.35, -0.25), (0.05, 0.1), (0.22, 0.25), (0.4, 0.68), (0.62, 0.84),
             (0.8, 0.92))  # fmt: skip
"""Places from the nape over ears and temples to the forehead: z, and y of where hair begins."""
FILE = Path(__file__).parents[1] / "assets" / "skull.npz"


@dataclass(frozen=True)
class Skull:
    """The rest of ICT-FaceKit's head, in the template's units and frame.

    Attributes
    ----------
    neutral : float32, shape (W, 3); they come after the template's V vertices
    triangles : int32, shape (T, 3), in numbers of both; counter-clockwise seen from outside
    shapes : the offsets (W, 3) of each shape that moves any, by ICT-FaceKit's names
    """

    neutral: Float32Array
    triangles: IntArray
    shapes: dict[str, Float32Array]


@cache
def read_skull() -> Skull:
    """Read the one that ships; ``edgeface-train personal skull`` makes it."""
    with np.load(FILE, allow_pickle=False) as arrays:
        names = [str(name) for name in arrays["expression_names"]]
        expression = arrays["expression"].astype(np.float32)
        return Skull(
            arrays["neutral"],
            arrays["triangles"].astype(np.int32),
            dict(zip(names, expression, strict=True)),
        )


def is_ear(points: FloatArray) -> BoolArray:
    """Whether points (N, 3) of the skull are of an ear, shape (N,)."""
    x, y, z = points.T
    return (np.abs(x) > 0.71) & (y < 0.45) & (y > -0.25) & (z < 0.3) & (z > -0.3)


def hair(points: FloatArray) -> FloatArray:
    """How much of the head's short hair grows at points (N, 3), in [0, 1]."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    places = np.array(HAIR_LINE)
    line = np.interp(z, places[:, 0], places[:, 1]) + 0.05 * np.cos(3.5 * x) * (z > 0.4)
    return np.where(is_ear(points), 0.0, _smooth_step((y - line) / 0.12 + 0.5))


def follows_head(points: FloatArray) -> FloatArray:
    """How much points (N, 3) turn with the head rather than stay with the shoulders, in [0, 1]."""
    _, y, z = points.T
    top = -0.62 - 0.375 * z  # from the chin's angle in front to the skull's base behind
    return _smooth_step((y + 1.3) / (top + 1.3))


def _smooth_step(share: FloatArray) -> FloatArray:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def border_loops(template: Template) -> list[IntArray]:
    """The borders of the template, each in order: the outer one, the mouth's, those of the lids."""
    ends = np.concatenate([template.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    count = len(template.neutral)
    there, back = ends @ [count, 1], ends @ [1, count]
    first, second = ends[~np.isin(there, back)].T
    after: dict[int, int] = dict(zip(first.tolist(), second.tolist(), strict=True))
    loops: list[IntArray] = []
    while after:
        vertex, loop = next(iter(after)), list[int]()
        while vertex in after:
            loop.append(vertex)
            vertex = after.pop(vertex)
        loops.append(np.array(loop, np.int32))
    return sorted(loops, key=len, reverse=True)
