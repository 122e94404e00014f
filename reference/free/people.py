"""Rendered people with exact labels: heads of ICT-FaceKit with skins, hair, eyes and light."""

# numba tells no types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from edgeface.reference.free import parts
from edgeface.reference.free.expressions import draw_expression, teacher_scores
from edgeface.reference.free.ict import Head
from edgeface.reference.free.packing import SIDE, encoded_small, write_pack
from edgeface.reference.free.parts import Part
from edgeface.reference.free.scenery import background, shading
from edgeface.reference.free.skins import mixed_skin, vertex_normals
from edgeface.reference.geometry.pose import rotation_from_euler
from edgeface.reference.personal.render import loops
from edgeface.types import FloatArray, ImageArray

RENDERED_PACK, HARD_PACK = "faces-rendered", "faces-hard"
SEED = 21
CHILDREN = 0.3
"""The share of people with a child's proportions where faces are to be hard."""
OVERSAMPLED = 2
FILLED = 0.5
"""The share of a picture's side that the box of the landmarks takes."""
IDENTITY_SPREAD = 0.9
SHOTS = 5
"""Pictures of one person, each with an expression, a pose, a light, hair and a place of its own."""
BEHIND_DEG = 132.0
"""The yaw from which on a head shows nothing of its face."""
GAZE_RAD = 0.6
TEACHER_BLINK = 0.73
"""The teacher's score of a shut eye, which the packs' readers divide by."""


@dataclass(frozen=True)
class Shot:
    """A picture of one person, uint8 (256, 256, 3), and its labels in ``image_px``.

    ``cover`` is (256, 256): how much of a pixel is the person's, in [0, 1]. ``mesh`` is (478, 3):
    the 468 points of the teacher's mesh, and the irises. ``scores`` are by the teacher's names.
    """

    pixels: ImageArray
    cover: FloatArray
    mesh: FloatArray
    scores: dict[str, float]


def render_person(
    head: Head, skins: FloatArray, random: np.random.Generator, hard: bool = False
) -> list[Shot]:
    """Make up a person and take `SHOTS` pictures.

    ``hard`` ones are of strong expressions, turned heads, light from a side, and often children.
    """
    neutral = _identity(head, random)
    if hard and random.random() < CHILDREN:
        neutral = _childlike(neutral, head, random)
    look = _look(head, skins, random)
    return [_shot(head, neutral, *look, random, hard) for _ in range(SHOTS)]


def render_behind(head: Head, skins: FloatArray, random: np.random.Generator) -> list[Shot]:
    """Make up a person and take `SHOTS` pictures from behind, where no face is to be seen."""
    neutral, look = _identity(head, random), _look(head, skins, random)
    turns = random.uniform(BEHIND_DEG, 360 - BEHIND_DEG, SHOTS)
    poses = np.stack([random.normal(0, 12, SHOTS), turns, random.normal(0, 8, SHOTS)], axis=1)
    return [_shot(head, neutral, *look, random, False, pose) for pose in poses]


def _identity(head: Head, random: np.random.Generator) -> FloatArray:
    weights = random.normal(0, IDENTITY_SPREAD, len(head.modes))
    return head.neutral + np.tensordot(weights.astype(np.float32), head.modes, 1)


def _look(
    head: Head, skins: FloatArray, random: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The colours of skin, hair and irises."""
    skin = _made_up(head, mixed_skin(skins, random), random)
    colour = np.array(parts.HAIRS[random.integers(len(parts.HAIRS))]) * random.uniform(0.7, 1.3)
    iris = np.array(parts.IRISES[random.integers(len(parts.IRISES))]) * random.uniform(0.7, 1.3)
    return skin, colour, iris


def _childlike(neutral: FloatArray, head: Head, random: np.random.Generator) -> FloatArray:
    """A head whose face below the eyes is short, as children's are."""
    eyes, chin = neutral[head.rims[0], 1].mean(), neutral[head.landmarks[8], 1]
    below = np.clip(eyes - neutral[:, 1], 0, eyes - chin)
    shorter = neutral.copy()
    shorter[:, 1] += random.uniform(0.1, 0.28) * below
    return shorter


def _shot(
    head: Head, neutral: FloatArray, skin: FloatArray, hair: FloatArray, iris: FloatArray,
    random: np.random.Generator, hard: bool, pose: FloatArray | None = None,
) -> Shot:  # fmt: skip
    weights = draw_expression(head.names, random, strong=hard and random.random() < 0.7)
    moving = np.flatnonzero(weights)
    offsets = np.tensordot(weights[moving].astype(np.float32), head.shapes[moving], 1)
    shape = (neutral + offsets).astype(np.float64)
    surfaces, irises = _dressed(head, neutral, shape, skin, hair, iris, weights, random)
    frame = glass = None
    if pose is None and random.random() < 0.22:
        lids = np.stack([shape[rim].mean(axis=0) for rim in head.rims[:2]])
        ears = shape[head.landmarks[[0, 16]]] * [1.02, 1, 1] + [0, 0.6, -1]
        frame, glass = parts.glasses(lids, shape[head.landmarks[27]], ears, random)
        surfaces.append(frame)
    turn = rotation_from_euler((_pose(random, hard) if pose is None else pose)[None])[0]
    points = np.concatenate([head.places(shape), irises])
    camera = _Camera(turn, shape[head.landmarks], random)
    shadowy = hard and random.random() < 0.6
    pixels, cover = _drawn(surfaces, glass, camera, random, shadowy)
    scores = teacher_scores(weights, head.names)
    for side in ("Left", "Right"):
        scores[f"eyeBlink{side}"] *= TEACHER_BLINK
    return Shot(pixels, cover, camera.labels(points), scores)


def _pose(random: np.random.Generator, hard: bool) -> FloatArray:
    """Pitch, yaw and roll in degrees; a third of all heads is turned by any angle."""
    if hard:
        nod = np.clip(random.normal(0, 16), -40, 40)
        return np.array([nod, random.uniform(-90, 90), random.normal(0, 10)])
    yaw = random.uniform(-80, 80) if random.random() < 0.33 else random.normal(0, 22)
    return np.array([np.clip(random.normal(0, 13), -35, 35), yaw, random.normal(0, 7)])


class _Camera:
    """Looks at a head from some distance; its picture is centred on the box of the landmarks."""

    def __init__(
        self, turn: FloatArray, landmarks: FloatArray, random: np.random.Generator
    ) -> None:
        self.turn, self.distance = turn, random.uniform(35, 160)
        self.middle = landmarks.mean(axis=0)
        flat = self._flat(landmarks)[:, :2]
        low, high = flat.min(axis=0), flat.max(axis=0)
        self.scale = SIDE * FILLED / float((high - low).max()) * random.uniform(0.85, 1.1)
        self.shift = SIDE / 2 - (low + high) / 2 * self.scale + random.normal(0, 5, 2)

    def turned(self, points: FloatArray) -> FloatArray:
        """Points (N, 3) in axes whose z looks towards the camera."""
        return (points - self.middle) @ self.turn.T

    def _flat(self, points: FloatArray) -> FloatArray:
        turned = self.turned(points)
        depth = self.distance - turned[:, 2]
        nearness = self.distance / depth
        return np.stack([turned[:, 0] * nearness, -turned[:, 1] * nearness, depth], axis=1)

    def project(self, points: FloatArray) -> FloatArray:
        """Points (N, 3) as x and y in ``image_px``, and depth in centimetres."""
        flat = self._flat(points)
        flat[:, :2] = flat[:, :2] * self.scale + self.shift
        return flat

    def labels(self, points: FloatArray) -> FloatArray:
        """Points as the teacher's mesh has them: depth in pixels, towards the back."""
        placed = self.project(points)
        placed[:, 2] = (placed[:, 2] - self.distance) * self.scale
        return placed


def _dressed(
    head: Head, neutral: FloatArray, shape: FloatArray, skin: FloatArray, hair: FloatArray,
    iris: FloatArray, weights: FloatArray, random: np.random.Generator,
) -> tuple[list[Part], FloatArray]:  # fmt: skip
    """All surfaces of a person, and ten points of the irises."""
    at = {name: float(weight) for name, weight in zip(head.names, weights, strict=True)}
    up = (
        GAZE_RAD
        * ((at["eyeLookUp_L"] + at["eyeLookUp_R"]) - (at["eyeLookDown_L"] + at["eyeLookDown_R"]))
        / 2
    )
    surfaces = [Part(shape, head.triangles, skin, random.uniform(0.1, 0.6))]
    irises: list[FloatArray] = []
    white, pupil = random.uniform(0.65, 0.95), random.uniform(0.8, 1.4)
    for rim, side in zip(head.rims[:2], ("R", "L"), strict=True):
        inward = at[f"eyeLookIn_{side}"] - at[f"eyeLookOut_{side}"]
        right = GAZE_RAD * inward * (1 if side == "R" else -1)
        centre = parts.eye_centre(neutral[rim].astype(np.float64)) - [0, 0, 0.06]
        eye, marks = parts.eyeball(centre, (right, up), iris, white, pupil)
        surfaces.append(eye)
        irises.append(marks)
    chin = head.landmarks[8]
    lips = neutral[head.landmarks[[48, 54]]], neutral[head.landmarks[62]]
    surfaces += parts.mouth(*lips, shape[chin] - neutral[chin], random)
    if random.random() < 0.9:
        surfaces += parts.hair(head, shape, hair, random)
    surfaces.append(parts.clothes(shape, head, random))
    return surfaces, np.concatenate(irises)


def _made_up(head: Head, skin: FloatArray, random: np.random.Generator) -> FloatArray:
    """A skin with blotches, and now and then with a beard or painted lips."""
    x, y, z = head.neutral.T
    skin = skin * (1 + random.normal(0, random.uniform(0.005, 0.04), (len(skin), 1)))
    inner = head.landmarks[48:68]
    mouth = head.neutral[inner].mean(axis=0)
    if random.random() < 0.25:
        chin = (y < 1.5) & (y > -10) & (z > 2) & head.is_face
        off = np.abs(x) / 7 + (y - mouth[1]) / random.uniform(4, 12)
        lips = ((x / 2.6) ** 2 + ((y - mouth[1]) / 1.1) ** 2) < 1
        grown = chin & ~lips & (off < random.uniform(0.4, 1.1))
        grown &= (y < mouth[1] + 1.9) | (np.abs(x) > 4.5)
        strength = random.uniform(0.2, 0.9) * np.clip(random.normal(1, 0.25, len(skin)), 0, 1.4)
        tone = np.array(parts.HAIRS[random.integers(0, 6)])
        share = (grown * strength)[:, None].clip(0, 1)
        skin = skin * (1 - share) + tone * share
    if random.random() < 0.2:
        painted = head.is_face & (((x / 2.7) ** 2 + ((y - mouth[1]) / 1.0) ** 2) < 1)
        share = painted[:, None] * random.uniform(0.2, 0.6)
        skin = skin * (1 - share) + np.array([random.uniform(0.4, 0.8), 0.1, 0.2]) * share
    return np.clip(skin, 0, 1)


def _drawn(
    surfaces: list[Part], glass: Part | None, camera: _Camera, random: np.random.Generator,
    shadowy: bool,
) -> tuple[ImageArray, FloatArray]:  # fmt: skip
    vertices = np.concatenate([part.vertices for part in surfaces])
    counts = np.cumsum([0, *(len(part.vertices) for part in surfaces)])
    triangles = np.concatenate(
        [part.triangles + first for part, first in zip(surfaces, counts, strict=False)]
    ).astype(np.int32)
    shine = np.concatenate([np.full(len(p.vertices), p.shine) for p in surfaces])
    albedo = np.concatenate([part.colours for part in surfaces])
    turned = camera.turned(vertices)
    normals = vertex_normals(turned, triangles)
    flat = np.linalg.norm(normals, axis=1) < 0.5  # sheets with two sides
    normals[flat] = [0, 0.2, 0.98]
    view = np.array([0, 0, camera.distance]) - turned
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    light, gloss = shading(normals, view, shine, random, shadowy)
    colours = albedo * light + gloss
    size = OVERSAMPLED * SIDE
    points = camera.project(vertices)
    points[:, :2] *= OVERSAMPLED
    at = points[None].astype(np.float32)
    index = loops.rasterise(at, triangles, size, size)
    image = loops.interpolate(at, triangles, index, colours[None].astype(np.float32), triangles)[0]
    covered = (index[0] >= 0)[..., None]
    behind = background(SIDE, SIDE, random)
    wide = np.asarray(Image.fromarray(behind).resize((size, size)), np.float32) / 255
    image = np.where(covered, image, wide)
    if glass is not None:
        image = _through_glass(image, glass, camera, random)
    whole = Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))
    small = whole.reduce(OVERSAMPLED)
    if random.random() < 0.4:
        small = small.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 1.6))))
    pixels = np.asarray(small, np.float32) + random.normal(0, random.uniform(0, 6), (SIDE, SIDE, 1))
    halves = covered.reshape(SIDE, OVERSAMPLED, SIDE, OVERSAMPLED)
    return np.clip(pixels, 0, 255).astype(np.uint8), halves.mean(axis=(1, 3))


def _through_glass(
    image: FloatArray, glass: Part, camera: _Camera, random: np.random.Generator
) -> FloatArray:
    size = OVERSAMPLED * SIDE
    points = camera.project(glass.vertices)
    points[:, :2] *= OVERSAMPLED
    index = loops.rasterise(points[None].astype(np.float32), glass.triangles, size, size)
    lens = (index[0] >= 0)[..., None]
    dark = random.random() < 0.3
    opacity = random.uniform(0.55, 0.97) if dark else random.uniform(0.0, 0.12)
    tone = random.uniform(0, 0.15, 3) if dark else random.uniform(0.6, 1.0, 3)
    return np.where(lens, image * (1 - opacity) + tone * opacity, image)


def write_rendered_pack(
    head: Head, skins: FloatArray, people: range, names: tuple[str, ...], path: Path,
    hard: bool = False,
) -> None:  # fmt: skip
    """Write a pack of rendered people.

    Parameters
    ----------
    people : their numbers; a number always gives the same person and pictures
    names : the teacher's 52
    hard : as `render_person` takes it
    """
    shots = [(f"person-{k}", shot) for k in people
             for shot in render_person(head, skins, np.random.default_rng([SEED, k]), hard)
             ]  # fmt: skip
    scores = [[shot.scores.get(name, 0.0) for name in names] for _, shot in shots]
    labels = {
        "mesh478": np.stack([shot.mesh for _, shot in shots]),
        "blendshapes52": np.array(scores, np.float32),
        "blendshape_names": np.array(names),
        "group": np.array([person for person, _ in shots]),
        "source": np.full(len(shots), "rendered"),
    }
    write_pack(path, [encoded_small(shot.pixels) for _, shot in shots], "webp", labels)
