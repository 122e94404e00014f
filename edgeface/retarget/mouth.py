"""What is behind the lips of the head that ships: teeth, gums, a tongue and the dark around them.

All of it is our own geometry, laid between the lips of the template, in its units of 10 cm and the
``model`` frame. What belongs to the lower jaw turns rigidly as the chin does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from edgeface.personal.template import Template
from edgeface.retarget.surface import Surface, grid_triangles, join
from edgeface.types import Float32Array, Float64Array, FloatArray, IntArray

JAW_SHAPES = ("jawOpen", "jawLeft", "jawRight", "jawForward")
CHIN = slice(6, 11)
"""The landmarks beside which the jaw's motion is measured."""
CHIN_NEAR = 0.1
TONGUE_OUT = "tongueOut"
ARCH_WIDE, ARCH_DEEP = 0.27, 0.45
"""Half the width and the depth of the arch on which the teeth stand."""
UPPER_FRONT, LOWER_FRONT = 0.005, -0.018
UPPER_EDGE, LOWER_EDGE = 0.006, -0.02
"""Where the edges of the incisors are from the middle of the border of the lips."""
UPPER = ((0.085, 0.10), (0.065, 0.09), (0.077, 0.10), (0.07, 0.085), (0.07, 0.08),
         (0.1, 0.07), (0.1, 0.07))  # fmt: skip
LOWER = ((0.054, 0.085), (0.06, 0.09), (0.068, 0.1), (0.07, 0.085), (0.07, 0.08),
         (0.11, 0.07), (0.1, 0.07))  # fmt: skip
"""Width and height of each tooth from the middle to one side."""
THROAT = (0.0, -0.05, -0.68)
TOOTH_THICK, GUM_HIGH = 0.05, 0.10
ENAMEL, GUM, TONGUE = (0.78, 0.74, 0.65), (0.42, 0.13, 0.12), (0.45, 0.14, 0.13)
DARK = ((0.30, 0.09, 0.08), (0.16, 0.04, 0.04), (0.07, 0.016, 0.016), (0.02, 0.006, 0.006))
"""Linear colours, of the inside of the cheeks from the lips to the throat."""


def mouth(template: Template, rim: IntArray, shapes: dict[str, Float32Array]) -> Surface:
    """Both rows of teeth, their gums, and the tongue, which has a shape of its own.

    ``rim`` is the border of the lips, ``shapes`` are the template's.
    """
    middle = template.neutral[rim].mean(axis=0).astype(np.float64)
    upper, lower, tongue = join(list(_row(UPPER, 1))), join(list(_row(LOWER, -1))), _tongue()
    # the root of the tongue stays, its tip comes out over the lower teeth and bends down
    share = np.clip((tongue.points[:, 2:] + 0.5) / 0.42, 0, 1) ** 2
    out = {TONGUE_OUT: share * [0.0, 0.14, 0.4] + share**6 * [0.0, -0.16, 0.0]}
    below = join([lower, Surface(tongue.points, tongue.triangles, tongue.colours, out)])
    moves = {name: jaw_motion(template, shapes[name]) for name in JAW_SHAPES}
    moved = {name: move(below.points + middle) for name, move in moves.items()}
    below = Surface(below.points, below.triangles, below.colours, {**moved, **below.shapes})
    whole = join([upper, below])
    # what lies deep in the mouth gets little light
    lit = np.clip(1 + 1.7 * whole.points[:, 2:], 0.12, 1)
    return Surface(whole.points + middle, whole.triangles, whole.colours * lit, whole.shapes)


def cavity(template: Template, rim: IntArray, shapes: dict[str, Float32Array]) -> Surface:
    """The inside of the cheeks, from the border of the lips to the throat; moves with the lips.

    Its first vertices are those of ``rim``, the border in order.
    """
    border = template.neutral[rim].astype(np.float64)
    middle = border.mean(axis=0)
    across = (border - middle)[:, :2] / np.abs(border - middle)[:, :2].max(axis=0)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    rings = [border]
    for wide, high, back in ((0.30, 0.15, 0.0), (0.32, 0.19, 0.28), (0.2, 0.15, 0.6)):
        x, y = wide * across[:, 0], high * across[:, 1]
        z = np.minimum(_arch(x * ARCH_WIDE / wide) + 0.01, -back)
        rings.append(middle + np.stack([x, y, z], axis=1))
    rings.append(np.tile(middle + THROAT, (len(rim), 1)))
    points = np.concatenate(rings)
    held = np.repeat([1.0, 0.55, 0.1, 0.0, 0.0], len(rim))[:, None]
    below = np.tile(np.clip(0.5 - across[:, 1], 0, 1), len(rings))[:, None]
    moved: dict[str, FloatArray] = {}
    for name, offsets in shapes.items():
        lips = np.tile(offsets[rim].astype(np.float64), (len(rings), 1))
        jaw = jaw_motion(template, offsets)(points) * below if name in JAW_SHAPES else 0.0
        moved[name] = held * lips + (1 - held) * jaw
    tones = np.repeat([DARK[0], DARK[1], DARK[2], DARK[3], DARK[3]], len(rim), axis=0)
    triangles = grid_triangles(len(rings), len(rim), closed=True)
    return Surface(points, triangles, tones, moved)


def jaw_motion(template: Template, offsets: Float32Array) -> Callable[[FloatArray], FloatArray]:
    """What a shape does to points of the lower jaw: the rigid motion of the chin (Kabsch 1976)."""
    chin = template.neutral[template.landmark_vertices[CHIN]]
    gaps = np.linalg.norm(template.neutral[:, None] - chin, axis=2).min(axis=1)
    before = template.neutral[gaps < CHIN_NEAR].astype(np.float64)
    after = before + offsets[gaps < CHIN_NEAR]
    left, _, right = np.linalg.svd((before - before.mean(0)).T @ (after - after.mean(0)))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ flip @ right

    def move(points: FloatArray) -> FloatArray:
        return (points - before.mean(0)) @ turn + after.mean(0) - points

    return move


def _arch(x: FloatArray) -> Float64Array:
    """How far back from its front the arch of teeth is at a place to the side."""
    share = np.clip(np.asarray(x, np.float64) / ARCH_WIDE, -0.999, 0.999)
    return ARCH_DEEP * (np.sqrt(1 - share**2) - 1)


def _row(sizes: tuple[tuple[float, float], ...], up: int) -> Iterator[Surface]:
    """Teeth and gum of one jaw, from the middle of the lips; ``up`` is where the gum is."""
    front, edge = (UPPER_FRONT, UPPER_EDGE) if up > 0 else (LOWER_FRONT, LOWER_EDGE)
    angles = np.linspace(0, np.pi / 2, 400)
    way = np.stack([ARCH_WIDE * np.sin(angles), ARCH_DEEP * (np.cos(angles) - 1)], axis=1)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])

    def place(at: FloatArray, inwards: FloatArray, y: FloatArray) -> Float64Array:
        """Points at a length along the arch (signed by side), behind its face, at a height."""
        angle = np.interp(np.abs(at), length, angles)
        out = np.stack([np.sin(angle) / ARCH_WIDE, np.cos(angle) / ARCH_DEEP], axis=-1)
        out /= np.linalg.norm(out, axis=-1, keepdims=True)
        x = ARCH_WIDE * np.sin(angle) - inwards * out[..., 0]
        z = ARCH_DEEP * (np.cos(angle) - 1) - inwards * out[..., 1] + front
        return np.stack([np.sign(at) * x, y, z], axis=-1).astype(np.float64)

    across = np.linspace(-1, 1, 7)
    # from the gum over the face and the edge to the back: height, and how far behind the face
    rows = np.array([[1.0, 0.012], [0.6, 0.0], [0.25, 0.004], [0.06, 0.012], [0.0, 0.022],
                     [0.06, 0.036], [0.4, TOOTH_THICK], [1.0, 0.06]])  # fmt: skip
    for side in (-1, 1):
        start = 0.0
        for width, height in sizes:
            at = side * (start + width * (0.5 + 0.49 * across))
            at = np.where(at == 0, side * 1e-6, at)
            rounded = 0.012 * across**6 + 0.004 * across**2
            inwards = rows[:, 1:] + rounded * (1 - 2 * (rows[:, 1:] > 0.03))
            low = 0.009 * across**4
            y = edge + up * (rows[:, :1] * height + (1 - rows[:, :1]) * low)
            grid = place(np.broadcast_to(at, y.shape), inwards, y)
            yield _patch(_outwards(grid, side * up), ENAMEL)
            start += width
    reach = sum(width for width, _ in sizes)
    at = np.linspace(-reach, reach, 113)
    ends = np.cumsum([0.0, *(width for width, _ in sizes)])
    # between two teeth the gum comes farther down
    bumps = 0.014 * np.cos(np.pi * np.interp(np.abs(at), ends, np.arange(len(ends)))) ** 2
    root = np.interp(np.abs(at), (ends[1:] + ends[:-1]) / 2, [high for _, high in sizes])
    heights = root[None] + np.array([-0.012, 0.01, 0.06, GUM_HIGH, 0.06, -0.012])[:, None]
    heights[[0, -1]] -= bumps
    inwards = np.array([0.006, -0.006, 0.0, 0.03, 0.07, 0.062])[:, None] + 0 * at
    grid = place(np.broadcast_to(at, heights.shape), inwards, edge + up * heights)
    yield _patch(_outwards(grid, -up), GUM)


def _outwards(grid: Float64Array, side: int) -> Float64Array:
    """The grid, its columns in the order in which triangles are seen from outside."""
    return grid if side > 0 else grid[:, ::-1]


def _patch(grid: Float64Array, colour: tuple[float, ...], *, closed: bool = False) -> Surface:
    """A grid of points (R, C, 3) as a surface of one colour."""
    points = grid.reshape(-1, 3)
    triangles = grid_triangles(*grid.shape[:2], closed=closed)
    return Surface(points, triangles, np.tile(colour, (len(points), 1)), {})


def _tongue() -> Surface:
    """A flat drop whose tip lies behind the lower teeth."""
    along, around = np.linspace(0, np.pi, 12), np.linspace(0, 2 * np.pi, 20, endpoint=False)
    t, a = np.meshgrid(along, around, indexing="ij")
    groove = 1 - 0.25 * (np.abs(np.cos(a)) < 0.35) * (np.sin(a) > 0)
    x, y = 0.19 * np.sin(t) ** 0.8 * np.cos(a), 0.075 * np.sin(t) * np.sin(a) * groove
    return _patch(np.stack([x, y - 0.075, 0.25 * np.cos(t) - 0.33], axis=-1), TONGUE, closed=True)
