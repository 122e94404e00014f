"""What a rendered head has beside its skin: eyes, mouth, hair, glasses, clothes; centimetres."""

# scipy tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import zoom

from edgeface.reference.free.ict import Head
from edgeface.reference.free.skins import vertex_normals
from edgeface.types import FloatArray, IntArray

EYE_RADIUS = 1.22
IRIS, PUPIL = 0.5, 0.19
"""Radii on the eyeball, in radians."""
IRISES = ((0.28, 0.16, 0.09), (0.35, 0.22, 0.12), (0.45, 0.38, 0.2), (0.35, 0.48, 0.58),
          (0.38, 0.45, 0.42), (0.15, 0.09, 0.06))  # fmt: skip
HAIRS = ((0.07, 0.06, 0.06), (0.17, 0.11, 0.08), (0.3, 0.2, 0.12), (0.5, 0.36, 0.2),
         (0.72, 0.58, 0.38), (0.6, 0.6, 0.6), (0.85, 0.84, 0.82), (0.4, 0.16, 0.08))  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A surface: vertices (V, 3), triangles (T, 3), the colour of each vertex, how it shines."""

    vertices: FloatArray
    triangles: IntArray
    colours: FloatArray
    shine: float = 0.0


def grid_triangles(rows: int, columns: int, closed: bool = False) -> IntArray:
    """Triangles of a grid of vertices, row after row; ``closed`` joins last and first column."""
    row, column = np.mgrid[0 : rows - 1, 0 : columns - (0 if closed else 1)]
    right = (column + 1) % columns
    a, b = row * columns + column, row * columns + right
    c, d = a + columns, b + columns
    quads = np.stack([a, c, d, b], axis=-1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def both_sides(triangles: IntArray) -> IntArray:
    """The triangles and their backs, for sheets that are seen from either side."""
    return np.concatenate([triangles, triangles[:, ::-1]])


def eye_centre(rim: FloatArray) -> FloatArray:
    """The centre of the ball on which the border (N, 3) of the lids lies."""
    middle = rim.mean(axis=0)
    across = np.sqrt(((rim - middle)[:, :2] ** 2).sum(axis=1).mean())
    return middle - [0, 0, np.sqrt(EYE_RADIUS**2 - across**2)]


def eyeball(
    centre: FloatArray, gaze_rad: tuple[float, float], iris: FloatArray, white: float,
    pupil: float,
) -> tuple[Part, FloatArray]:  # fmt: skip
    """An eyeball that looks right and up by ``gaze_rad``, and five points of its iris, (5, 3)."""
    tilt = np.linspace(0, np.pi * 0.62, 25)
    around = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    t, a = np.meshgrid(tilt, around, indexing="ij")
    ball = np.stack([np.sin(t) * np.cos(a), np.sin(t) * np.sin(a), np.cos(t)], axis=-1)
    right, up = gaze_rad
    turn = _turn(-up, right)
    shade = np.where(t < PUPIL * pupil, 0.02, 1.0)[..., None]
    ring = np.clip((t - 0.8 * IRIS) / (0.2 * IRIS), 0, 1)[..., None]
    streaks = 1 + 0.15 * np.sin(a * 9)[..., None]
    coloured = iris * streaks * (1 - 0.6 * ring) * shade
    sclera = white * np.array([1.0, 0.97, 0.94]) * (1 - 0.25 * (t > 0.9))[..., None]
    colours = np.where((t < IRIS)[..., None], coloured, sclera)
    points = (ball.reshape(-1, 3) * EYE_RADIUS) @ turn.T + centre
    triangles = grid_triangles(len(tilt), len(around), closed=True)
    rim = [(0, 0), (IRIS, 0), (IRIS, np.pi / 2), (IRIS, np.pi), (IRIS, 3 * np.pi / 2)]
    marks = np.array([[np.sin(s) * np.cos(b), np.sin(s) * np.sin(b), np.cos(s)] for s, b in rim])
    eye = Part(points, triangles, colours.reshape(-1, 3), 0.5)
    return eye, (marks * EYE_RADIUS) @ turn.T + centre


def _turn(pitch: float, yaw: float) -> FloatArray:
    cp, sp, cy, sy = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ about_x


def mouth(
    corners: FloatArray, upper: FloatArray, jaw_moved: FloatArray, random: np.random.Generator
) -> list[Part]:
    """Teeth, tongue and the dark behind them.

    Parameters
    ----------
    corners : (2, 3), the corners of the neutral mouth; upper : (3,), where its lips meet
    jaw_moved : (3,), how far the chin moved
    """
    middle = corners.mean(axis=0)
    half = np.linalg.norm(corners[1] - corners[0]) / 2
    white = random.uniform(0.7, 0.95) * np.array([1.0, 0.97, random.uniform(0.82, 0.94)])
    parts: list[Part] = []
    angle = np.linspace(-np.pi * 0.5, np.pi * 0.5, 49)
    for moved, low, high, gum in (
        (np.zeros(3), -0.55, 0.45, 1.2),
        (jaw_moved * 0.85, -0.95, -0.15, -1.6),
    ):
        heights = [high, low, gum] if gum < 0 else [gum, high, low]
        rows: list[FloatArray] = []
        for y in heights:
            arc = np.stack([np.sin(angle) * half * 0.98, np.full_like(angle, y),
                            np.cos(angle) * 1.9 - 2.6], axis=1)  # fmt: skip
            rows.append(arc + (np.array([middle[0], upper[1], upper[2]]) + moved))
        gap = np.where(np.arange(49) % 4 == 0, 0.72, 1.0)[:, None]
        tooth, gums = white * gap, np.tile([0.62, 0.33, 0.32], (49, 1))
        tones = [tooth, tooth, gums] if gum < 0 else [gums, tooth, tooth]
        parts.append(Part(np.concatenate(rows), both_sides(grid_triangles(3, 49)),
                          np.concatenate(tones) * 0.85, 0.2))  # fmt: skip
    t, a = np.meshgrid(np.linspace(0, np.pi, 12), np.linspace(0, 2 * np.pi, 20, endpoint=False),
                       indexing="ij")  # fmt: skip
    ball = np.stack([np.sin(t) * np.cos(a), np.cos(t), np.sin(t) * np.sin(a)], axis=-1)
    tongue = ball.reshape(-1, 3) * [half * 0.75, 0.7, 1.8] + [
        middle[0],
        upper[1] - 1.1,
        upper[2] - 2.9,
    ]
    tongue = tongue + jaw_moved * 0.8
    tone = np.tile([0.55, 0.25, 0.25], (len(tongue), 1)) * random.uniform(0.7, 1.1)
    parts.append(Part(tongue, both_sides(grid_triangles(12, 20, closed=True)), tone, 0.2))
    bag = ball.reshape(-1, 3) * [half * 1.25, 3.2, 1.2] + [
        middle[0],
        upper[1] - 1.0,
        upper[2] - 4.6,
    ]
    bag = bag + jaw_moved * 0.4
    dark = np.tile([0.12, 0.05, 0.05], (len(bag), 1))
    parts.append(Part(bag, both_sides(grid_triangles(12, 20, closed=True)), dark))
    return parts


def streaks(points: FloatArray, colour: FloatArray, random: np.random.Generator) -> FloatArray:
    """Colours (N, 3) of hair at points (N, 3): strands that differ."""
    around = np.arctan2(points[:, 0], points[:, 2] - 1)
    noise = random.normal(size=720)
    index = ((around + np.pi) / (2 * np.pi) * 719).astype(int)
    smooth = np.convolve(noise, np.ones(3) / 2, "same")
    strands = 1 + 0.22 * smooth[index] + random.normal(0, 0.08, len(points))
    return np.clip(colour * strands[:, None], 0, 1)


def hair(
    head: Head, shape: FloatArray, colour: FloatArray, random: np.random.Generator
) -> list[Part]:
    """A cap of hair over the skull, now and then long, with a fringe, or a hat instead."""
    x, y, z = head.neutral.T
    wave = random.normal(0, 0.6)
    hairline = random.uniform(7.2, 9.6) + 0.5 * np.sin(x * random.uniform(0.4, 1.2) + wave)
    side = np.abs(x) / 7.5
    border = (
        hairline
        - np.clip((7.5 - z) * random.uniform(0.55, 1.1), 0, None)
        - side * random.uniform(0, 2)
    )
    low = random.uniform(-7, 1)
    cover = (y > border) & ~((np.abs(x) > 6.8) & (y < 4.5) & (z < 4) & (z > -3)) & (y > low)
    if random.random() < 0.12:
        cover = y > random.uniform(5.5, 7.5)
        colour = random.uniform(0.05, 0.9, 3)  # a hat
    thickness = random.uniform(0.25, 1.0) + random.uniform(0, 1.6) * np.clip((y - 5) / 9, 0, 1)
    bumps = zoom(random.normal(size=(5, 5, 5)), 5, order=2)
    place = ((head.neutral - head.neutral.min(0)) / np.ptp(head.neutral, axis=0) * 24).astype(int)
    thickness = thickness * (1 + 0.35 * bumps[tuple(place.T)])
    normals = vertex_normals(shape, head.triangles)
    inside = cover[head.triangles].all(axis=1)
    used, triangles = np.unique(head.triangles[inside], return_inverse=True)
    if not len(used):
        return []
    shell = shape[used] + normals[used] * np.clip(thickness, 0.15, 3)[used, None]
    parts = [Part(shell, triangles.reshape(-1, 3).astype(np.int32),
                  streaks(shell, colour, random), 0.25)]  # fmt: skip
    if random.random() < 0.4:
        parts.append(_curtain(colour, random))
    return parts


def _curtain(colour: FloatArray, random: np.random.Generator) -> Part:
    """Hair that hangs from above the ears around the back of the head."""
    gap = random.uniform(0.75, 1.15)
    angle = np.linspace(gap, 2 * np.pi - gap, 60)
    down = np.linspace(0, 1, 14)
    d, a = np.meshgrid(down, angle, indexing="ij")
    wide = (
        8.3
        + random.uniform(0, 1.5) * d
        + random.uniform(0, 0.6) * np.sin(d * random.uniform(3, 14))
    )
    x, z = np.sin(a) * wide, np.cos(a) * wide * 1.15 - 0.5
    y = 9.5 - d * random.uniform(12, 26)
    points = np.stack([x, y + 0 * a, z], axis=-1).reshape(-1, 3)
    return Part(points, both_sides(grid_triangles(14, 60)), streaks(points, colour, random), 0.25)


def glasses(
    eyes: FloatArray, bridge: FloatArray, ears: FloatArray, random: np.random.Generator
) -> tuple[Part, Part]:
    """A frame, and its two lenses.

    Parameters
    ----------
    eyes : (2, 3), centres of right and left lids; bridge : (3,), root of the nose
    ears : (2, 3), where the temples end
    """
    half = np.array([random.uniform(2.1, 2.9), random.uniform(1.4, 2.5)])
    square = random.uniform(0.35, 1.0)
    thick = random.uniform(0.06, 0.28)
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    ring = np.stack([np.sign(c) * np.abs(c) ** square, np.sign(s) * np.abs(s) ** square], axis=1)
    strips: list[FloatArray] = []
    lenses: list[FloatArray] = []
    for eye in eyes:
        front = np.array([eye[0] * 1.06, bridge[1] - random.uniform(0.4, 1.0), bridge[2] + 0.6])
        outline = np.concatenate([ring * half, np.zeros((36, 1))], axis=1)
        outline[:, 2] -= np.abs(outline[:, 0] + front[0] - bridge[0]) ** 2 * 0.03
        lenses.append(outline + front)
        strips.append(lenses[-1])
    bars = [
        np.linspace(
            lenses[0][np.argmax(lenses[0][:, 0])], lenses[1][np.argmin(lenses[1][:, 0])], 6
        ),
        np.linspace(lenses[0][np.argmin(lenses[0][:, 0])], ears[0], 12),
        np.linspace(lenses[1][np.argmax(lenses[1][:, 0])], ears[1], 12),
    ]
    vertices: list[FloatArray] = []
    triangles: list[IntArray] = []
    count = 0
    for k, line in enumerate([*strips, *bars]):
        closed = k < 2
        around = thick * np.array([[0, 1, 0], [1, 0, 1], [0, -1, 0], [-1, 0, -1], [0, 1, 0]])
        tube = line + around[:, None]
        triangles.append(both_sides(grid_triangles(5, len(line), closed)) + count)
        vertices.append(tube.reshape(-1, 3))
        count += 5 * len(line)
    tone = random.choice([random.uniform(0.02, 0.15, 3), random.uniform(0.1, 0.8, 3)])
    points = np.concatenate(vertices)
    frame = Part(points, np.concatenate(triangles), np.tile(tone, (len(points), 1)), 0.5)
    fan = np.stack([np.zeros(36, int), np.arange(36), (np.arange(36) + 1) % 36], axis=1)[1:-1]
    both = np.concatenate([fan, fan + 36]).astype(np.int32)
    glass = Part(np.concatenate(lenses), both_sides(both), np.zeros((72, 3)))
    return frame, glass


def clothes(shape: FloatArray, head: Head, random: np.random.Generator) -> Part:
    """A collar of cloth over neck and shoulders."""
    y = head.neutral[:, 1]
    edge = random.uniform(-14.5, -11.0) + random.uniform(0, 0.25) * np.abs(head.neutral[:, 0])
    inside = (y < edge)[head.triangles].any(axis=1)
    used, triangles = np.unique(head.triangles[inside], return_inverse=True)
    normals = vertex_normals(shape, head.triangles)[used]
    points = shape[used] + normals * random.uniform(0.2, 0.8)
    points[:, 1] -= np.clip(-13 - y[used], 0, None) * 6  # shoulders go on below the picture
    tone = random.uniform(0.03, 0.95, 3)
    stripes = 1 + random.choice([0, 0.3]) * np.sign(np.sin(points[:, 1:2] * random.uniform(2, 9)))
    return Part(points, triangles.reshape(-1, 3).astype(np.int32), np.clip(tone * stripes, 0, 1))
