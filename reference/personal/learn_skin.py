"""The template's mean skin, learned from portraits: what many people's faces show in white light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgeface.errors import InvalidInputError
from edgeface.face_model import default_face_model
from edgeface.personal.template import Template
from edgeface.reference.data.packs import Pack, expression_scores, is_validation, open_pack
from edgeface.reference.geometry.alignment import mapped_landmarks, similarity, to_model_axes
from edgeface.reference.personal.fit import STAGES, Fit, Fitter
from edgeface.reference.personal.frames import Frames, cut_frame
from edgeface.reference.personal.skin import estimate_light, mean_skin
from edgeface.types import ImageArray

PACK = "faces-portraits"
MAX_PORTRAITS = 240
ROUNDS = 3
POINT_STAGES = tuple(stage for stage in STAGES if not stage.pictures)
TRUST = 0.5
"""Of the skin so far beside the portraits, of which each counts up to 1 at a texel."""


def learn_skin(template: Template, folder: Path, limit: int = MAX_PORTRAITS) -> ImageArray:
    """The mean albedo of the portraits' training split, mirrored so that both sides are alike.

    Parameters
    ----------
    template : whose ``albedo`` is what to start from
    folder : of the packs; only `PACK` is read
    limit : portraits to look at, evenly spread over the pack

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
    usable = np.flatnonzero(~is_validation(pack) & np.isfinite(pack.labels["mesh"]).all((1, 2)))
    if not len(usable):
        raise InvalidInputError(f"{PACK} has no portrait with a mesh")
    chosen = usable[np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(int)]
    fitter = Fitter(template)
    parts = [fitter.unwrapped(*_fitted(fitter, template, pack, int(i))) for i in chosen]
    colour, normal, weight = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    skin = fitter.surface.albedo.permute(1, 2, 0)
    for _ in range(ROUNDS):
        light = estimate_light(colour, skin, normal, weight)
        skin = _mirrored(mean_skin(colour, normal, weight, light, skin, TRUST))
    return np.rint(skin.numpy() * 255).astype(np.uint8)


def _fitted(fitter: Fitter, template: Template, pack: Pack, index: int) -> tuple[Frames, Fit]:
    image = pack.image(index)
    if image is None:
        raise InvalidInputError(f"{PACK} is damaged at image {index}")
    labels, model = pack.labels, default_face_model()
    mesh = labels["mesh"][index]
    head = to_model_axes(mesh)[None]
    _, rotation, _ = similarity(model.mean[None], head, np.ones(len(model.mean)))
    scores = labels["blendshapes52"][index][None]
    frame = cut_frame(
        template,
        image,
        mapped_landmarks(mesh[None], model)[0, :, :2],
        mesh[:, :2],
        rotation[0],
        expression_scores(scores, labels["blendshape_names"])[0],
    )
    return frame, fitter.fit(frame, stages=POINT_STAGES)


def _mirrored(skin: Tensor) -> Tensor:
    return (skin + skin.flip(1)) / 2
