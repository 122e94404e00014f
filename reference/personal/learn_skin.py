"""The template's mean skin, learned from portraits: what many faces show in white light."""

# torch types its operations in part only, SciPy none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from edgeface.errors import InvalidInputError
from edgeface.personal.template import Template
from edgeface.reference.data.packs import is_validation, open_pack
from edgeface.reference.personal.fit import Fitter
from edgeface.reference.personal.labelled import has_mesh, labelled_frame
from edgeface.reference.personal.schedule import STAGES
from edgeface.reference.personal.skin import estimate_light, mean_skin
from edgeface.types import BoolArray, Float32Array, ImageArray

PACK = "faces-portraits"
MAX_PORTRAITS = 120
ROUNDS = 4
POINT_STAGES = (replace(STAGES[0], steps=40), replace(STAGES[1], steps=60))
"""One portrait has few unknowns."""
TRUST = 0.2
"""Of the skin so far beside the portraits, of which each counts up to 1 at a texel."""
LEAST_SEEN = 0.15
"""Share of the portraits that must show a texel; others take their colour from around them."""
SPREAD_TEXELS = 3.0


def learn_skin(
    template: Template,
    folder: Path,
    limit: int = MAX_PORTRAITS,
    progress: Callable[[int, int], None] | None = None,
) -> ImageArray:
    """The mean albedo of the portraits' training split, mirrored so that both sides are alike.

    Parameters
    ----------
    template : whose ``albedo`` is what to start from
    folder : of the packs; only `PACK` is read
    limit : portraits to look at, evenly spread over the pack
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
    Every portrait is fitted by its points alone. Then its light is estimated from the skin so far,
    and the skin from all portraits under their lights, in turns. How bright a skin is and how
    bright its light cannot be told apart: the first guess decides.
    """
    pack = open_pack(folder, PACK)
    usable = np.flatnonzero(~is_validation(pack) & has_mesh(pack))
    if not len(usable):
        raise InvalidInputError(f"{PACK} has no portrait with a mesh")
    chosen = usable[np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(int)]
    fitter = Fitter(template)
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


def spread_colours(skin: Float32Array, known: BoolArray) -> Float32Array:
    """A skin (R, R, 3) whose unknown texels take the smooth mean of the known ones around them."""
    filled, spread = np.where(known[..., None], skin, 0.0), SPREAD_TEXELS
    weight = known.astype(np.float32)
    while (weight < 1e-3).any() and spread < len(skin):
        blurred = gaussian_filter(np.where(known[..., None], skin, 0.0), (spread, spread, 0))
        total = gaussian_filter(known.astype(np.float32), spread)
        new = (weight < 1e-3) & (total > 1e-3)
        filled[new] = blurred[new] / total[new, None]
        weight[new] = 1
        spread *= 2
    return filled.astype(np.float32)
