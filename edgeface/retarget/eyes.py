"""The eyes of the head that ships: balls of our own on which the lids of the template slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from edgeface.personal.template import Template
from edgeface.retarget.surface import Surface, grid_triangles
from edgeface.types import Float32Array, Float64Array, IntArray

LID_SHAPES = ("eyeBlink", "eyeWide", "eyeSquint", "eyeLookUp", "eyeLookDown")
FREE, LID_THICK = 0.006, 0.003
"""How far the ball is under the border of the lids, and where they shut, under the lids."""
COLOURS = ((9.5, (0.003, 0.003, 0.003)), (21, (0.10, 0.21, 0.30)), (24, (0.02, 0.05, 0.08)),
           (180, (0.74, 0.71, 0.67)))  # fmt: skip
"""Pupil, iris, its rim and the white: to how many degrees from where the eye looks, and colour."""
FLESH = (0.33, 0.13, 0.11)


@dataclass(frozen=True)
class Eye:
    """Where an eye is, in the template's units.

    Attributes
    ----------
    side : "Left" or "Right"; centre : float, shape (3,); radius : of the ball
    rim : the vertices on the border of its lids, in order
    """

    side: str
    centre: Float64Array
    radius: float
    rim: IntArray


def find_eye(template: Template, rim: IntArray, shapes: dict[str, Float32Array]) -> Eye:
    """The ball on which the border of the lids lies, open, shut and between: least squares.

    |p - c|^2 = r^2 is linear in c and r^2 - |c|^2. The template's borders keep to it by 0.2 mm.
    """
    border = template.neutral[rim].astype(np.float64)
    side = "Left" if border[:, 0].mean() > 0 else "Right"
    poses = [border, *(border + shapes[name + side][rim] for name in LID_SHAPES)]
    points = np.concatenate(poses)
    rows = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    found = cast(Float64Array, np.linalg.lstsq(rows, (points**2).sum(axis=1), rcond=None)[0])
    centre, rest = found[:3], float(found[3])
    return Eye(side, centre, float(np.sqrt(rest + centre @ centre)) - FREE, rim)


def slide_lids(template: Template, eye: Eye, offsets: Float32Array) -> Float32Array:
    """A shape's offsets (V, 3), changed so that no lid goes through the ball."""
    end = template.neutral + offsets - eye.centre
    distance = np.linalg.norm(end, axis=1)
    least = eye.radius + LID_THICK
    inside = (distance < least) & (distance > 0.8 * least) & (end[:, 2] > 0)
    pushed = offsets.astype(np.float64)
    pushed[inside] += (end * (least / np.maximum(distance, 1e-9) - 1)[:, None])[inside]
    return pushed.astype(np.float32)


def lid_edges(template: Template, eye: Eye, shapes: dict[str, Float32Array]) -> Surface:
    """The thickness of the lids: from their border to inside of the ball, moving with them.

    Its first vertices are those of the border.
    """
    border = template.neutral[eye.rim].astype(np.float64)
    inner = eye.centre + (border - eye.centre) * (0.9 * eye.radius / (eye.radius + FREE))
    moved = {name: np.tile(offsets[eye.rim], (2, 1)) for name, offsets in shapes.items()}
    return Surface(
        np.concatenate([border, inner]),
        grid_triangles(2, len(border), closed=True),
        np.tile(FLESH, (2 * len(border), 1)),
        moved,
    )


def eyeball(radius: float) -> Surface:
    """A ball that looks along +z, with rings of vertices about that axis."""
    edges = [edge + gap for edge, _ in COLOURS[:-1] for gap in (-0.4, 0.4)]
    rings = np.deg2rad([0, *edges, *range(36, 181, 12)])
    around = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    away, angle = np.repeat(rings, len(around)), np.tile(around, len(rings))
    points = np.stack(
        [np.sin(away) * np.cos(angle), np.sin(away) * np.sin(angle), np.cos(away)], axis=1
    )
    limits = np.deg2rad([limit for limit, _ in COLOURS])
    colours = np.array([colour for _, colour in COLOURS])[np.searchsorted(limits, away - 1e-9)]
    triangles = grid_triangles(len(rings), len(around), closed=True)
    return Surface(points * radius, triangles, colours, {})
