"""Batches of several frames of one person each: of the data packs, and rendered ones."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, RandomSampler, WeightedRandomSampler

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.personal.template import Template
from edgeface.reference.data.packs import (
    NEGATIVE_PACK,
    Pack,
    is_validation,
    open_pack,
)
from edgeface.reference.data.targets import similarity_matrix
from edgeface.reference.geometry.alignment import mapped_landmarks
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.personal.frames import RIM_OF_SIDE
from edgeface.reference.personal.made_up import MadeUp
from edgeface.reference.personal.regions import draw_oval, draw_regions
from edgeface.reference.training.loading import Split
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.views.plan import Batch
from edgeface.types import BoolArray, FloatArray, ImageArray, IntArray

PACKS = ("faces68-video", "faces-expressive", "faces-portraits")
NUM_FRAMES = 4
"""Frames of one person in a batch, as in the paper."""
RENDERED_SHARE = 0.15
"""Of the people that training sees."""
MOST_OF_GROUP = 8
"""A person counts at most by so many frames when people are drawn."""
VALIDATION_PEOPLE = 24
MAX_SCALE, MAX_SHIFT, MAX_ANGLE_RAD = 0.12, 0.06, 0.2
MAX_GAIN = 0.12
"""Standard deviation of the logarithm of each colour's gain in a frame."""


@dataclass(frozen=True)
class Individual:
    """A person of a pack, and the rows of their frames."""

    pack: Pack
    rows: IntArray


def individuals(folder: Path, validation: bool) -> list[Individual]:
    """The people of one split of `PACKS`, of whom there are two frames or more with a mesh.

    Raises
    ------
    InvalidInputError
        If there is nobody.
    """
    found: list[Individual] = []
    for name in PACKS:
        if not (folder / f"{name}.zip").is_file():
            continue
        pack = open_pack(folder, name)
        usable = pack.has_mesh & (is_validation(pack) == validation)
        groups = pack.labels["group"].astype(str)
        for group in np.unique(groups[usable]):
            rows = np.flatnonzero(usable & (groups == group))
            if len(rows) > 1:
                found.append(Individual(pack, rows))
    if not found:
        split = "validation" if validation else "training"
        raise InvalidInputError(
            f"{folder} has nobody for {split}: expected packs of {', '.join(PACKS)} with two or "
            "more frames a person"
        )
    return found


class PersonBatches(Dataset[Batch]):
    """Frames of people; ``__getitems__`` makes a whole batch.

    Indices beyond the people of the packs are rendered people, made up anew each time.

    Parameters
    ----------
    people : of the packs
    num_rendered : how many indices are rendered people
    template : that of rendered people
    model : the face model whose landmarks and expressions the labels are
    size : side of a view, px
    augment : whether frames are drawn at random and views moved; else the same ones each time
    backgrounds : photos without faces, which rendered people stand before
    """

    def __init__(
        self,
        people: list[Individual],
        num_rendered: int,
        template: Template,
        model: FaceModel,
        size: int,
        augment: bool,
        backgrounds: Callable[[np.random.Generator], ImageArray] | None = None,
    ) -> None:
        self.people, self.num_rendered = people, num_rendered
        self.model, self.size, self.augment = model, size, augment
        self.made_up = MadeUp(template, size, NUM_FRAMES, backgrounds)

    def __len__(self) -> int:
        return len(self.people) + self.num_rendered

    def __getitems__(self, indices: list[int]) -> Batch:
        parts = [self._person(index) for index in indices]
        return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}

    def _person(self, index: int) -> Batch:
        seed = int(torch.randint(2**62, ())) if self.augment else index
        random = np.random.default_rng(seed)
        if index >= len(self.people):
            return self.made_up.draw(random)
        person = self.people[index]
        again = len(person.rows) < NUM_FRAMES
        rows = random.choice(person.rows, NUM_FRAMES, replace=again)
        views = [self._view(person.pack, int(row), random) for row in rows]
        frames = {name: torch.stack([view[name] for view in views]) for name in views[0]}
        return frames | self.made_up.unknown()

    def _view(self, pack: Pack, row: int, random: np.random.Generator) -> Batch:
        image = pack.image(row)
        labels = pack.labels
        mesh: FloatArray = labels["mesh"][row]
        readable = image is not None
        if image is None:  # noted in `skipped`; a grey view shows no skin
            image = np.full((256, 256, 3), 127, np.uint8)
        matrix = view_matrix(mesh[:, :2], self.size, random if self.augment else None)
        points = (mesh[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        landmarks = mapped_landmarks(mesh[None], self.model)[0, :, :2]
        landmarks = (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        seen, inside = cut_view(image, matrix, self.size)
        if self.augment:
            gain = np.exp(random.normal(0, MAX_GAIN) + random.normal(0, MAX_GAIN / 3, 3))
            seen = np.clip(seen * gain, 0, 255).astype(np.uint8)
        sides = (self.size, self.size)
        skin = (draw_regions(points, sides) > 0) & inside & readable
        skin &= draw_oval(points, sides, round(RIM_OF_SIDE * self.size))
        scores = pack.scores(np.array([row]))
        return {
            "image": torch.from_numpy(seen.copy()),  # PIL's own memory may not be written to
            "valid": torch.from_numpy(skin),
            "landmarks": torch.from_numpy(landmarks),
            "mesh": torch.from_numpy(points),
            "expression": torch.from_numpy(scores[0].astype(np.float32)),
        }


def view_matrix(
    points: FloatArray, size: int, random: np.random.Generator | None = None
) -> FloatArray:
    """The similarity (2, 3) from a picture to the view of the face with points (P, 2)."""
    low, high = points.min(axis=0), points.max(axis=0)
    centre, longer = (low + high) / 2, float((high - low).max())
    side, angle = CROP_SCALE * longer, 0.0
    if random is not None:
        side *= 1 + random.uniform(-MAX_SCALE, MAX_SCALE)
        centre = centre + random.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * longer
        angle = random.uniform(-MAX_ANGLE_RAD, MAX_ANGLE_RAD)
    return similarity_matrix(size / side, angle, centre, np.array([size / 2, size / 2]))


def cut_view(image: ImageArray, matrix: FloatArray, size: int) -> tuple[ImageArray, BoolArray]:
    """The view (S, S, 3) of an image, and where the view lies in the image, bool (S, S)."""
    linear = np.linalg.inv(matrix[:, :2])
    shift = -linear @ matrix[:, 2]
    inverse = np.concatenate([linear, shift[:, None]], axis=1)
    cut = Image.fromarray(image).transform(
        (size, size),
        Image.Transform.AFFINE,
        tuple(inverse.ravel().tolist()),
        Image.Resampling.BILINEAR,
    )
    centres = np.arange(size) + 0.5
    x = inverse[0, 0] * centres[None] + inverse[0, 1] * centres[:, None] + inverse[0, 2]
    y = inverse[1, 0] * centres[None] + inverse[1, 1] * centres[:, None] + inverse[1, 2]
    inside = (x >= 0) & (x < image.shape[1]) & (y >= 0) & (y < image.shape[0])
    return np.asarray(cut), inside


def read_people(
    template: Template, recipe: Recipe, model: FaceModel, folder: Path, validation: bool
) -> Split:
    """Read the people that TrackNet and ModelNet learn from, or are judged by."""
    people = individuals(folder, validation)
    scores = np.concatenate([person.pack.scores(person.rows) for person in people])
    size = recipe.config.input_size
    if validation:
        kept = np.linspace(0, len(people) - 1, min(VALIDATION_PEOPLE, len(people)))
        people = [people[int(i)] for i in np.unique(kept.round())]
        dataset = PersonBatches(people, 0, template, model, size, augment=False)
        return Split(dataset, RandomSampler(dataset), recipe.batch_size, scores, [])
    weights = [float(min(len(person.rows), MOST_OF_GROUP)) for person in people]
    num_rendered = max(1, round(len(people) * RENDERED_SHARE / (1 - RENDERED_SHARE)))
    each = sum(weights) / (1 - RENDERED_SHARE) * RENDERED_SHARE / num_rendered
    dataset = PersonBatches(
        people, num_rendered, template, model, size, augment=True, backgrounds=_photos(folder, size)
    )
    sampler = WeightedRandomSampler([*weights, *[each] * num_rendered], len(dataset))
    return Split(dataset, sampler, recipe.batch_size, scores, [])


def _photos(folder: Path, size: int) -> Callable[[np.random.Generator], ImageArray] | None:
    """Draws squares of photos without faces; None where the pack is not there."""
    if not (folder / f"{NEGATIVE_PACK}.zip").is_file():
        return None
    pack = open_pack(folder, NEGATIVE_PACK)

    def photo(random: np.random.Generator) -> ImageArray:
        image = pack.image(int(random.integers(len(pack.image_names))))
        if image is None:
            return np.full((size, size, 3), 127, np.uint8)
        return np.asarray(Image.fromarray(image).resize((size, size), reducing_gap=2.0))

    return photo
