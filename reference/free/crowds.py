"""Photos of crowds that nobody took: rendered people on made-up scenes, and such scenes alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edgeface.reference.data.packs import VALIDATION_SHARE, validates
from edgeface.reference.free.clutter import scatter
from edgeface.reference.free.ict import Head
from edgeface.reference.free.packing import SIDE, encoded_small, face_box, image_name, write_pack
from edgeface.reference.free.people import SEED, SHOTS, Shot, render_behind, render_person
from edgeface.reference.free.scenery import background
from edgeface.reference.free.scraps import scraps_of
from edgeface.types import AnyArray, FloatArray, ImageArray

CROWDS_PACK, EMPTY_PACK = "crowds-rendered", "negatives-made"
CAST = 80
"""People who stand in the crowds of one pack; beside them there are a fourth who look away."""
HARD_EVERY = 4
"""One of how many has a hard look, as `render_person` draws it."""
EMPTY_PER_CROWD = 1.25
"""Scenes without people for each photo of a crowd."""
LONGER_SIDES, FAR_SIDES = (280, 416), (420, 700)
"""Of photos, px; those of people far away are large, so that small faces are sharp."""
FACE_SIZES = (6.0, 190.0)
"""The longer side of a face's box, px."""
MESHED_PX = 20.0
"""Smaller faces have a box alone: packs keep points to a quarter of a pixel."""
FAR_SHARE = 0.4
AWAY = 0.15
"""The share of the people in a crowd that are seen from behind."""
MOST_FACES = 40
LEAST_VISIBLE = 0.4
"""The share of a face's box that must not be covered by others, or be outside the picture."""
BLUR, EXPRESSION, LIGHT, INVALID, OCCLUSION, POSE = range(6)
"""Columns of ``face_attr``, as WIDER FACE has them."""


def write_crowds(
    head: Head, skins: FloatArray, scraps: list[ImageArray], count: int, names: tuple[str, ...],
    folder: Path,
) -> None:  # fmt: skip
    """Write packs of ``count`` photos of crowds, and of a quarter more scenes without people.

    Nobody whose face is in a photo for validation is in one to train on.

    Parameters
    ----------
    scraps : pieces of portraits without their faces, see `scraps_of`
    names : the teacher's 52
    """
    random = np.random.default_rng([SEED, 1])
    cast = [s for k in range(CAST) for s in render_person(head, skins, random, k % HARD_EVERY == 0)]
    backs = [shot for _ in range(CAST // 4) for shot in render_behind(head, skins, random)]
    held = SHOTS * max(1, round(VALIDATION_SHARE * CAST))
    scraps = scraps + [piece for s in cast for piece in scraps_of(s.pixels, face_box(s.mesh))]
    pictures: list[bytes] = []
    faces: list[list[Face]] = []
    for number in range(count):
        held_out = validates(CROWDS_PACK, image_name(number, "webp"))
        canvas, seen = _crowd(cast[:held] if held_out else cast[held:], backs, random)
        pictures.append(encoded_small(canvas))
        faces.append(seen)
    write_pack(folder / f"{CROWDS_PACK}.zip", pictures, "webp", _labels(faces, names))
    empty = [encoded_small(_nobody(cast, backs, scraps, random))
             for _ in range(round(count * EMPTY_PER_CROWD))]  # fmt: skip
    write_pack(folder / f"{EMPTY_PACK}.zip", empty, "webp", {})


Face = tuple[Shot, FloatArray, FloatArray, bool]
"""A shot, its mesh and box in the photo, and whether enough of the face is seen."""


def _labels(photos: list[list[Face]], names: tuple[str, ...]) -> dict[str, AnyArray]:
    faces = [face for seen in photos for face in seen]
    boxes = np.stack([box for _, _, box, _ in faces])
    attributes = np.zeros((len(faces), 6), np.int64)
    attributes[:, INVALID] = [not visible for *_, visible in faces]
    meshed = np.flatnonzero((boxes[:, 2:] - boxes[:, :2]).max(axis=1) >= MESHED_PX)
    shots = [faces[k] for k in meshed]
    return {
        "face_box": boxes,
        "face_image": np.repeat(np.arange(len(photos)), [len(seen) for seen in photos]),
        "face_attr": attributes,
        "mesh_face": meshed,
        "mesh478": np.stack([mesh for _, mesh, _, _ in shots]),
        "blendshapes52": np.array(
            [[s.scores.get(n, 0.0) for n in names] for s, *_ in shots], np.float32
        ),
        "blendshape_names": np.array(names),
    }


def _crowd(
    cast: list[Shot], backs: list[Shot], random: np.random.Generator
) -> tuple[ImageArray, list[Face]]:
    """A photo, and its faces; the farthest stand behind, and some look away."""
    far = random.random() < FAR_SHARE
    height, width = _size(FAR_SIDES if far else LONGER_SIDES, random)
    canvas = background(height, width, random).copy()
    if random.random() < 0.6:
        scatter(canvas, int(random.integers(1, 14)), random)
    owner = np.full((height, width), -1)
    placed: list[tuple[int, Shot, FloatArray, FloatArray]] = []
    for k, size in enumerate(_face_sizes(far, random)):
        away = k > 0 and random.random() < AWAY
        shots = backs if away else cast
        shot = shots[int(random.integers(len(shots)))]
        own = face_box(shot.mesh)
        scale = size / (own[2:] - own[:2]).max()
        corner = random.uniform(0, 1, 2) * [width, height] - (own[:2] + own[2:]) / 2 * scale
        scale, corner = _paste(canvas, owner, shot, scale, corner, k)
        mesh = shot.mesh * scale
        mesh[:, :2] += corner
        if not away:
            placed.append((k, shot, mesh, face_box(mesh)))
    return canvas, [
        (shot, mesh, box, _visible(owner, box, k) > LEAST_VISIBLE) for k, shot, mesh, box in placed
    ]


def _face_sizes(far: bool, random: np.random.Generator) -> list[float]:
    """The longer sides of the faces of a crowd, px, small ones first; alike if ``far``."""
    if far:
        many = 6 + int(random.beta(0.8, 1.6) * MOST_FACES)
        high = np.log(random.uniform(12.0, 60.0))
        low = high - np.log(3)
    else:
        many = 1 + int(random.beta(0.8, 2.0) * MOST_FACES / 2)
        low, high = np.log(FACE_SIZES[0]), np.log(FACE_SIZES[1] / np.sqrt(many))
        high = max(high, low + 1)
    return np.sort(np.exp(random.uniform(low, high, many))).tolist()


def _size(longer_sides: tuple[int, int], random: np.random.Generator) -> tuple[int, int]:
    longer = int(random.integers(*longer_sides))
    shorter = int(longer * random.uniform(0.6, 1.0))
    return (longer, shorter) if random.random() < 0.5 else (shorter, longer)


def _paste(
    canvas: ImageArray, owner: AnyArray, shot: Shot, scale: float, corner: FloatArray, number: int
) -> tuple[float, FloatArray]:
    """Lay the person of a shot over a photo, and note which pixels are theirs, in place.

    Returns the scale and the corner by which they lie there, rounded to whole pixels.
    """
    side = max(2, round(SIDE * scale))
    corner = np.round(corner)
    left, top = corner.astype(int).tolist()
    cover = Image.fromarray((shot.cover * 255).astype(np.uint8)).resize((side, side))
    person = Image.fromarray(shot.pixels).resize((side, side))
    whole = Image.fromarray(canvas)
    whole.paste(person, (left, top), cover)
    canvas[:] = np.asarray(whole)
    mask = Image.new("L", whole.size, 0)
    mask.paste(cover, (left, top))
    owner[np.asarray(mask) > 127] = number
    return side / SIDE, corner


def _visible(owner: AnyArray, box: FloatArray, number: int) -> float:
    """The share of a box's pixels that are its person's, or the scene's."""
    height, width = owner.shape
    x0, y0, x1, y1 = box
    area = max((x1 - x0) * (y1 - y0), 1.0)
    left, top = max(round(x0), 0), max(round(y0), 0)
    inside = owner[top : min(round(y1), height), left : min(round(x1), width)]
    return float((inside <= number).sum() / area)


def _nobody(
    cast: list[Shot], backs: list[Shot], scraps: list[ImageArray], random: np.random.Generator
) -> ImageArray:
    """A scene without faces.

    There are things that look like faces, people from behind, pieces of portraits, and tiles of
    people in disorder, so that neither hair nor an eye alone is a face.
    """
    height, width = _size(LONGER_SIDES, random)
    canvas = background(height, width, random).copy()
    scatter(canvas, int(random.integers(3, 36)), random)
    for _ in range(int(random.integers(0, 6))):
        kind = random.random()
        if kind < 0.4:
            shot = backs[int(random.integers(len(backs)))]
            scale = float(np.exp(random.uniform(-2.3, 0.2)))
            corner = random.uniform(-0.3, 0.9, 2) * [width, height]
            _paste(canvas, np.zeros((height, width)), shot, scale, corner, 0)
        elif kind < 0.75:
            _lay(canvas, scraps[int(random.integers(len(scraps)))], random)
        else:
            _lay(canvas, _in_disorder(cast[int(random.integers(len(cast)))], random), random)
    if random.random() < 0.5:
        scatter(canvas, int(random.integers(1, 6)), random)
    return canvas


def _in_disorder(shot: Shot, random: np.random.Generator) -> ImageArray:
    """A picture cut into 64 tiles that changed places."""
    tiles = shot.pixels.reshape(8, SIDE // 8, 8, SIDE // 8, 3).swapaxes(1, 2).reshape(64, -1)
    mixed = random.permutation(tiles).reshape(8, 8, SIDE // 8, SIDE // 8, 3).swapaxes(1, 2)
    return mixed.reshape(SIDE, SIDE, 3)


def _lay(canvas: ImageArray, piece: ImageArray, random: np.random.Generator) -> None:
    """Lay a piece of a picture on a scene, mirrored, turned, larger or smaller, in place."""
    turned = np.rot90(piece[:, :: random.choice([-1, 1])], random.choice([0, 0, 0, 1, 2, 3]))
    scale = np.exp(random.uniform(-1.6, 0.2))
    size = [max(4, round(n * scale)) for n in turned.shape[1::-1]]
    laid = Image.fromarray(np.ascontiguousarray(turned)).resize((size[0], size[1])).convert("RGBA")
    laid = laid.rotate(float(random.normal(0, 10)), Image.Resampling.BILINEAR, expand=True)
    whole = Image.fromarray(canvas)
    at = [int(random.uniform(-0.3, 1.0) * length) for length in whole.size]
    whole.paste(laid, (at[0], at[1]), laid)
    canvas[:] = np.asarray(whole)
