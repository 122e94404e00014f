"""Enrolment: from a clip or some photos of one person to their personal model."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgeface.errors import InvalidInputError
from edgeface.image import ImageLike
from edgeface.model import load
from edgeface.personal.model import PersonalModel
from edgeface.personal.template import UNIT_MM, Template, default_template
from edgeface.pixels import is_one_image
from edgeface.reference.personal.fit import Fit, Fitter
from edgeface.reference.personal.frames import Frames, concatenate
from edgeface.reference.personal.guess import Guesser
from edgeface.reference.personal.look import Progress, choose_frames, look, pictures_of
from edgeface.reference.personal.person import Person, Surface, blendshapes
from edgeface.reference.personal.quality import report, unseen_shapes
from edgeface.reference.personal.schedule import STAGES, Stage
from edgeface.values import Whole, option, shown

LEAST_FRAMES, MOST_FRAMES = 5, 10_000
MOST_CORRECTION_MM = 12.0
"""Corrections that move any place by more are scaled down to it, so that bad pictures make a poor
likeness and never a monster."""
MOST_OF_WAY = 0.9
"""How far a correction may take a shape towards another one of the template, of the way to where it
would be as near to that as to its own. A smile that became a dimple would move others wrongly."""


@dataclass(frozen=True)
class Enrolment:
    """A personal model, and what it was made from."""

    model: PersonalModel
    fitter: Fitter
    frames: Frames
    fit: Fit


def enrol(
    source: str | os.PathLike[str] | Sequence[ImageLike],
    *,
    num_frames: int,
    template: Template | None = None,
    stages: tuple[Stage, ...] = STAGES,
    guesser: Guesser | None = None,
    progress: Progress | None = None,
) -> Enrolment:
    """Make the personal model of the one person in a clip or in some photos.

    Parameters and errors are those of `edgeface.personalise`, and:

    template : what the model corrects; by default the one that ships
    stages : of the fit
    guesser : guesses the person whom the fit starts from; by default it is the template
    """
    option("num_frames", num_frames, Whole(LEAST_FRAMES, MOST_FRAMES))
    named = isinstance(source, (str, os.PathLike))
    if not named and (not hasattr(source, "__len__") or is_one_image(source)):
        raise InvalidInputError(f"expected a clip or a list of photos, got {shown(source)}")
    started = time.perf_counter()
    template = template or default_template()
    with load("mfn", detail="fast") as finder, load("sfn") as looker:
        looked = look(template, pictures_of(source), finder, looker, progress)
    chosen = choose_frames(looked.faces, num_frames)
    if len(chosen) < LEAST_FRAMES:
        raise InvalidInputError(
            f"usable pictures that differ in pose or expression: {len(chosen)}; a personal model "
            f"needs {LEAST_FRAMES} or more" + looked.reasons()
        )
    frames = concatenate([looked.frames[row] for row in chosen])
    fitter = Fitter(template)
    person = None if guesser is None else guesser(frames)
    fit = fitter.fit(frames, person=person, stages=stages, progress=progress)
    model = to_model(template, fitter, frames, fit, looked.refused)
    model.report["pictures"] = looked.num_pictures
    model.report["seconds"] = round(time.perf_counter() - started, 1)
    return Enrolment(model, fitter, frames, fit)


def to_model(
    template: Template, fitter: Fitter, frames: Frames, fit: Fit, refused: dict[str, int]
) -> PersonalModel:
    """The fitted person as a model to keep, with its report; see `to_keep`."""
    surface, person = fitter.surface, to_keep(template, fitter, fit)
    attention = surface.attention
    return PersonalModel(
        template=template,
        identity=person.identity.numpy(),
        neutral=person.neutral.numpy(),
        shapes=(attention * person.shapes).numpy(),
        skin=(surface.albedo + person.skin).permute(1, 2, 0).contiguous().numpy(),
        dynamic_skin=(attention * person.dynamic_skin).permute(0, 2, 3, 1).contiguous().numpy(),
        unseen=unseen_shapes(template, fit),
        report=report(template, fitter, frames, replace(fit, person=person), refused),
    )


def to_keep(template: Template, fitter: Fitter, fit: Fit) -> Person:
    """The fitted person with the template's own shapes where none was seen, and never a monster."""
    surface, person = fitter.surface, fit.person
    unseen = unseen_shapes(template, fit)
    seen = torch.tensor([name not in unseen for name in template.expression_names])
    seen = seen[:, None, None, None]
    shapes = person.shapes * seen * _share(surface.attention * person.shapes)
    limited = replace(person, shapes=shapes)
    return Person(
        identity=person.identity,
        neutral=person.neutral * _share(person.neutral[None])[0],
        shapes=shapes * _own_share(surface, blendshapes(surface, limited).corrections),
        skin=(surface.albedo + person.skin).clamp(0, 1) - surface.albedo,
        dynamic_skin=person.dynamic_skin * seen,
    )


def _share(maps: Tensor) -> Tensor:
    """What to multiply corrections (K, 3, R, R) by so that none moves by more than the limit."""
    longest = maps.norm(dim=1).flatten(1).amax(1)
    share = (MOST_CORRECTION_MM / UNIT_MM / longest.clamp(min=1e-9)).clamp(max=1)
    return share[:, None, None, None]


def _own_share(surface: Surface, corrections: Tensor) -> Tensor:
    """What to multiply corrections (K, V, 3) by so that each shape stays nearest to its own.

    With ``d`` from shape i of the template to shape j, a correction ``c`` of i is as near to both
    where ``c . d = |d|^2 / 2``.
    """
    own, moved = surface.expression.flatten(1), corrections.flatten(1)
    products = own @ own.T
    lengths = products.diagonal()
    apart = lengths[:, None] + lengths - 2 * products
    towards = moved @ own.T - (moved * own).sum(1, keepdim=True)
    share = MOST_OF_WAY * apart / (2 * towards).clamp(min=1e-12)
    share = torch.where(towards > 0, share, 1.0).fill_diagonal_(1.0)
    return share.amin(1).clamp(max=1)[:, None, None, None]
