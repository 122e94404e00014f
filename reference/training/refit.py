"""The last layers of identity and pose, fitted anew with all before them held still.

Training ends with layers that are a compromise: over warped, masked and recoloured views, and over
all terms of its loss. Here the network sees faces as photos show them, once or a few times; what
its last layers were given is kept; and the landmarks alone say what these layers should have made
of it. That has a few thousand unknowns and takes a minute.
"""

# torch tells part of its types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.image import crop
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.packs import HUMAN_PACK
from edgeface.reference.data.validation import TEACHER, read_packs
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR
from edgeface.reference.geometry.boxes import corners, pairwise_iou
from edgeface.reference.geometry.lids import EYE_CORNERS
from edgeface.reference.geometry.morphable import MorphableModel
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.networks.last_layers import Change, hidden_units, with_changes
from edgeface.reference.networks.predict import (
    GREY,
    IOU_THRESHOLD,
    find_candidates,
    letterbox_input,
)
from edgeface.types import FloatArray, ImageArray

log = logging.getLogger(__name__)

BATCH, STEPS, RATE = 1024, 300, 6e-3
RIDGE = 0.01
"""Of the changes, in standard deviations of outputs by standard deviations of hidden units."""
BIAS_RIDGE = RIDGE / 10
INNER_WEIGHT = 0.6
"""The weight of the 51 inner landmarks' mean error; that of all 68 has the rest."""
MOST_ERROR = 60.0
"""Percent of the eyes' distance; beyond, a face was mistaken for another, and teaches nothing."""
TEACHER_WEIGHT = 0.1
"""The weight of a pack whose landmarks are the teacher's, beside one where people placed them."""
SMALLEST = 0.02
"""The least longer side of a face, in longer sides of its photo."""
SCORE_FLOOR = 0.01
"""The least score of candidates that are taken for a face."""
SHIFT, ZOOM = 0.03, 0.05
"""How far a box is moved, in its sides, and resized: the standard deviations."""
MARGIN = 0.25
"""How much grey is put beside a photo at most, in its sides."""


@dataclass(frozen=True)
class Seen:
    """What the last layers of identity and pose were given in N views, and what was wanted.

    Attributes
    ----------
    identity_units, pose_units : (N, U)
    identity (N, 50), expression (N, 46), pose (N, 8) : the raw outputs
    landmarks : (N, 68, 2), the labels, ``face_norm``
    weight : (N,), with the sum 1 for every pack of which people placed the landmarks
    """

    identity_units: Tensor
    pose_units: Tensor
    identity: Tensor
    expression: Tensor
    pose: Tensor
    landmarks: Tensor
    weight: Tensor


@dataclass(frozen=True)
class View:
    """A photo, perhaps mirrored and with grey around it, and one or more faces to find in it.

    Attributes
    ----------
    boxes (N, 4), landmarks (N, 68, 2) : of its faces, in its px
    """

    group: str
    pixels: ImageArray
    boxes: FloatArray
    landmarks: FloatArray


def refit(trained: TrainedNetwork, folder: Path, passes: int, seed: int = 0) -> TrainedNetwork:
    """An SFN or MFN with new last layers of identity and pose; all else stays as it is.

    Parameters
    ----------
    folder : the folder of the data packs, of which the training split teaches
    passes : how often each face is seen, the first time as it is, then mirrored or moved

    Raises
    ------
    InvalidInputError
        If it is another kind of network, or one of a free run, which must not learn from 300-W.
    """
    if not hasattr(trained.network, "pose_branch"):
        raise InvalidInputError(f"an sfn or mfn is fitted anew, not a {trained.config.kind}")
    if trained.recipe.get("free"):
        raise InvalidInputError(f"a free network must not learn from {HUMAN_PACK}")
    images = read_packs(folder, trained.face_model, validation=False)
    seen = look(trained, views(images, passes, seed))
    changes = fit(seen, trained.face_model)
    return with_changes(trained, dict(zip(_branches(trained), changes, strict=True)))


def views(images: Iterable[LabelledImage], passes: int, seed: int) -> Iterator[View]:
    """Yield the images whose faces have landmarks, as they are and then ``passes - 1`` others."""
    random = np.random.default_rng(seed)
    for image in images:
        sides = (image.labels.boxes[:, 2:] - image.labels.boxes[:, :2]).max(axis=1)
        known = np.isfinite(image.labels.landmarks).all(axis=(1, 2)) & ~image.labels.ignore
        known &= sides >= SMALLEST * max(image.pixels.shape[:2])
        if not known.any():
            continue
        labels = image.labels[known]
        plain = View(image.group, image.pixels, labels.boxes, labels.landmarks)
        yield plain
        for number in range(1, passes):
            yield _moved(_mirrored(plain) if number % 2 else plain, random)


def _mirrored(view: View) -> View:
    width = view.pixels.shape[1]
    points = view.landmarks[:, LANDMARK_MIRROR].copy()
    points[..., 0] = width - points[..., 0]
    boxes = view.boxes[:, [2, 1, 0, 3]].copy()
    boxes[:, ::2] = width - boxes[:, ::2]
    return View(view.group, np.ascontiguousarray(view.pixels[:, ::-1]), boxes, points)


def _moved(view: View, random: np.random.Generator) -> View:
    """The view with grey at its left and top, so that faces lie elsewhere among the cells.

    Boxes are moved and resized besides, as those are that a face was tracked to.
    """
    height, width = view.pixels.shape[:2]
    left, top = (random.uniform(0, MARGIN, 2) * (width, height)).astype(int)
    wider = Image.new("RGB", (width + left, height + top), (GREY, GREY, GREY))
    wider.paste(Image.fromarray(view.pixels), (left, top))
    shift = np.array([left, top])
    low, high = view.boxes[:, :2] + shift, view.boxes[:, 2:] + shift
    side = (high - low).max(axis=1, keepdims=True)
    centre = (low + high) / 2 + side * random.normal(0, SHIFT, low.shape)
    half = (high - low) / 2 * np.exp(random.normal(0, ZOOM, side.shape))
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    return View(view.group, np.asarray(wider), boxes, view.landmarks + shift)


@torch.no_grad()
def look(trained: TrainedNetwork, shown: Iterable[View]) -> Seen:
    """What the network's last layers are given of the faces of views.

    Raises
    ------
    InvalidInputError
        If it finds none of the faces.
    """
    see = _find if trained.config.network_kind.detects else _look
    groups: list[str] = []
    rows: list[list[Tensor]] = []
    with hidden_units(trained.network, _branches(trained)) as units:
        for view in shown:
            for row in see(trained, units, view):
                groups.append(view.group)
                rows.append(row)
                if len(rows) % 500 == 0:
                    log.info("%d faces", len(rows))
    if not rows:
        raise InvalidInputError("the network finds none of the faces")
    kinds, kind, count = np.unique(groups, return_inverse=True, return_counts=True)
    weight = np.where([name.endswith(TEACHER) for name in kinds], TEACHER_WEIGHT, 1.0) / count
    columns = (torch.stack(column).float() for column in zip(*rows, strict=True))
    return Seen(*columns, weight=torch.from_numpy(weight[kind]).float())


def _branches(trained: TrainedNetwork) -> tuple[str, str]:
    return str(trained.network.identity_branch), str(trained.network.pose_branch)


def _look(trained: TrainedNetwork, units: dict[str, Tensor], view: View) -> Iterator[list[Tensor]]:
    """Yield a row of `Seen` for each face, which an SFN sees in a crop around its box."""
    size = trained.config.input_size
    for box, points in zip(view.boxes, view.landmarks, strict=True):
        pixels, placement = crop(view.pixels, box, CROP_SCALE, size)
        outputs = trained.network(torch.from_numpy(pixels[None].copy()))[:3]
        wanted = (placement.to_input(points) - size / 2) / (size / CROP_SCALE)
        given = [units[branch][0] for branch in _branches(trained)]
        yield [*given, *(output[0] for output in outputs), torch.from_numpy(wanted)]


def _find(trained: TrainedNetwork, units: dict[str, Tensor], view: View) -> Iterator[list[Tensor]]:
    """Yield a row of `Seen` for each face that an MFN finds, a mean over candidates."""
    pixels, scale, offset = letterbox_input(view.pixels, trained.config.input_size)
    found = find_candidates(trained, pixels, SCORE_FLOOR, IOU_THRESHOLD)
    if not len(found.kept):
        return
    anchors = len(trained.config.anchors)
    given = [
        found.shares @ units[branch][0].flatten(1).T.repeat_interleave(anchors, dim=0)
        for branch in _branches(trained)
    ]
    boxes, *outputs = (found.shares @ values for values in (found.boxes, *found.rows[1:]))
    labelled = torch.from_numpy(view.boxes.reshape(-1, 2, 2) * scale + offset).float().flatten(1)
    overlaps = pairwise_iou(corners(found.boxes[found.kept]), labelled)
    overlaps *= found.scores[:, None] * (overlaps > 0.5)
    for face, points in enumerate(view.landmarks):
        best = int(overlaps[:, face].argmax())
        if overlaps[best, face] > 0:
            centre, side = boxes[best, :2], boxes[best, 2:].max()
            wanted = (torch.from_numpy(points * scale + offset) - centre) / side
            yield [*(each[best] for each in (*given, *outputs)), wanted]


def fit(seen: Seen, model: FaceModel, steps: int = STEPS) -> tuple[Change, Change]:
    """The changes of the last layers of identity and pose that draw landmarks best.

    They minimise the weighted mean over faces of the landmarks' mean distance, in percent of the
    distance of the outer corners of the eyes, plus a ridge on the changes.
    """
    morphable = MorphableModel(model)
    eyes = seen.landmarks[:, EYE_CORNERS[0][0]] - seen.landmarks[:, EYE_CORNERS[1][1]]
    percent = 100 / eyes.norm(dim=1).clamp(min=1e-3)
    parts = (_Part(seen.identity_units, seen.identity), _Part(seen.pose_units, seen.pose))

    def error(rows: Tensor) -> Tensor:
        identity, pose = (part.outputs(rows) for part in parts)
        points = morphable.project(identity, seen.expression[rows], pose)
        apart = (points - seen.landmarks[rows]).norm(dim=2) * percent[rows, None]
        inner, every = apart[:, 17:].mean(dim=1), apart.mean(dim=1)
        return (INNER_WEIGHT * inner + (1 - INNER_WEIGHT) * every).clamp(max=MOST_ERROR).mean()

    batch = min(BATCH, len(seen.weight))
    random = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam([v for part in parts for v in (part.weight, part.bias)], RATE)
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: (1 + math.cos(math.pi * step / steps)) / 2
    )
    for step in range(steps):
        rows = torch.multinomial(seen.weight, batch, replacement=True, generator=random)
        loss = error(rows) + sum(part.penalty() for part in parts)
        if step % 100 == 0:
            log.info("step %d: %.2f %% of the distance of the eyes", step, float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    identity, pose = (part.change() for part in parts)
    return identity, pose


class _Part:
    """A change of one layer, whose units and outputs are brought to a like size.

    Units that hardly vary are not blown up: each is divided by its own standard deviation and a
    twentieth of the mean one.
    """

    def __init__(self, units: Tensor, outputs: Tensor) -> None:
        spread = units.std(dim=0)
        self.mean, self.spread = units.mean(dim=0), spread + 0.05 * spread.mean() + 1e-6
        self.units = (units - self.mean) / self.spread
        self.said, self.size = outputs, outputs.std(dim=0) + 0.05 * outputs.std(dim=0).mean()
        self.weight = torch.zeros(units.shape[1], outputs.shape[1], requires_grad=True)
        self.bias = torch.zeros(outputs.shape[1], requires_grad=True)

    def outputs(self, rows: Tensor) -> Tensor:
        return self.said[rows] + (self.units[rows] @ self.weight + self.bias) * self.size

    def penalty(self) -> Tensor:
        return RIDGE * self.weight.square().sum() + BIAS_RIDGE * self.bias.square().sum()

    @torch.no_grad()
    def change(self) -> Change:
        """The change in terms of the units and outputs as they are."""
        weight = (self.weight * self.size / self.spread[:, None]).T
        return weight, self.bias * self.size - weight @ self.mean
