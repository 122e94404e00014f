"""How near fitted people come to known truth, and to frames that they were not fitted to."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from edgeface.errors import InvalidInputError
from edgeface.model import Model, load
from edgeface.personal.model import PersonalModel
from edgeface.personal.template import Template, default_template
from edgeface.reference.data.packs import Pack, is_validation, open_pack
from edgeface.reference.geometry.alignment import mapped_landmarks
from edgeface.reference.personal.enrol import MOST_CORRECTION_MM, MOST_OF_WAY, to_keep, to_model
from edgeface.reference.personal.fit import Fit, Fitter
from edgeface.reference.personal.frames import Frames, concatenate, frame_of_face
from edgeface.reference.personal.guess import Guesser
from edgeface.reference.personal.kept import Kept
from edgeface.reference.personal.person import Person, blendshapes
from edgeface.reference.personal.quality import SEEN
from edgeface.reference.personal.rendered import (
    ACTIVE,
    blendshape_error_mm,
    error_mm,
    render_person,
)
from edgeface.reference.personal.schedule import (
    LEVELS,
    MOTION_STAGES,
    RATES,
    STAGES,
    Stage,
    Weights,
)
from edgeface.reference.personal.shadow import LEAST_SHADOW, SHADOW_MAP
from edgeface.types import IntArray
from edgeface.values import Whole, option

NUM_FRAMES = 20
LEAST_FRAMES, MOST_FRAMES = 8, 2 * NUM_FRAMES
MOST_PEOPLE = 100_000
CORRECTIONS = ("neutral", "shapes", "dynamic_skin")


@dataclass(frozen=True)
class Variant:
    """A way of fitting: which corrections it leaves out, and its weights."""

    without: tuple[str, ...] = ()
    weights: Weights = field(default_factory=Weights)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages, less the unknowns that are left out."""
        kept = (
            replace(s, unknowns=tuple(n for n in s.unknowns if n not in self.without))
            for s in STAGES
        )
        return tuple(kept)

    def digest(self, template: Template) -> str:
        """A name of all settings of an evaluation, whose figures are kept by it."""
        settings = (
            self, STAGES, MOTION_STAGES, RATES, LEVELS, NUM_FRAMES, template.sha256,
            MOST_FRAMES, SEEN, MOST_CORRECTION_MM, MOST_OF_WAY, SHADOW_MAP, LEAST_SHADOW,
        )  # fmt: skip
        return hashlib.sha256(repr(settings).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Start(Variant):
    """A start instead of the template, which is fitted, or left as it is but for its skin."""

    guessed: bool = True
    fitted: bool = True
    skin_read: bool = False


VARIANTS = {
    "modes, static skin": Variant(CORRECTIONS),
    "+ neutral correction": Variant(("shapes", "dynamic_skin")),
    "+ blendshape corrections": Variant(("dynamic_skin",)),
    "+ dynamic skin: all": Variant(),
    "all, no gradient loss": Variant(weights=Weights(blendshape_gradient=0.0)),
    "all, no parsing loss": Variant(weights=Weights(parsing=0.0)),
}


GUESSES = {
    "the template alone": Start(guessed=False, fitted=False),
    "the guess alone": Start(fitted=False),
    "the guess, its skin from the frames": Start(fitted=False, skin_read=True),
    "all, from the guess": Start(),
}
"""What ModelNet's guess is worth."""


@dataclass(frozen=True)
class Truth:
    """Errors of one rendered person, mm: of the template's mean face, and of the model kept."""

    neutral_before: float
    neutral: float
    posed: float
    blendshapes_before: float
    blendshapes: float


def known_truth(people: int, kept: Kept | None = None) -> Iterator[Truth]:
    """Fit rendered people, whose truth no template has; one after another."""
    variant, kept = Variant(), kept or Kept(None)
    option("people", people, Whole(1, MOST_PEOPLE))
    template = default_template()
    fitter = Fitter(template, variant.weights)
    for seed in range(people):
        key = f"truth/{variant.digest(template)}/{seed}"
        figures = kept.get(key)
        if figures is None:
            figures = asdict(_known_truth(template, fitter, variant, seed))
            kept.put(key, figures)
        yield Truth(**figures)


def _known_truth(template: Template, fitter: Fitter, variant: Variant, seed: int) -> Truth:
    active = [template.expression_names.index(name) for name in ACTIVE]
    truth = render_person(template, fitter.surface, NUM_FRAMES, np.random.default_rng(seed))
    fit = fitter.fit(truth.frames, stages=variant.stages)
    true = blendshapes(fitter.surface, truth.person)
    fitted = blendshapes(fitter.surface, to_keep(template, fitter, fit))
    off, before = blendshape_error_mm(fitted, true, active)
    return Truth(
        neutral_before=error_mm(fitter.surface.neutral[None], true.neutral[None]),
        neutral=error_mm(fitted.neutral[None], true.neutral[None]),
        posed=error_mm(fitted.posed(fit.expression), truth.vertices),
        blendshapes_before=before,
        blendshapes=off,
    )


@dataclass(frozen=True)
class HeldOut:
    """One person's frames that the model was not fitted to; of the model that is kept and saved.

    Attributes
    ----------
    photometric : mean absolute difference of colours over the face, 0 to 255
    nme51 : mean distance of the 51 inner landmarks from the labels, % of the outer eye distance
    own_nearest : share of the corrected blendshapes whose nearest one of the template is the one
        that they correct
    least_cosine : the smallest cosine of a corrected blendshape and the template's
    """

    photometric: float
    nme51: float
    own_nearest: float
    least_cosine: float


def held_out(
    folder: Path,
    pack_name: str,
    people: int,
    variants: dict[str, Variant],
    *,
    seed: int = 0,
    in_halves: bool = False,
    kept: Kept | None = None,
    guesser: Guesser | None = None,
) -> Iterator[tuple[str, dict[str, HeldOut]]]:
    """Fit people to half of their frames, and look at the rest.

    Parameters
    ----------
    folder, pack_name : a data pack with several frames a person
    people : how many, drawn among those with `LEAST_FRAMES` or more
    variants : by their names
    seed : of the draw
    in_halves : whether the first half of the frames is fitted and the second held out, instead of
        every other frame. Of a clip this is self-reenactment: a face from one part, its motion from
        another.
    kept : figures from before, which are not made again
    guesser : guesses the persons of variants of `Start`; then only people of the validation split
        are drawn, whom ModelNet has never seen

    Yields
    ------
    The person's group, and each variant's errors. Of the frames that were held out, only pose,
    expression and light are fitted, to what the ``sfn`` sees and to the picture.
    """
    option("people", people, Whole(1, MOST_PEOPLE))
    option("seed", seed, Whole(0, 2**31))
    pack, template, kept = open_pack(folder, pack_name), default_template(), kept or Kept(None)
    groups = pack.labels["group"].astype(str)
    usable = pack.has_mesh
    if guesser is not None:
        usable &= is_validation(pack)
    names, counts = np.unique(groups[usable], return_counts=True)
    names = names[counts >= LEAST_FRAMES]
    if not len(names):
        raise InvalidInputError(f"{pack_name} has {LEAST_FRAMES} usable frames of no person")
    drawn = np.random.default_rng(seed).permutation(len(names))[:people]
    with load("sfn") as looker:
        for name in names[drawn].tolist():
            seen: tuple[Frames, torch.Tensor] | None = None
            found: dict[str, HeldOut] = {}
            for title, variant in variants.items():
                key = f"held-out/{variant.digest(template)}/{pack_name}/{name}"
                key += "/halves" * in_halves
                if guesser is not None and isinstance(variant, Start):
                    key += f"/{guesser.digest}"
                figures = kept.get(key)
                if figures is None:
                    rows = np.flatnonzero(usable & (groups == name))
                    seen = seen or _seen_of(template, pack, rows, looker)
                    figures = asdict(_held_out(template, variant, *seen, in_halves, guesser))
                    kept.put(key, figures)
                found[title] = HeldOut(**figures)
            yield name, found


def _held_out(
    template: Template,
    variant: Variant,
    frames: Frames,
    labels: torch.Tensor,
    in_halves: bool,
    guesser: Guesser | None,
) -> HeldOut:
    fitter = Fitter(template, variant.weights)
    known, unknown = divided(len(frames), in_halves)
    shown, rest, truth = frames[known], frames[unknown], labels[unknown]
    person = Person.of_template(fitter.surface)
    if isinstance(variant, Start) and variant.guessed:
        assert guesser is not None
        person = guesser(shown)
        if variant.skin_read:
            person = fitter.read(shown, person).person
    offsets = blendshapes(fitter.surface, person).offsets
    if not isinstance(variant, Start) or variant.fitted:
        fitted = fitter.fit(shown, person=person, stages=variant.stages)
        person = to_keep(template, fitter, fitted)
        saved = to_model(template, fitter, shown, fitted, {}).to_bytes()
        offsets = torch.from_numpy(PersonalModel.from_bytes(saved, template).offsets)
    fit = fitter.fit(rest, person=person, stages=MOTION_STAGES)
    offsets, own = offsets.flatten(1), fitter.surface.expression.flatten(1)
    nearest = torch.cdist(offsets, own).argmin(1) == torch.arange(len(own))
    cosine = torch.nn.functional.cosine_similarity(offsets, own, dim=1)
    return HeldOut(
        photometric=_photometric(fitter, rest, fit),
        nme51=_nme51(fitter, rest, fit, truth),
        own_nearest=float(nearest.float().mean()),
        least_cosine=float(cosine.min()),
    )


def divided(count: int, in_halves: bool) -> tuple[slice, slice]:
    """Which of ``count`` frames are fitted, and which are held out; see `held_out`."""
    if in_halves:
        return slice(0, count // 2), slice(count // 2, count)
    return slice(0, count, 2), slice(1, count, 2)


def _photometric(fitter: Fitter, frames: Frames, fit: Fit) -> float:
    drawn = fitter.render(frames, fit)
    mask = (drawn.mask * frames.valid).bool()
    return float((drawn.image - frames.images).abs().mean(-1)[mask].mean()) * 255


def _nme51(fitter: Fitter, frames: Frames, fit: Fit, truth: torch.Tensor) -> float:
    off = (fitter.landmarks(frames, fit) - truth).norm(dim=-1)[:, 17:].mean(1)
    eyes = (truth[:, 36] - truth[:, 45]).norm(dim=-1)
    return float((off / eyes).mean()) * 100


def _seen_of(
    template: Template, pack: Pack, rows: IntArray, looker: Model
) -> tuple[Frames, torch.Tensor]:
    """Up to `MOST_FRAMES` images, evenly spread, as the network sees them, and their labels."""
    chosen = rows[np.linspace(0, len(rows) - 1, min(MOST_FRAMES, len(rows))).astype(int)]
    seen = [_seen(template, pack, int(i), looker) for i in chosen]
    return concatenate([frame for frame, _ in seen]), torch.stack([points for _, points in seen])


def _seen(template: Template, pack: Pack, index: int, looker: Model) -> tuple[Frames, torch.Tensor]:
    """An image as the network sees it, and the labelled landmarks (68, 2) in the frame's px."""
    image = pack.image(index)
    if image is None:
        raise InvalidInputError(f"{pack.name} is damaged at image {index}")
    mesh = pack.labels["mesh"][index][:, :2]
    low, high = mesh.min(axis=0), mesh.max(axis=0)
    box = np.concatenate([low, high]).astype(np.float32)
    face = looker.run(image, boxes_xyxy=box[None])
    frame = frame_of_face(template, image, face, looker.face_model)
    labels = mapped_landmarks(mesh[None], looker.face_model)[0]
    # by what the frame's own landmarks became of those in the image
    own = face.landmarks_2d[0]
    placed = frame.landmarks[0].numpy()
    scale = np.ptp(placed[:, 0]) / np.ptp(own[:, 0])
    moved = (labels - own.mean(axis=0)) * scale + placed.mean(axis=0)
    return frame, torch.from_numpy(moved.astype(np.float32))
