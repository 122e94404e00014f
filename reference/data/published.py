"""Readers of the published databases that are fused: where each face lies, and its labelled points.

A face whose annotation is missing or broken is skipped, and `Database.skipped` says why. A folder
without any readable face is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.image import read_image
from edgeface.reference.conventions import read_convention
from edgeface.reference.data.expression_sets import faces_of_facewarehouse
from edgeface.reference.data.labelled import Entry, existing, pictures
from edgeface.reference.data.landmark_sets import FROM_ONE, faces_of_300w, faces_of_lfw
from edgeface.reference.data.matlab import read_mat
from edgeface.reference.data.torch7 import read_t7
from edgeface.types import FloatArray, ImageArray

FROM_ZERO = 0.5
"""What to add to pixels counted from 0 at the centre of the top-left one to get ``image_px``."""
WFLW_NUMBERS = 2 * 98 + 4 + 6
"""How many numbers a line of WFLW has: the points, the box xyxy and six attributes."""


@dataclass(frozen=True)
class PublishedFace:
    """One annotated face.

    Attributes
    ----------
    name : the name of the face, which no other in the database has
    group : the person, the video, or the photo with its synthesized views that must not straddle a
        split
    image : the path of the image
    points : (P, 2), ``image_px``, NaN where a point is not labelled
    """

    name: str
    group: str
    image: Path
    points: FloatArray

    def pixels(self) -> ImageArray:
        """Read the image, uint8 (H, W, 3), RGB."""
        return read_image(self.image)


@dataclass(frozen=True)
class Database:
    """The readable faces of a database, and by the names of the others why they were skipped."""

    name: str
    convention: str
    faces: tuple[PublishedFace, ...]
    skipped: dict[str, str]

    def summary(self, most: int = 5) -> str:
        """A text that counts faces and skipped ones, and names the first ``most`` of the latter."""
        lines = [f"{self.name}: {len(self.faces)} faces, {len(self.skipped)} skipped"]
        lines += [f"  {name}: {why}" for name, why in list(self.skipped.items())[:most]]
        if len(self.skipped) > most:
            lines.append(f"  and {len(self.skipped) - most} more")
        return "\n".join(lines)


def open_database(name: str, folder: Path) -> Database:
    """Find the faces of a published database in ``folder``; images are read when asked for.

    Parameters
    ----------
    name : the name of the database, one of `DATABASES`

    Raises
    ------
    InvalidInputError
        If the name is unknown, or the folder holds no readable face of that database.
    """
    if name not in DATABASES:
        raise InvalidInputError(f"the database {name!r} is none of {', '.join(DATABASES)}")
    convention, entries, layout = DATABASES[name]
    expected = (len(read_convention(convention).points), 2)
    faces: list[PublishedFace] = []
    skipped: dict[str, str] = {}
    for face, group, image, read in entries(folder):
        try:
            if not image.exists():
                raise InvalidInputError(f"{image} is missing")
            points = read()
            if points.shape != expected:
                raise InvalidInputError(f"it has points of shape {points.shape}, not {expected}")
            if (points == points[:1]).all():
                raise InvalidInputError("its points all lie in one place")
            faces.append(PublishedFace(face, group, image, points.astype(np.float32)))
        except (InvalidInputError, OSError) as error:
            skipped[face] = str(error)
    if not faces:
        raise InvalidInputError(
            f"{folder} holds no readable face of {name} ({len(skipped)} skipped"
            + (f"; the first: {next(iter(skipped.values()))}" if skipped else "")
            + f"); expected {layout}"
        )
    return Database(name, convention, tuple(faces), skipped)


def _300w_lp(folder: Path) -> Iterator[Entry]:
    """List 300W-LP: AFW/AFW_1_0.jpg with landmarks/AFW/AFW_1_0_pts.mat.

    ``pts_3d`` (68, 2) is the projection of the fitted model's points, outline included; pixels
    count from 1 (http://www.cbsr.ia.ac.cn/users/xiangyuzhu/projects/3DDFA/main.htm). The last
    number of a name tells the synthesized views of one photo apart, ``_Flip`` their mirror images.
    """
    for name, image in pictures(folder):
        inside = image.relative_to(folder)
        points = folder / "landmarks" / inside.parent / f"{image.stem}_pts.mat"
        photo = re.sub(r"_\d+$", "", inside.with_suffix("").as_posix().replace("_Flip", ""))
        yield name, photo, image, partial(_read_pts_mat, points)


def _read_pts_mat(path: Path) -> FloatArray:
    (points,) = read_mat(path, "points", "pts_3d")
    return points[:, :2] + FROM_ONE


def _ls3d_w(folder: Path) -> Iterator[Entry]:
    """List LS3D-W: beside every image, a .t7 file of the same name with 68 points.

    A video has a folder (300VW-3D/Trainset/001/0001.jpg); the balanced set has one for all
    (new_dataset). Points count pixels from 0 (https://www.adrianbulat.com/face-alignment).
    """
    for name, image in pictures(folder):
        video = image.parent.relative_to(folder).as_posix()
        group = video if image.parent.name.isdigit() else name
        yield name, group, image, partial(_read_t7, image.with_suffix(".t7"))


def _read_t7(path: Path) -> FloatArray:
    return read_t7(path) + FROM_ZERO


def _wflw(folder: Path) -> Iterator[Entry]:
    """List WFLW's training part."""
    yield from _wflw_list(folder, "train")


def _wflw_test(folder: Path) -> Iterator[Entry]:
    """List WFLW's test part."""
    yield from _wflw_list(folder, "test")


def _wflw_list(folder: Path, split: str) -> Iterator[Entry]:
    """Read lines of a face each: 98 points, the box, six attributes, the name in WFLW_images.

    Pixels count from 0 (https://wywu.github.io/projects/LAB/WFLW.html).
    """
    lists = sorted(folder.rglob(f"list_98pt_rect_attr_{split}.txt"))
    if not lists:
        raise InvalidInputError(f"{folder} holds no list_98pt_rect_attr_{split}.txt of WFLW")
    images = existing(folder, "WFLW_images")
    for number, line in enumerate(lists[0].read_text().splitlines(), start=1):
        words = line.split()
        photo = words[-1] if words else ""
        yield f"{number}:{photo}", photo, images / photo, partial(_wflw_points, words)


def _wflw_points(words: list[str]) -> FloatArray:
    if len(words) != WFLW_NUMBERS + 1:
        raise InvalidInputError(f"its line has {len(words)} words, expected {WFLW_NUMBERS + 1}")
    try:
        return np.array([float(word) for word in words[: 2 * 98]]).reshape(98, 2) + FROM_ZERO
    except ValueError as error:
        raise InvalidInputError(f"its line holds no numbers: {error}") from error


DATABASES: dict[str, tuple[str, Callable[[Path], Iterator[Entry]], str]] = {
    "300w": ("68", faces_of_300w, "images with .pts files beside them"),
    "300w-lp": ("68-fixed", _300w_lp, "AFW/AFW_1_0.jpg and landmarks/AFW/AFW_1_0_pts.mat ..."),
    "ls3d-w": ("68-fixed", _ls3d_w, "images with .t7 files beside them"),
    "facewarehouse": (
        "74",
        faces_of_facewarehouse,
        "Tester_1/TrainingPose/pose_0.png and pose_0.land ...",
    ),
    "lfw-74": ("74", faces_of_lfw, "images with .land files beside them"),
    "wflw": ("98", _wflw, "WFLW_images/ and list_98pt_rect_attr_train.txt"),
    "wflw-test": ("98", _wflw_test, "WFLW_images/ and list_98pt_rect_attr_test.txt"),
}
"""For each database its convention, its reader, and the layout of its folder."""
