"""Photos of crowds that nobody took: rendered people on made-up scenes, and such scenes alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edgeface.reference.data.packs import MESH_VERTICES
from edgeface.reference.free.ict import Head
from edgeface.reference.free.packing import SIDE, encoded, write_pack
from edgeface.reference.free.people import SEED, Shot, render_person
from edgeface.reference.free.scenery import background
from edgeface.reference.geometry.fit import FOREHEAD
from edgeface.types import AnyArray, FloatArray, ImageArray

CROWDS_PACK, EMPTY_PACK = "crowds-rendered", "negatives-made"
CAST = 60
"""People who stand in the crowds of one pack."""
LONGER_SIDES = (280, 416)
FACE_SIZES = (7.0, 190.0)
"""The longer side of a face's box, px."""
MOST_FACES = 20
LEAST_VISIBLE = 0.4
"""The share of a face's box that must not be covered by others, or be outside the picture."""
BLUR, EXPRESSION, LIGHT, INVALID, OCCLUSION, POSE = range(6)
"""Columns of ``face_attr``, as WIDER FACE has them."""


def write_crowds(
    head: Head, skins: FloatArray, count: int, names: tuple[str, ...], folder: Path
) -> None:
    """Write packs of crowds and of scenes without people, ``count`` photos each.

    Parameters
    ----------
    names : the teacher's 52
    """
    random = np.random.default_rng([SEED, 1])
    cast = [shot for _ in range(CAST) for shot in render_person(head, skins, random)]
    photos = [_crowd(cast, random) for _ in range(count)]
    boxes = np.concatenate([boxes for _, boxes, _ in photos])
    image = np.repeat(np.arange(count), [len(boxes) for _, boxes, _ in photos])
    seen = [face for _, _, faces in photos for face in faces]
    attributes = np.zeros((len(boxes), 6), np.int64)
    attributes[:, INVALID] = [not visible for _, _, visible in seen]
    labels: dict[str, AnyArray] = {
        "face_box": boxes,
        "face_image": image,
        "face_attr": attributes,
        "mesh_face": np.arange(len(boxes)),
        "mesh478": np.stack([mesh for _, mesh, _ in seen]),
        "blendshapes52": np.array([[s.scores.get(n, 0.0) for n in names] for s, _, _ in seen]),
        "blendshape_names": np.array(names),
    }
    pictures = [encoded(pixels) for pixels, _, _ in photos]
    write_pack(folder / f"{CROWDS_PACK}.zip", pictures, "jpg", labels)
    empty = [encoded(_nobody(cast, random)) for _ in range(count)]
    write_pack(folder / f"{EMPTY_PACK}.zip", empty, "jpg", {})


Face = tuple[Shot, FloatArray, bool]
"""A shot, its mesh in the photo, and whether enough of the face is seen."""


def _crowd(
    cast: list[Shot], random: np.random.Generator
) -> tuple[ImageArray, FloatArray, list[Face]]:
    """A photo, its face boxes (N, 4), and its faces; the farthest stand behind."""
    height, width = _size(random)
    canvas = background(height, width, random).copy()
    owner = np.full((height, width), -1)
    many = 1 + int(random.beta(0.8, 2.0) * MOST_FACES)
    low, high = np.log(FACE_SIZES[0]), np.log(FACE_SIZES[1] / np.sqrt(many))
    sizes = np.sort(np.exp(random.uniform(low, max(high, low + 1), many)))
    boxes: list[FloatArray] = []
    placed: list[tuple[Shot, FloatArray]] = []
    for size in sizes.tolist():
        shot = cast[int(random.integers(len(cast)))]
        own = face_box(shot.mesh)
        scale = size / (own[2:] - own[:2]).max()
        corner = random.uniform(0, 1, 2) * [width, height] - (own[:2] + own[2:]) / 2 * scale
        _paste(canvas, owner, shot, scale, corner, len(boxes))
        mesh = shot.mesh * scale
        mesh[:, :2] += corner
        boxes.append(face_box(mesh))
        placed.append((shot, mesh))
    faces = [(shot, mesh, _visible(owner, boxes[k], k) > LEAST_VISIBLE)
             for k, (shot, mesh) in enumerate(placed)]  # fmt: skip
    return canvas, np.stack(boxes), faces


def face_box(mesh: FloatArray) -> FloatArray:
    """The box (4,) that people draw around a face with this mesh; see `Fit.face_boxes`."""
    points = mesh[:MESH_VERTICES, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    low[1] -= FOREHEAD * (high - low)[1]
    return np.concatenate([low, high])


def _size(random: np.random.Generator) -> tuple[int, int]:
    longer = int(random.integers(*LONGER_SIDES))
    shorter = int(longer * random.uniform(0.6, 1.0))
    return (longer, shorter) if random.random() < 0.5 else (shorter, longer)


def _paste(
    canvas: ImageArray, owner: AnyArray, shot: Shot, scale: float, corner: FloatArray, number: int
) -> None:
    """Lay the person of a shot over a photo, and note which pixels are theirs, in place."""
    side = max(2, round(SIDE * scale))
    left, top = np.round(corner).astype(int).tolist()
    cover = Image.fromarray((shot.cover * 255).astype(np.uint8)).resize((side, side))
    person = Image.fromarray(shot.pixels).resize((side, side), Image.Resampling.BOX)
    whole = Image.fromarray(canvas)
    whole.paste(person, (left, top), cover)
    canvas[:] = np.asarray(whole)
    mask = Image.new("L", whole.size, 0)
    mask.paste(cover, (left, top))
    owner[np.asarray(mask) > 127] = number


def _visible(owner: AnyArray, box: FloatArray, number: int) -> float:
    """The share of a box's pixels that are its person's, or the scene's."""
    height, width = owner.shape
    x0, y0, x1, y1 = box
    area = max((x1 - x0) * (y1 - y0), 1.0)
    left, top = max(round(x0), 0), max(round(y0), 0)
    inside = owner[top : min(round(y1), height), left : min(round(x1), width)]
    return float((inside <= number).sum() / area)


def _nobody(cast: list[Shot], random: np.random.Generator) -> ImageArray:
    """A scene without faces; in some, tiles of people lie in disorder, so that no face is whole."""
    height, width = _size(random)
    canvas = background(height, width, random).copy()
    for _ in range(int(random.integers(0, 5))):
        shot = cast[int(random.integers(len(cast)))]
        tiles = shot.pixels.reshape(8, SIDE // 8, 8, SIDE // 8, 3).swapaxes(1, 2).reshape(64, -1)
        mixed = random.permutation(tiles).reshape(8, 8, SIDE // 8, SIDE // 8, 3).swapaxes(1, 2)
        side = int(random.integers(24, 200))
        patch = np.asarray(Image.fromarray(mixed.reshape(SIDE, SIDE, 3)).resize((side, side)))
        y, x = (int(random.integers(0, max(1, n - side))) for n in (height, width))
        seen = canvas[y : y + side, x : x + side]
        seen[:] = patch[: seen.shape[0], : seen.shape[1]]
    return canvas
