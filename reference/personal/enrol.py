"""Enrolment: from a clip or some photos of one person to their personal model."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.image import ImageLike, read_image
from edgeface.model import Model, load
from edgeface.personal.model import PersonalModel
from edgeface.personal.template import Template, default_template
from edgeface.reference.personal.fit import STAGES, Fit, Fitter, Stage
from edgeface.reference.personal.frames import Frames, concatenate, frame_of_face
from edgeface.reference.personal.person import Surface
from edgeface.video.reader import open_video

NUM_FRAMES = 20
LEAST_FRAMES = 5
LEAST_FACE_PX = 60.0
MOST_YAW_DEG = 40.0
SEEN = 0.3
"""A shape counts as shown where some frame has it by so much, and as little shown below."""
MOST_CANDIDATES = 600
"""Frames of a clip that are looked at, evenly spread."""
LEAST_APART = 0.08
"""Of frames that are worth fitting, in the distance of `choose_frames`."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Candidate:
    """One face in one picture: what choosing looks at."""

    image: NDArray[np.uint8]
    face: Faces


def personalise(
    source: str | os.PathLike[str] | Sequence[ImageLike],
    *,
    num_frames: int = NUM_FRAMES,
    template: Template | None = None,
    stages: tuple[Stage, ...] = STAGES,
    progress: Progress | None = None,
) -> PersonalModel:
    """Make the personal model of the one person in a clip or in some photos.

    Parameters
    ----------
    source : a video file, or a list of photos as `edgeface.read_image` takes them
    num_frames : frames to fit, chosen far apart in expression and pose; at least 5
    template : what the model corrects; by default the one that ships
    stages : of the fit
    progress : called with a step's name, how much of it is done, and how much there is

    Returns
    -------
    PersonalModel
        With ``report``: the errors of the fit, the shapes that were seen, and warnings.

    Raises
    ------
    InvalidInputError
        If no face is found, two people are in one picture, or fewer than five frames are usable;
        the message says why frames were left out.
    """
    if num_frames < LEAST_FRAMES:
        raise InvalidInputError(f"num_frames must be at least {LEAST_FRAMES}, got {num_frames}")
    template = template or default_template()
    with load("mfn") as finder, load("sfn") as looker:
        candidates, refused = _look(_pictures(source), finder, looker, progress)
    chosen = choose_frames([c.face for c in candidates], num_frames)
    if len(chosen) < LEAST_FRAMES:
        raise InvalidInputError(
            f"only {len(chosen)} usable frames that differ; a personal model needs "
            f"{LEAST_FRAMES} or more" + _reasons(refused)
        )
    frames = concatenate(
        [frame_of_face(template, candidates[i].image, candidates[i].face) for i in chosen]
    )
    fitter = Fitter(template)
    fit = fitter.fit(frames, stages=stages, progress=progress)
    return to_model(template, fitter, frames, fit, refused)


def choose_frames(faces: Sequence[Faces], count: int) -> list[int]:
    """Frames far apart in expression and pose: the most neutral one, then always the farthest.

    The distance of two frames is that of their expression coefficients and of their angles, 45
    degrees counting as much as one coefficient's whole range. Frames nearer than `LEAST_APART` to
    a chosen one tell nothing new and are left out.
    """
    if not faces:
        return []
    features = np.stack(
        [np.concatenate([f.expression_coeffs[0], f.euler_deg[0] / 45]) for f in faces]
    )
    chosen = [int(np.abs(features).sum(axis=1).argmin())]
    distance = np.linalg.norm(features - features[chosen[0]], axis=1)
    while len(chosen) < min(count, len(faces)) and distance.max() > LEAST_APART:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return sorted(chosen)


def to_model(
    template: Template, fitter: Fitter, frames: Frames, fit: Fit, refused: dict[str, int]
) -> PersonalModel:
    """The fitted person as a model to keep, with its report."""
    surface: Surface = fitter.surface
    shown = fit.expression.amax(0)
    names = np.array(template.expression_names)
    unseen = tuple(names[(shown < SEEN).numpy()].tolist())
    person = fit.person
    attention = surface.attention
    static = (surface.albedo + person.skin).clamp(0, 1)
    return PersonalModel(
        template=template,
        identity=person.identity.numpy(),
        neutral=person.neutral.numpy(),
        shapes=(attention * person.shapes).numpy(),
        skin=static.permute(1, 2, 0).contiguous().numpy(),
        dynamic_skin=(attention * person.dynamic_skin).permute(0, 2, 3, 1).contiguous().numpy(),
        unseen=unseen,
        report=_report(fitter, frames, fit, unseen, refused),
    )


def _pictures(source: str | os.PathLike[str] | Sequence[ImageLike]) -> Iterator[NDArray[np.uint8]]:
    if isinstance(source, (str, os.PathLike)):
        with open_video(source) as reader:
            yield from (frame.image for frame in reader)
    else:
        yield from (read_image(image) for image in source)


def _look(
    pictures: Iterable[NDArray[np.uint8]], finder: Model, looker: Model, progress: Progress | None
) -> tuple[list[Candidate], dict[str, int]]:
    """Usable frames of the one person, and how many were refused for what reason."""
    found: list[Candidate] = []
    refused: dict[str, int] = {}
    step, count = 1, 0
    for count, image in enumerate(pictures):
        if progress:
            progress("looking", count + 1, 0)
        if count % step:
            continue
        faces = finder.run(image)
        reason = _unfit(faces, image)
        if reason == "two people":
            raise InvalidInputError(
                f"picture {count} shows {len(faces)} people; a personal model is of one: cut the "
                "clip or crop the photos"
            )
        if reason is None:
            face = looker.refine(image, faces)
            reason = "turned away" if abs(face.euler_deg[0, 1]) > MOST_YAW_DEG else None
            if reason is None:
                found.append(Candidate(image, face))
        if reason:
            refused[reason] = refused.get(reason, 0) + 1
        if len(found) >= MOST_CANDIDATES:  # a long clip: every second one, and fewer from here on
            found, step = found[::2], step * 2
    if not found and not refused:
        raise InvalidInputError("there is no picture in it")
    if not found and set(refused) == {"no face"}:
        raise InvalidInputError(f"no face is found in any of {count + 1} pictures")
    return found, refused


def _unfit(faces: Faces, image: NDArray[np.uint8]) -> str | None:
    """Why a picture is of no use; None if it is."""
    if not len(faces):
        return "no face"
    if len(faces) > 1:
        return "two people"
    extent = faces.boxes_xyxy[0, 2:] - faces.boxes_xyxy[0, :2]
    if extent.max() < LEAST_FACE_PX:
        return f"face under {LEAST_FACE_PX:.0f} px"
    box = faces.boxes_xyxy[0].round().astype(int).clip(0)
    patch = image[box[1] : box[3], box[0] : box[2]]
    if patch.size == 0 or (patch > 250).all(axis=2).mean() > 0.3:
        return "over-exposed"
    return None


def _report(
    fitter: Fitter, frames: Frames, fit: Fit, unseen: tuple[str, ...], refused: dict[str, int]
) -> dict[str, Any]:
    drawn = fitter.render(frames, fit)
    mask = drawn.mask * frames.valid
    error = ((drawn.image - frames.images).abs().mean(-1) * mask).sum() / mask.sum()
    off = (fitter.landmarks(frames, fit) - frames.landmarks).norm(dim=-1)[:, 17:].mean(1)
    eyes = (frames.landmarks[:, 36] - frames.landmarks[:, 45]).norm(dim=-1)
    warnings: list[str] = []
    if len(unseen) > 0.8 * fitter.surface.num_shapes:
        warnings.append("hardly any expression is shown: nearly all shapes stay the template's")
    spread = frames.images.std(-1).mean()
    if spread < 0.01:
        warnings.append("the pictures are grey: so is the skin")
    return {
        "frames": len(frames),
        "refused": refused,
        "photometric_error": round(float(error) * 255, 2),
        "landmark_error_percent": round(float((off / eyes).mean()) * 100, 2),
        "warnings": warnings,
    }


def _reasons(refused: dict[str, int]) -> str:
    if not refused:
        return ""
    return " (left out: " + ", ".join(f"{n} {reason}" for reason, n in refused.items()) + ")"
