"""The last layers of faces, fitted anew with all before them held still.

Training ends with layers that are a compromise: over warped, masked and recoloured views, and over
all terms of its loss. Here the network sees every face as the photo shows it, and single ones once
more, turned; what its last layers were given is kept; and the labels say what these layers should
have made of it. That has some ten thousand unknowns and takes a minute.
"""

# torch tells part of its types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.image import crop
from edgeface.reference.data.labelled import LabelledImage
from edgeface.reference.data.targets import similarity_matrix, warped_boxes
from edgeface.reference.data.validation import TEACHER, read_packs
from edgeface.reference.geometry.boxes import corners, pairwise_iou
from edgeface.reference.geometry.lids import BLINK_NAMES, EYE_CORNERS
from edgeface.reference.geometry.morphable import MorphableModel
from edgeface.reference.networks.checkpoint import TrainedNetwork, refuse_free
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.networks.last_layers import Change, hidden_units, with_changes
from edgeface.reference.networks.predict import (
    GREY,
    IOU_THRESHOLD,
    find_candidates,
    letterbox_input,
)

log = logging.getLogger(__name__)

BATCH, STEPS, RATE = 1024, 300, 6e-3
RIDGES = (0.1, 0.02, 0.1)
"""Of the changes of identity, expression and pose, in standard deviations of outputs by standard
deviations of hidden units. With smaller ones, int8 files of an `mfn` differ by more than they may.
"""
BIAS_RIDGE = 0.1
"""Of the changes of biases, in the ridges of weights."""
INNER_WEIGHT = 0.6
"""The weight of the 51 inner landmarks' mean error; that of all 68 has the rest."""
MOST_ERROR = 60.0
"""Percent of the eyes' distance; beyond, a face was mistaken for another, and teaches nothing."""
EXPRESSION_WEIGHT = 0.15
"""The weight of the mean error of expressions, in percent, beside that of landmarks."""
SHOWN_WEIGHT = 3.0
"""How much more an expression counts that is fully shown than one that is not: most are not."""
TEACHER_WEIGHT = 0.1
"""The weight of a pack whose landmarks are the teacher's, beside one where people placed them."""
TURNED, TURNED_WEIGHT = "turned", 0.3
"""The pack of turned copies, and its weight."""
MOST_TURN_DEG = {True: 180.0, False: 30.0}
"""How far they are turned at most, for networks that detect faces, and for others."""
SMALLEST = 0.02
"""The least longer side of a face, in longer sides of its photo."""
SCORE_FLOOR = 0.01
"""The least score of candidates that are taken for a face."""


@dataclass(frozen=True)
class Seen:
    """What the last layers were given of N faces, what they made of it, and what was wanted.

    Attributes
    ----------
    units : of identity, expression and pose, each (N, U)
    outputs : the raw outputs (N, 50), (N, 46) and (N, 8)
    landmarks : (N, 68, 2), the labels, ``face_norm``
    expression : (N, 46), the labels in [0, 1], NaN where there is none
    weight : (N,), with the sum 1 for every pack of which people placed the landmarks
    """

    units: tuple[Tensor, Tensor, Tensor]
    outputs: tuple[Tensor, Tensor, Tensor]
    landmarks: Tensor
    expression: Tensor
    weight: Tensor


def refit(trained: TrainedNetwork, folder: Path) -> TrainedNetwork:
    """An SFN or MFN with new last layers of identity, expression and pose.

    All else stays as it is, `eyeBlink` too, which `edgeface-train blinks` is for.

    Parameters
    ----------
    folder : the folder of the data packs, of which the training split teaches

    Raises
    ------
    InvalidInputError
        If it is another kind of network, or one of a free run, which must not learn from 300-W.
    """
    if not hasattr(trained.network, "pose_branch"):
        raise InvalidInputError(f"an sfn or mfn is fitted anew, not a {trained.config.kind}")
    refuse_free(trained)
    images = read_packs(folder, trained.face_model, validation=False)
    most = MOST_TURN_DEG[trained.config.network_kind.detects]
    seen = look(trained, with_turned(images, most, seed=0))
    changes = fit(seen, trained.face_model)
    return with_changes(trained, dict(zip(_branches(trained), changes, strict=True)))


def with_turned(
    images: Iterable[LabelledImage], most_deg: float, seed: int
) -> Iterator[LabelledImage]:
    """Yield images, and after each single face a copy that is turned by a random angle."""
    random = np.random.default_rng(seed)
    for image in images:
        yield image
        if not image.complete:
            yield turned(image, float(random.uniform(-most_deg, most_deg)))


def turned(image: LabelledImage, angle_deg: float) -> LabelledImage:
    """The image turned clockwise as seen, whole, with grey around it; its group is `TURNED`.

    Of the labels, boxes and landmarks follow, and poses are unknown.
    """
    angle = math.radians(angle_deg)
    c, s = abs(math.cos(angle)), abs(math.sin(angle))
    old = np.array(image.pixels.shape[1::-1])
    new = np.ceil(np.array([[c, s], [s, c]]) @ old - 1e-6).astype(int)
    matrix = similarity_matrix(1.0, angle, old / 2, new / 2)
    back = similarity_matrix(1.0, -angle, new / 2, old / 2)
    pixels = Image.fromarray(image.pixels).transform(
        (int(new[0]), int(new[1])), Image.Transform.AFFINE, back.ravel().tolist(),
        Image.Resampling.BILINEAR, fillcolor=(GREY, GREY, GREY),
    )  # fmt: skip
    labels = image.labels
    found = replace(
        labels,
        boxes=warped_boxes(labels.boxes, matrix),
        landmarks=(labels.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32),
        rotation=np.full_like(labels.rotation, np.nan),
        yaw_deg=np.full_like(labels.yaw_deg, np.nan),
    )
    return replace(image, group=TURNED, pixels=np.asarray(pixels), labels=found)


@torch.no_grad()
def look(trained: TrainedNetwork, images: Iterable[LabelledImage]) -> Seen:
    """What the network's last layers are given of the faces that have landmarks.

    Raises
    ------
    InvalidInputError
        If it finds none of them.
    """
    see = _find if trained.config.network_kind.detects else _look
    groups: list[str] = []
    rows: list[list[Tensor]] = []
    with hidden_units(trained.network, _branches(trained)) as units:
        for image in map(_with_landmarks, images):
            for row in see(trained, units, image) if len(image.labels.boxes) else ():
                groups.append(image.group)
                rows.append(row)
                if len(rows) % 500 == 0:
                    log.info("%d faces", len(rows))
    if not rows:
        raise InvalidInputError("the network finds none of the faces")
    kinds, kind, count = np.unique(groups, return_inverse=True, return_counts=True)
    weight = np.array([_weight(group) for group in kinds]) / count
    columns = [torch.stack(column).float() for column in zip(*rows, strict=True)]
    return Seen(
        units=(columns[0], columns[1], columns[2]),
        outputs=(columns[3], columns[4], columns[5]),
        landmarks=columns[6],
        expression=columns[7],
        weight=torch.from_numpy(weight[kind]).float(),
    )


def _weight(group: str) -> float:
    if group == TURNED:
        return TURNED_WEIGHT
    return TEACHER_WEIGHT if group.endswith(TEACHER) else 1.0


def _with_landmarks(image: LabelledImage) -> LabelledImage:
    """The image with those of its labels that have landmarks and are not of tiny faces."""
    labels = image.labels
    sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]).max(axis=1)
    known = np.isfinite(labels.landmarks).all(axis=(1, 2)) & ~labels.ignore
    return replace(image, labels=labels[known & (sides >= SMALLEST * max(image.pixels.shape[:2]))])


def _branches(trained: TrainedNetwork) -> tuple[str, str, str]:
    network = trained.network
    return (
        str(network.identity_branch), str(network.expression_branch), str(network.pose_branch),
    )  # fmt: skip


def _look(
    trained: TrainedNetwork, units: dict[str, Tensor], image: LabelledImage
) -> Iterator[list[Tensor]]:
    """Yield a row of `Seen` for each face, which an SFN sees in a crop around its box."""
    size = trained.config.input_size
    labels = image.labels
    for box, points, shown in zip(labels.boxes, labels.landmarks, labels.expression, strict=True):
        pixels, placement = crop(image.pixels, box, CROP_SCALE, size)
        outputs = trained.network(torch.from_numpy(pixels[None].copy()))[:3]
        wanted = (placement.to_input(points) - size / 2) / (size / CROP_SCALE)
        given = [units[branch][0] for branch in _branches(trained)]
        said = [output[0] for output in outputs]
        yield [*given, *said, torch.from_numpy(wanted), torch.from_numpy(shown)]


def _find(
    trained: TrainedNetwork, units: dict[str, Tensor], image: LabelledImage
) -> Iterator[list[Tensor]]:
    """Yield a row of `Seen` for each face that an MFN finds, a mean over candidates."""
    pixels, scale, offset = letterbox_input(image.pixels, trained.config.input_size)
    found = find_candidates(trained, pixels, SCORE_FLOOR, IOU_THRESHOLD)
    if not len(found.kept):
        return
    anchors = len(trained.config.anchors)
    given = [
        found.shares @ units[branch][0].flatten(1).T.repeat_interleave(anchors, dim=0)
        for branch in _branches(trained)
    ]
    boxes, *said = (found.shares @ values for values in (found.boxes, *found.rows[1:]))
    labels = image.labels
    labelled = labels.boxes.reshape(-1, 2, 2) * scale + offset
    overlaps = pairwise_iou(
        corners(found.boxes[found.kept]), torch.from_numpy(labelled).float().flatten(1)
    )
    fitting = overlaps * found.scores[:, None] * (overlaps > 0.5)
    for face, (points, shown) in enumerate(zip(labels.landmarks, labels.expression, strict=True)):
        best = int(fitting[:, face].argmax())
        if fitting[best, face] > 0:
            centre, side = boxes[best, :2], boxes[best, 2:].max()
            wanted = (torch.from_numpy(points * scale + offset) - centre) / side
            yield [*(v[best] for v in (*given, *said)), wanted, torch.from_numpy(shown)]


def fit(seen: Seen, model: FaceModel, steps: int = STEPS) -> tuple[Change, Change, Change]:
    """The changes of the last layers of identity, expression and pose that serve the labels best.

    They minimise the weighted mean over faces of

        landmarks + EXPRESSION_WEIGHT * expression

    plus a ridge on the changes. The first is the landmarks' mean distance, in percent of the
    distance of the outer corners of the eyes; the second is the mean of
    ``(1 + SHOWN_WEIGHT * label) * |output - label|`` over expressions but `eyeBlink`, in percent of
    the mean weight.
    """
    morphable = MorphableModel(model)
    eyes = seen.landmarks[:, EYE_CORNERS[0][0]] - seen.landmarks[:, EYE_CORNERS[1][1]]
    percent = 100 / eyes.norm(dim=1).clamp(min=1e-3)
    parts = [_Part(*part) for part in zip(seen.units, seen.outputs, RIDGES, strict=True)]
    others = torch.tensor([name not in BLINK_NAMES for name in model.expression_names]).float()
    parts[1].size *= others
    known = others * seen.expression.isfinite()
    labels = seen.expression.nan_to_num()
    counts = known * (1 + SHOWN_WEIGHT * labels)
    counts *= 100 / counts.mean().clamp(min=1e-6)

    def error(rows: Tensor) -> Tensor:
        identity, expression, pose = (part.outputs(rows) for part in parts)
        points = morphable.project(identity, expression, pose)
        apart = (points - seen.landmarks[rows]).norm(dim=2) * percent[rows, None]
        inner, every = apart[:, 17:].mean(dim=1), apart.mean(dim=1)
        landmarks = (INNER_WEIGHT * inner + (1 - INNER_WEIGHT) * every).clamp(max=MOST_ERROR)
        wrong = (torch.sigmoid(expression) - labels[rows]).abs() * counts[rows]
        return landmarks.mean() + EXPRESSION_WEIGHT * wrong.mean()

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
            log.info("step %d: %.2f %%", step, float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    identity, expression, pose = (part.change() for part in parts)
    return identity, expression, pose


class _Part:
    """A change of one layer, whose units and outputs are brought to a like size.

    Units that hardly vary are not blown up: each is divided by its own standard deviation and a
    twentieth of the mean one.
    """

    def __init__(self, units: Tensor, outputs: Tensor, ridge: float) -> None:
        self.ridge = ridge
        spread = units.std(dim=0)
        self.mean, self.spread = units.mean(dim=0), spread + 0.05 * spread.mean() + 1e-6
        self.units = (units - self.mean) / self.spread
        self.said, self.size = outputs, outputs.std(dim=0)
        self.weight = torch.zeros(units.shape[1], outputs.shape[1], requires_grad=True)
        self.bias = torch.zeros(outputs.shape[1], requires_grad=True)

    def outputs(self, rows: Tensor) -> Tensor:
        return self.said[rows] + (self.units[rows] @ self.weight + self.bias) * self.size

    def penalty(self) -> Tensor:
        return self.ridge * (self.weight.square().sum() + BIAS_RIDGE * self.bias.square().sum())

    @torch.no_grad()
    def change(self) -> Change:
        """The change in terms of the units and outputs as they are."""
        weight = (self.weight * self.size / self.spread[:, None]).T
        return weight, self.bias * self.size - weight @ self.mean
