"""Things that a detector takes for faces and that are none: round, dotted, in rows, or of skin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from edgeface.reference.free.parts import HAIRS
from edgeface.reference.free.scenery import colour_drawn
from edgeface.types import FloatArray, ImageArray

OVERSAMPLED, LARGE = 2, 90
"""Things smaller than ``LARGE`` px are drawn larger first, so that their edges are smooth."""
SMALLEST = 12
LIKE_A_FACE = 40
"""Heads without features, and holes above a slit, are no faces from this size on, px. Smaller ones
look like faces far away."""
SKINS = ((0.95, 0.8, 0.7), (0.85, 0.65, 0.52), (0.7, 0.48, 0.36), (0.5, 0.33, 0.24),
         (0.32, 0.2, 0.15))  # fmt: skip
WARM = 0.4
Colour = tuple[int, int, int]


def scatter(canvas: ImageArray, count: int, random: np.random.Generator) -> None:
    """Lay ``count`` things of all sizes over a scene, in place."""
    whole = Image.fromarray(canvas)
    for _ in range(count):
        side = int(SMALLEST * (min(whole.size) / SMALLEST) ** random.random())
        thing = draw_thing(side, random)
        at = [int(random.uniform(-0.3, 1.3) * length - side / 2) for length in whole.size]
        whole.paste(thing, (at[0], at[1]), thing)
    canvas[:] = np.asarray(whole)


def draw_thing(side: int, random: np.random.Generator) -> Image.Image:
    """A made-up thing, RGBA, at most ``side`` wide and high but for how it is turned."""
    kinds = (*KINDS, *LARGE_KINDS) if side >= LIKE_A_FACE else KINDS
    kind = kinds[int(random.integers(len(kinds)))]
    pen = _Pen(side * (OVERSAMPLED if side < LARGE else 1))
    kind(pen, random)
    image = _lit(pen.image, random)
    narrow = random.uniform(0.45, 1.0) if random.random() < 0.5 else 1.0
    size = (side, max(3, round(side * narrow)))
    size = size if random.random() < 0.5 else (size[1], size[0])
    image = image.resize(size, Image.Resampling.BOX)
    if random.random() < 0.6:
        angle = random.normal(0, 12) if random.random() < 0.7 else random.uniform(0, 360)
        image = image.rotate(float(angle), Image.Resampling.BILINEAR, expand=True)
    if random.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(float(random.uniform(0, side / 30))))
    return image


class _Pen:
    """Draws in a square whose sides are 1 long, on nothing."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.image = Image.new("RGBA", (side, side))
        self._draw = ImageDraw.Draw(self.image)

    def disc(self, x: float, y: float, radius: float, fill: Colour, high: float = 1.0) -> None:
        """An ellipse, ``high`` times as high as wide."""
        low, far = (x - radius, y - radius * high), (x + radius, y + radius * high)
        self._draw.ellipse([*self._at(low), *self._at(far)], fill=fill)

    def ring(self, x: float, y: float, radius: float, width: float, fill: Colour) -> None:
        box = [*self._at((x - radius, y - radius)), *self._at((x + radius, y + radius))]
        self._draw.ellipse(box, outline=fill, width=self._width(width))

    def box(self, x: float, y: float, wide: float, high: float, fill: Colour, round_: float = 0.0
            ) -> None:  # fmt: skip
        low, far = (x - wide / 2, y - high / 2), (x + wide / 2, y + high / 2)
        self._draw.rounded_rectangle(
            [*self._at(low), *self._at(far)], round_ * min(wide, high) * self.side, fill=fill
        )

    def line(self, points: FloatArray, width: float, fill: Colour) -> None:
        at = [self._at((x, y)) for x, y in points.tolist()]
        self._draw.line(at, fill=fill, width=self._width(width), joint="curve")

    def _at(self, point: tuple[float, float]) -> tuple[float, float]:
        return point[0] * self.side, point[1] * self.side

    def _width(self, width: float) -> int:
        return max(1, round(width * self.side))


def _lit(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """The image under a light from a side: it gets darker to the other side and to its rim."""
    across, down = np.meshgrid(*[np.linspace(-1, 1, image.width)] * 2)
    slope, bend = random.normal(0, 0.3, 2), random.uniform(0, 0.5) * (random.random() < 0.6)
    light = 1 + slope[0] * across + slope[1] * down - bend * (across**2 + down**2)
    pixels = np.asarray(image, np.float32).copy()
    grain = random.normal(0, random.uniform(0, 14), (*light.shape, 1))
    pixels[..., :3] = pixels[..., :3] * light[..., None] + grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _drawn(random: np.random.Generator) -> Colour:
    """Any colour, and often one of skin or hair."""
    if random.random() < WARM:
        tones = SKINS if random.random() < 0.7 else HAIRS
        return _of(tones[int(random.integers(len(tones)))], random)
    red, green, blue = colour_drawn(random).astype(int).tolist()
    return red, green, blue


def _dark(random: np.random.Generator) -> Colour:
    level = int(random.integers(0, 70))
    return level, level, level


def _of(tone: tuple[float, float, float], random: np.random.Generator) -> Colour:
    """A tone of skin or hair, as light may make it."""
    shade = 255 * random.uniform(0.55, 1.1) * np.array(tone) * random.normal(1, 0.06, 3)
    red, green, blue = np.clip(shade, 0, 255).astype(int).tolist()
    return red, green, blue


def _around(count: int, radius: float, start: float = 0.0) -> FloatArray:
    """Points (count, 2) on a circle about the middle."""
    angle = start + 2 * np.pi * np.arange(count) / count
    return 0.5 + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _wheel(pen: _Pen, random: np.random.Generator) -> None:
    rim, width = random.uniform(0.38, 0.48), random.uniform(0.03, 0.14)
    if random.random() < 0.6:
        pen.disc(0.5, 0.5, rim, _drawn(random))
    spokes, start = int(random.integers(3, 20)), random.uniform(0, 6)
    tone, thick = _drawn(random), random.uniform(0.01, 0.07)
    for point in _around(spokes, rim - width / 2, start):
        pen.line(np.stack([[0.5, 0.5], point]), thick, tone)
    pen.ring(0.5, 0.5, rim, width, _dark(random))
    pen.disc(0.5, 0.5, random.uniform(0.04, 0.18), _drawn(random))
    for point in _around(int(random.integers(3, 7)), random.uniform(0.05, 0.12), start):
        pen.disc(point[0], point[1], 0.015, _dark(random))


def _dial(pen: _Pen, random: np.random.Generator) -> None:
    pen.disc(0.5, 0.5, 0.48, _drawn(random))
    plate, ink = _drawn(random), _drawn(random)
    pen.disc(0.5, 0.5, random.uniform(0.38, 0.46), plate)
    marks = int(random.choice([4, 8, 12, 24, 60]))
    inner, outer = random.uniform(0.28, 0.35), 0.38
    for near, far in zip(_around(marks, inner), _around(marks, outer), strict=True):
        pen.line(np.stack([near, far]), random.uniform(0.008, 0.03), ink)
    for _ in range(int(random.integers(0, 4))):  # small dials lie where eyes and a mouth would
        x, y = random.uniform(0.32, 0.68, 2)
        pen.disc(x, y, random.uniform(0.05, 0.11), _drawn(random))
        pen.disc(x, y, 0.02, ink)
    for reach in random.uniform(0.12, 0.34, random.integers(0, 4)):
        angle = random.uniform(0, 2 * np.pi)
        tip = 0.5 + reach * np.array([np.cos(angle), np.sin(angle)])
        pen.line(np.stack([[0.5, 0.5], tip]), random.uniform(0.01, 0.04), ink)
    pen.disc(0.5, 0.5, random.uniform(0.01, 0.05), ink)


def _lamp(pen: _Pen, random: np.random.Generator) -> None:
    """A glowing core in a halo that fades out."""
    across, down = np.meshgrid(*[np.linspace(-1, 1, pen.side)] * 2)
    away = np.hypot(across, down * random.uniform(0.6, 1.6))
    core, fade = random.uniform(0.1, 0.6), random.uniform(1.0, 4.0)
    glow = np.clip(1 - (away - core) / (1 - core), 0, 1) ** fade
    tint = np.clip(random.normal([255, 225, 170], [10, 30, 60]), 0, 255)
    white = np.clip(1.6 - away / core, 0, 1)[..., None]
    colours = tint * (1 - white) + 255 * white
    pixels = np.concatenate([colours, 255 * glow[..., None]], axis=-1)
    pen.image.paste(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGBA"))
    if random.random() < 0.5:
        pen.box(0.5, 0.5 + core / 2 + 0.08, core * 0.5, 0.16, _dark(random), 0.3)
    for _ in range(int(random.integers(0, 3))):
        pen.line(random.uniform(0.5 - core / 2, 0.5 + core / 2, (2, 2)), 0.02, _drawn(random))


def _rings(pen: _Pen, random: np.random.Generator) -> None:
    """Plates, targets, loudspeakers, lenses."""
    radius = 0.49
    for _ in range(int(random.integers(1, 8))):
        pen.disc(0.5, 0.5, radius, _drawn(random))
        radius *= random.uniform(0.45, 0.95)


def _ball(pen: _Pen, random: np.random.Generator) -> None:
    across, down = np.meshgrid(*[np.linspace(-1, 1, pen.side)] * 2)
    square = across**2 + down**2
    height = np.sqrt(np.clip(1 - square, 0, 1))
    to = random.normal(0, 0.6, 2)
    light = (to[0] * across + to[1] * down + height) / np.sqrt(1 + to @ to)
    tone = np.array(_drawn(random))
    seen = tone * (0.25 + 0.85 * np.clip(light, 0, 1))[..., None]
    seen = seen + (255 * random.uniform(0, 0.9) * np.clip(light, 0, 1) ** 30)[..., None]
    pixels = np.concatenate([np.clip(seen, 0, 255), 255 * (square < 1)[..., None]], axis=-1)
    pen.image.paste(Image.fromarray(pixels.astype(np.uint8), "RGBA"))
    for _ in range(int(random.integers(0, 4))):  # seams, stains, a stem
        points = random.uniform(0.25, 0.75, (int(random.integers(2, 5)), 2))
        pen.line(points, random.uniform(0.01, 0.05), _drawn(random))


def _holes(pen: _Pen, random: np.random.Generator) -> None:
    """A socket, a button, a front of a car: holes and slits on a plate."""
    if random.random() < 0.5:
        pen.disc(0.5, 0.5, 0.48, _drawn(random), random.uniform(0.7, 1.0))
    else:
        wide, high = random.uniform(0.6, 0.95, 2)
        pen.box(0.5, 0.5, wide, high, _drawn(random), random.uniform(0, 0.5))
    apart, y = random.uniform(0.1, 0.24), random.uniform(0.35, 0.55)
    size, high, ink = random.uniform(0.03, 0.1), random.uniform(0.5, 1.8), _dark(random)
    rim = _drawn(random) if random.random() < 0.5 else None
    rows = (y, 1 - y) if random.random() < 0.3 else (y,)
    for x, row in ((x, row) for x in (0.5 - apart, 0.5 + apart) for row in rows):
        if rim is not None:
            pen.disc(x, row, size * 1.5, rim)
        pen.disc(x, row, size, ink, high)
    for _ in range(int(random.integers(0, 3))):
        wide = random.uniform(0.03, 0.45)
        pen.box(0.5, random.uniform(0.55, 0.8), wide, random.uniform(0.02, 0.12), ink, 0.4)


def _pair(pen: _Pen, random: np.random.Generator) -> None:
    """Two dots beside each other, and nothing else of a face."""
    apart, size, tone, core = random.uniform(0.15, 0.38), 0.1, _drawn(random), _dark(random)
    for x in (0.5 - apart, 0.5 + apart):
        pen.disc(x, 0.5, size, tone, random.uniform(0.6, 1.1))
        pen.disc(x, 0.5, size * random.uniform(0.3, 0.9), core)


def _windows(pen: _Pen, random: np.random.Generator) -> None:
    pen.box(0.5, 0.5, 0.98, 0.98, _drawn(random))
    rows, columns = int(random.integers(1, 8)), int(random.integers(1, 8))
    fill, (wide, high) = _drawn(random), random.uniform(0.3, 0.85, 2).tolist()
    for column, row in np.ndindex(columns, rows):
        tone = _drawn(random) if random.random() < 0.15 else fill
        pen.box((column + 0.5) / columns, (row + 0.5) / rows, wide / columns, high / rows, tone)


def _grille(pen: _Pen, random: np.random.Generator) -> None:
    pen.box(0.5, 0.5, 0.96, 0.96, _drawn(random), random.uniform(0, 0.5))
    ink, count = _dark(random), int(random.integers(3, 14))
    for y in np.linspace(0.15, 0.85, count):
        pen.box(0.5, float(y), 0.75, random.uniform(0.2, 0.6) / count, ink, 0.5)


def _leaves(pen: _Pen, random: np.random.Generator) -> None:
    """Leaves, pebbles or petals, each a little otherwise."""
    base, spread = colour_drawn(random), random.uniform(10, 60)
    for x, y in random.normal(0.5, 0.18, (int(random.integers(30, 160)), 2)).tolist():
        red, green, blue = np.clip(base + random.normal(0, spread), 0, 255).astype(int).tolist()
        pen.disc(x, y, random.uniform(0.01, 0.07), (red, green, blue), random.uniform(0.3, 1.5))


def _fur(pen: _Pen, random: np.random.Generator) -> None:
    """Strokes that flow about one way: fur, grass, hair."""
    tone, way = HAIRS[int(random.integers(len(HAIRS)))], random.uniform(0, 2 * np.pi)
    bend = random.normal(0, 2)
    for x, y in random.normal(0.5, 0.17, (250, 2)).tolist():
        angle = way + bend * (x - 0.5) + random.normal(0, 0.2)
        step = 0.12 * np.array([np.cos(angle), np.sin(angle)])
        points = np.array([x, y]) + np.stack([-step, step])
        pen.line(points, random.uniform(0.005, 0.02), _of(tone, random))


def _text(pen: _Pen, random: np.random.Generator) -> None:
    """Rows of strokes, as of writing."""
    if random.random() < 0.6:
        pen.box(0.5, 0.5, 0.98, 0.98, _drawn(random))
    ink, rows = _drawn(random), int(random.integers(1, 7))
    letter = 0.6 / rows
    for y in (np.arange(rows) + 0.5) / rows:
        for x in np.arange(0.06, random.uniform(0.5, 0.95), letter * 0.8):
            if random.random() < 0.15:
                continue
            middle = np.array([x, y])
            points = middle + random.uniform(-0.4, 0.4, (int(random.integers(2, 6)), 2)) * letter
            pen.line(points, letter * random.uniform(0.08, 0.25), ink)


def _limb(pen: _Pen, random: np.random.Generator) -> None:
    """Skin that is no face: an arm, a hand, a knee."""
    tone = _of(SKINS[int(random.integers(len(SKINS)))], random)
    start = random.uniform(0.1, 0.9, 2)
    for _ in range(int(random.integers(1, 6))):
        end = random.uniform(0.1, 0.9, 2)
        wide = random.uniform(0.08, 0.3)
        pen.line(np.stack([start, end]), wide, tone)
        pen.disc(end[0], end[1], wide / 2, tone)
        start = end if random.random() < 0.5 else start


def _blank_head(pen: _Pen, random: np.random.Generator) -> None:
    """An oval of skin under hair, without features."""
    hair = _of(HAIRS[int(random.integers(len(HAIRS)))], random)
    tone = _of(SKINS[int(random.integers(len(SKINS)))], random)
    if random.random() < 0.7:
        pen.box(0.5, 0.98, random.uniform(0.5, 1.0), 0.36, _drawn(random), 0.4)
        pen.box(0.5, 0.72, 0.2, 0.3, tone)
    if random.random() < 0.8:
        pen.disc(0.5, 0.36, random.uniform(0.29, 0.34), hair, random.uniform(0.95, 1.3))
    pen.disc(0.5, random.uniform(0.42, 0.5), random.uniform(0.2, 0.27), tone, 1.3)
    for _ in range(int(random.integers(0, 3))):  # hair may hide it all
        x, y = random.uniform(0.35, 0.65), random.uniform(0.15, 0.6)
        pen.disc(x, y, random.uniform(0.05, 0.25), hair)


KINDS: tuple[Callable[[_Pen, np.random.Generator], None], ...] = (
    _wheel, _dial, _lamp, _rings, _ball, _pair, _windows, _grille, _leaves, _fur, _text, _limb,
)  # fmt: skip
LARGE_KINDS = (_holes, _blank_head)
