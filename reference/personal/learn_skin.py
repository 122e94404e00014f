"""The template's mean skin, learned from portraits: what many faces show in white light."""

# torch types its operations in part only, SciPy none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu
from torch import Tensor

from edgeface.errors import InvalidInputError
from edgeface.personal.template import Template
from edgeface.reference.data.packs import Pack, is_validation, open_pack
from edgeface.reference.personal.fit import Fitter
from edgeface.reference.personal.labelled import labelled_frame
from edgeface.reference.personal.schedule import STAGES, Weights
from edgeface.reference.personal.skin import estimate_light, mean_skin
from edgeface.types import BoolArray, Float32Array, ImageArray, IntArray

PACK, SOURCE = "faces-portraits", "webmorph"
"""The portraits that the mean skin may come from: colour, even light, and terms that allow any use
(Face Research Lab London Set, CC BY 4.0). The pack's others are grey, or of unsure terms."""
SKIN_OF = "mean of people of the Face Research Lab London Set, CC BY 4.0"
ROUNDS = 4
POINT_STAGES = (replace(STAGES[0], steps=40), replace(STAGES[1], steps=60))
"""One portrait has few unknowns."""
TRUST = 0.2
"""Of the skin so far beside the portraits, of which each counts up to 1 at a texel."""
LEAST_SEEN = 0.6
"""Share of the portraits that must show a texel; others take their colour from around them."""


def learn_skin(
    template: Template,
    folder: Path,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageArray:
    """The mean albedo of the training split's people, mirrored so that both sides are alike.

    Parameters
    ----------
    template : whose ``albedo`` is what to start from
    folder : of the packs; only `PACK` is read
    limit : people to look at, evenly spread; by default all of the training split
    progress : called with how many are done, and how many there are

    Returns
    -------
    uint8, shape (R, R, 3), as `Template.albedo`

    Raises
    ------
    InvalidInputError
        If the pack has no portrait with a mesh.

    Notes
    -----
    Every portrait is fitted by the points of its mesh. Then its light is estimated from the skin so
    far, and the skin from all portraits under their lights, in turns. How bright a skin is and how
    bright its light cannot be told apart: the first guess decides.
    """
    pack = open_pack(folder, PACK)
    chosen = neutral_portraits(pack)
    if not len(chosen):
        raise InvalidInputError(f"{PACK} has no portrait with a mesh")
    if limit is not None:
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(limit, len(chosen))).astype(int)]
    # the mesh's points alone, since the map to 68 landmarks is of a face model for research
    fitter = Fitter(template, Weights(landmarks=0.0))
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for index in chosen.tolist():
        frame = labelled_frame(template, pack, index)
        parts.append(fitter.unwrapped(frame, fitter.fit(frame, stages=POINT_STAGES)))
        if progress:
            progress(len(parts), len(chosen))
    colour, normal, weight = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    skin = fitter.surface.albedo.permute(1, 2, 0)
    for _ in range(ROUNDS):
        light = estimate_light(colour, skin, normal, weight)
        skin = mean_skin(colour, normal, weight, light, skin, TRUST)
        skin = (skin + skin.flip(1)) / 2
    seen = (weight > 0).float().mean(0)
    seen = ((seen + seen.flip(1)) / 2).numpy()
    return np.rint(spread_colours(skin.numpy(), seen > LEAST_SEEN) * 255).astype(np.uint8)


def neutral_portraits(pack: Pack) -> IntArray:
    """Of each person of the London Set in the training split, the portrait of the least expression.

    Their groups are numbers; those of `SOURCE`'s other sets have a letter besides.
    """
    labels = pack.labels
    people = labels["group"].astype(str)
    usable = ~is_validation(pack) & pack.has_mesh & (labels["source"] == SOURCE)
    usable &= np.char.isdigit(people)
    scores = pack.scores().sum(axis=1)
    order = np.lexsort((scores, people))
    order = order[usable[order]]
    return order[np.unique(people[order], return_index=True)[1]]


def spread_colours(skin: Float32Array, known: BoolArray) -> Float32Array:
    """A skin (R, R, 3) whose unknown texels are the smoothest that join the known ones.

    Each unknown texel is the mean of its neighbours (Laplace's equation); beyond the map's rim the
    skin goes on as it is.
    """
    side = len(skin)
    grid = np.arange(side * side).reshape(side, side)
    pairs = np.concatenate(
        [
            np.stack([grid[:, :-1].ravel(), grid[:, 1:].ravel()], axis=1),
            np.stack([grid[:-1].ravel(), grid[1:].ravel()], axis=1),
        ]
    )
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    links = csr_matrix((np.ones(len(rows)), (rows, columns)), (side * side, side * side))
    balance: Any = diags(np.asarray(links.sum(axis=1)).ravel()) - links
    inside, outside = ~known.ravel(), known.ravel()
    filled = skin.reshape(-1, 3).astype(np.float64)
    if inside.any() and outside.any():
        right = -balance[inside][:, outside] @ filled[outside]
        filled[inside] = splu(balance[inside][:, inside].tocsc()).solve(right)
    return filled.reshape(skin.shape).astype(np.float32)
