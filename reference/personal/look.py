"""Looking for the one person in pictures: which are of use, and which of those to fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import InvalidInputError
from edgeface.faces import Faces
from edgeface.image import ImageLike, read_image
from edgeface.model import Model
from edgeface.personal.template import Template
from edgeface.reference.personal.frames import Frames, frame_of_face
from edgeface.video.reader import open_video

LEAST_FACE_PX = 60.0
MOST_YAW_DEG = 40.0
WHITE, MOST_WHITE = 250, 0.3
"""A face with a larger share of pixels that are white in every colour is over-exposed."""
MOST_CANDIDATES = 240
"""Pictures of a clip that are looked at, evenly spread."""
LEAST_APART = 0.08
"""Of frames that are worth fitting, in the distance of `choose_frames`."""
MOST_CROWDED = 0.1
"""Share of the pictures with several people beyond which they are of no one person."""
OTHER_IDENTITY = 3.0
"""Distance of identity coefficients from the most central ones beyond which it is somebody else."""
MOST_OTHERS = 0.25
"""Share of pictures with somebody else beyond which they are of no one person."""
OTHER_MEAN, LEAST_SHOT = 1.8, 3
"""Distance of the mean identities before and after a cut beyond which it is to somebody else. It is
at most 1.6 within 12 clips of one person, and at least 2.0 in 99 of 100 pairs of clips of two."""

SEVERAL = "several people"

Progress = Callable[[str, int, int], None]


@dataclass
class Looked:
    """What was found in pictures of one person.

    Attributes
    ----------
    faces : each usable picture's one face
    frames : the same pictures cut to what is fitted
    num_pictures : how many were looked at
    refused : how many were of no use, by the reason
    """

    faces: list[Faces] = field(default_factory=lambda: [])
    frames: list[Frames] = field(default_factory=lambda: [])
    num_pictures: int = 0
    refused: dict[str, int] = field(default_factory=lambda: {})

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count pictures that are of no use."""
        self.refused[reason] = self.refused.get(reason, 0) + count

    def keep(self, rows: Iterable[int]) -> None:
        """Forget all usable pictures but those of these rows."""
        rows = list(rows)
        self.faces = [self.faces[row] for row in rows]
        self.frames = [self.frames[row] for row in rows]

    def reasons(self) -> str:
        """Why pictures were left out, in words."""
        if not self.refused:
            return ""
        listed = ", ".join(f"{count} {reason}" for reason, count in self.refused.items())
        return f" (of {self.num_pictures} pictures were left out: {listed})"


def pictures_of(
    source: str | os.PathLike[str] | Sequence[ImageLike],
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Pictures of a clip or of photos, and how many there will be; 0 if nobody knows.

    Of a clip that says how long it is, `MOST_CANDIDATES` pictures, evenly spread.
    """
    if isinstance(source, (str, os.PathLike)):
        with open_video(source) as reader:
            if reader.live:
                raise InvalidInputError(
                    f"{reader.source} is live and has no end: give a clip of 10 to 30 seconds, or "
                    "photos"
                )
            step = max(1, reader.num_frames // MOST_CANDIDATES)
            total = reader.num_frames // step
            for number, frame in enumerate(reader):
                if number % step == 0:
                    yield frame.image, total
    else:
        for image in source:
            yield read_image(image), len(source)


def look(
    template: Template,
    pictures: Iterable[tuple[NDArray[np.uint8], int]],
    finder: Model,
    looker: Model,
    progress: Progress | None = None,
) -> Looked:
    """The usable pictures of the one person.

    Parameters
    ----------
    template : to which the cut frames refer
    pictures : uint8, shape (H, W, 3) each, and how many there will be
    finder, looker : the network that detects, and the one that looks at crops

    Raises
    ------
    InvalidInputError
        If there is no picture, no face in any, or there are several people.
    """
    looked = Looked()
    step = 1
    for number, (image, total) in enumerate(pictures):
        if progress:
            progress("looking at pictures", number + 1, total)
        if number % step:
            continue
        looked.num_pictures += 1
        faces = finder.run(image)
        reason = _unfit(faces, image)
        if reason is None:
            face = looker.refine(image, faces)
            if abs(face.euler_deg[0, 1]) <= MOST_YAW_DEG:
                looked.faces.append(face)
                looked.frames.append(frame_of_face(template, image, face, looker.face_model))
            else:
                reason = f"turned away by more than {MOST_YAW_DEG:.0f} degrees"
        if reason:
            looked.refuse(reason)
        if len(looked.faces) > MOST_CANDIDATES:  # nobody knew how many there would be
            looked.keep(range(0, len(looked.faces), 2))
            step *= 2
    _check_people(looked)
    return looked


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


def largest_change(identity: NDArray[np.floating[Any]]) -> float:
    """The largest distance of mean identity coefficients (N, 50) before and after any picture.

    Both sides have a tenth of the pictures, and at least `LEAST_SHOT`. Single pictures of one
    person differ as much as those of two; means do not.
    """
    least = max(LEAST_SHOT, len(identity) // 10)
    count = np.arange(1, len(identity) + 1)[:, None]
    before = np.cumsum(identity, axis=0) / count
    after = np.cumsum(identity[::-1], axis=0)[::-1] / count[::-1]
    apart = np.linalg.norm(before[:-1] - after[1:], axis=1)[least - 1 : len(identity) - least]
    return float(apart.max(initial=0.0))


def _unfit(faces: Faces, image: NDArray[np.uint8]) -> str | None:
    """Why a picture is of no use; None if it is."""
    if not len(faces):
        return "no face"
    if len(faces) > 1:
        return SEVERAL
    extent = faces.boxes_xyxy[0, 2:] - faces.boxes_xyxy[0, :2]
    if extent.max() < LEAST_FACE_PX:
        return f"face under {LEAST_FACE_PX:.0f} px"
    box = faces.boxes_xyxy[0].round().astype(int).clip(0)
    patch = image[box[1] : box[3], box[0] : box[2]]
    if patch.size == 0 or (patch > WHITE).all(axis=2).mean() > MOST_WHITE:
        return "over-exposed"
    return None


def _check_people(looked: Looked) -> None:
    """Raise unless the pictures show one person; leave out the few that show another."""
    if not looked.num_pictures:
        raise InvalidInputError("there is no picture in it")
    if looked.refused.get("no face") == looked.num_pictures:
        raise InvalidInputError(f"no face is found in any of {looked.num_pictures} pictures")
    crowded = looked.refused.get(SEVERAL, 0)
    if crowded > MOST_CROWDED * looked.num_pictures:
        raise InvalidInputError(
            f"{crowded} of {looked.num_pictures} pictures show several people; a personal model is "
            "of one: cut the clip or crop the photos"
        )
    if not looked.faces:
        return
    identity = np.stack([face.identity_coeffs[0] for face in looked.faces])
    apart = np.linalg.norm(identity[:, None] - identity[None], axis=2)
    usual = int(apart.sum(axis=1).argmin())
    same = np.flatnonzero(apart[usual] <= OTHER_IDENTITY)
    others = len(looked.faces) - len(same)
    if others > MOST_OTHERS * len(looked.faces) or largest_change(identity[same]) > OTHER_MEAN:
        raise InvalidInputError(
            f"the faces of {len(looked.faces)} pictures are of several people, one after another; "
            "a personal model is of one: cut the clip or leave photos out"
        )
    if others:
        looked.refuse("somebody else", others)
        looked.keep(same.tolist())
