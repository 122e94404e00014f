"""Learning where eyes look by a network whose other outputs stay as they are.

What a `GazeHead` reads is little: patches of both eyes, and hidden units that no longer change. So
the network sees each view once, and the head is learned from what it saw, in seconds.
"""

# torch tells part of its types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgeface.errors import InvalidInputError
from edgeface.reference.face_model.own import DEFAULT, FREE
from edgeface.reference.geometry.lids import EYE_CORNERS
from edgeface.reference.networks import SingleFaceNetwork, build_network
from edgeface.reference.networks.blocks import normalise
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.config import CROP_SCALE
from edgeface.reference.networks.sfn import GazeHead
from edgeface.reference.training.loading import Split, read_crops
from edgeface.reference.training.losses.faces import gaze_error
from edgeface.reference.training.recipe import Recipe

log = logging.getLogger(__name__)

BATCH, EPOCHS, RATE, WEIGHT_DECAY = 64, 20, 2e-3, 0.05
DROPOUT = 0.2
RIDGE = 1e-4
"""Of the places of the eyes, in squares of the hidden units' own mean square."""
LEAST_SPREAD = 0.05
"""A number that the head reads and that varies by less is not blown up to vary by 1."""


@dataclass(frozen=True)
class Seen:
    """What a gaze head reads of N views, and what it should say.

    Attributes
    ----------
    grey : uint8 (N, S, S)
    hidden : (N, 2 units), of the heads of expression and pose
    gaze : (N, 4), rad, NaN where an eye has none
    eyes : (N, 2, 3), the middle of each eye and its width, px of the view
    """

    grey: Tensor
    hidden: Tensor
    gaze: Tensor
    eyes: Tensor


def learn_gaze(trained: TrainedNetwork, folder: Path, passes: int, seed: int = 0) -> TrainedNetwork:
    """Give an SFN a new gaze head, learned from the training split; all else stays as it is.

    A network of a free run learns from the ledger's packs alone.

    Parameters
    ----------
    folder : the folder of the data packs
    passes : how often each face is seen, each time warped and coloured otherwise

    Raises
    ------
    InvalidInputError
        If it is another kind of network, if nothing tells where eyes look, or if a free network's
        packs are not those of the ledger.
    """
    if "gaze" not in trained.config.network_kind.optional:
        raise InvalidInputError(
            f"only an sfn tells where eyes look, and this is a network of the kind "
            f"{trained.config.kind}"
        )
    torch.manual_seed(seed)
    config = replace(trained.config, gaze=True)
    network = SingleFaceNetwork(config).eval()
    network.load_state_dict(network.state_dict() | trained.network.state_dict())
    free = trained.is_free
    recipe = Recipe(
        "sfn", epochs=1, batch_size=BATCH, seed=seed, turned=0.15,
        free=free, face_model=FREE if free else DEFAULT,
    )  # fmt: skip
    split = read_crops(recipe, trained.face_model, folder, validation=False)
    network.gaze = learn_head(look(network, split, passes, seed), config.input_size)
    return replace(trained, config=config, network=network.eval())


def without_gaze(trained: TrainedNetwork) -> TrainedNetwork:
    """The network without its gaze head; all other outputs stay as they are."""
    config = replace(trained.config, gaze=False)
    network = build_network(config)
    network.load_state_dict(trained.network.state_dict(), strict=False)
    return replace(trained, config=config, network=network.eval())


@torch.no_grad()
def look(network: SingleFaceNetwork, split: Split, passes: int, seed: int) -> Seen:
    """What the network sees in views of all faces of which some gaze is known.

    Raises
    ------
    InvalidInputError
        If there is no such face.
    """
    gaze = split.dataset.faces.targets.gaze
    known = np.flatnonzero(np.isfinite(gaze).all(axis=2).any(axis=1))
    if not len(known):
        raise InvalidInputError("no face of the packs' training split has irises to learn from")
    random = np.random.default_rng(seed)
    parts: list[Seen] = []
    for number in range(passes):
        order = random.permutation(known)
        for start in range(0, len(order), BATCH):
            log.info("pass %d of %d: %d faces", number + 1, passes, start)
            batch = split.dataset.__getitems__(order[start : start + BATCH].tolist())
            parts.append(_seen(network, split.images(batch), batch))
    return Seen(*(torch.cat([getattr(p, n) for p in parts]) for n in Seen.__annotations__))


def _seen(network: SingleFaceNetwork, images: Tensor, batch: dict[str, Tensor]) -> Seen:
    size = network.config.input_size
    points = batch["landmarks"] * (size / CROP_SCALE) + size / 2
    eyes = torch.stack(
        [
            torch.cat(
                [
                    (points[:, a] + points[:, b]) / 2,
                    (points[:, a] - points[:, b]).norm(dim=1, keepdim=True),
                ],
                dim=1,
            )
            for a, b in EYE_CORNERS
        ],
        dim=1,
    )
    known = torch.isfinite(batch["gaze"]).any(dim=1)  # a mask may have taken a face's place
    _, hidden = network.outputs_and_hidden(normalise(images))
    grey = images.float().mean(dim=3).round().byte()
    return Seen(grey[known], hidden[known], batch["gaze"][known], eyes[known])


def learn_head(seen: Seen, size: int) -> GazeHead:
    """Learn a head: where the eyes are by ridge regression, then what the patches say by AdamW."""
    head = GazeHead(size, seen.hidden.shape[1] // 2)
    _learn_places(head, seen)
    read = torch.cat([_inputs(head, *part) for part in _parts(seen)])
    mean, spread = read.mean(dim=0), read.std(dim=0, correction=0).clamp(min=LEAST_SPREAD)
    read = (read - mean) / spread
    first, relu, last = head.read.children()
    learner = nn.Sequential(first, relu, nn.Dropout(DROPOUT), last)
    batch = min(BATCH, len(read))
    steps = EPOCHS * (len(read) // batch)
    optimiser = torch.optim.AdamW(learner.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
    )
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in _shuffled(len(read), batch):
            loss = gaze_error(learner(read[rows]), seen.gaze[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            falling.step()
            total += float(loss.detach())
        mean_deg = math.degrees(total / (len(read) // batch))
        log.info("epoch %d of %d: %.2f degrees", epoch + 1, EPOCHS, mean_deg)
    _fold(first, mean, spread)
    return head.eval()


def _shuffled(count: int, batch: int) -> Iterator[Tensor]:
    order = torch.randperm(count)
    return (order[start : start + batch] for start in range(0, count - batch + 1, batch))


def _parts(seen: Seen) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(seen.grey.split(256), seen.hidden.split(256), strict=True)


@torch.no_grad()
def _inputs(head: GazeHead, grey: Tensor, hidden: Tensor) -> Tensor:
    return head.inputs((grey[:, None].float() / 127.5) - 1, hidden)


@torch.no_grad()
def _learn_places(head: GazeHead, seen: Seen) -> None:
    """Solve for the layers that say where the eyes are: least squares with a small ridge."""
    rows = torch.cat([seen.hidden, torch.ones(len(seen.hidden), 1)], dim=1).double()
    gram = rows.T @ rows
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).double()
    wanted = seen.eyes.double().reshape(len(rows), -1)
    weights = torch.linalg.solve(gram + ridge, rows.T @ wanted).reshape(-1, 2, 3).float()
    for axis, layer in enumerate((head.x, head.y, head.width)):
        layer.weight.copy_(weights[:-1, :, axis].T)
        layer.bias.copy_(weights[-1, :, axis])


@torch.no_grad()
def _fold(layer: Any, mean: Tensor, spread: Tensor) -> None:
    """Let a linear layer take its input as it is, instead of less the mean and over the spread."""
    weight = copy.deepcopy(layer.weight) / spread
    layer.bias.sub_(weight @ mean)
    layer.weight.copy_(weight)
