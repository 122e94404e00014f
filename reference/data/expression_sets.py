"""Readers of faces that show one known expression as strongly as they can (2019, Table 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgeface.errors import InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.image import read_image
from edgeface.reference.data.labelled import Entry, LabelledImage, face_box, labels, pictures
from edgeface.types import FloatArray

CATEGORIES: dict[str, tuple[tuple[str, ...], ...]] = {
    "eye close": (("eyeBlinkLeft", "eyeBlinkRight"),),
    "eye wide": (("eyeWideLeft", "eyeWideRight"),),
    "brow raise": (("browInnerUpLeft", "browInnerUpRight", "browOuterUpLeft", "browOuterUpRight"),),
    "brow anger": (("browDownLeft", "browDownRight"),),
    "mouth open": (("jawOpen",),),
    "jaw left/right": (("jawLeft",), ("jawRight",)),
    "lip roll": (("mouthRollLower", "mouthRollUpper"),),
    "smile": (("mouthSmileLeft", "mouthSmileRight"),),
    "kiss": (("mouthPucker",),),
}
"""The categories of Table 5 in its order; a face shows one by any of the alternatives."""
FACEWAREHOUSE_POSES = {
    1: "mouth open",
    2: "smile",
    3: "brow anger",
    4: "brow raise",
    5: "brow anger",
    6: "jaw left/right",
    7: "jaw left/right",
    13: "kiss",
    16: "lip roll",
    19: "eye close",
}
"""The category that each training pose of FaceWarehouse shows, in the order in which its paper (Cao
et al. 2014, doi:10.1109/TVCG.2013.249, Sec. 3.1) lists the 19 expressions after the neutral one:
mouth stretch, smile, brow lower, brow raiser, anger, jaw left, jaw right, jaw forward, mouth left,
mouth right, dimpler, chin raiser, lip puckerer, lip funneler, sadness, lip roll, grin, cheek
blowing, eyes closed."""


def category_columns(category: str) -> list[list[int]]:
    """For each alternative of a category, the columns of its coefficients."""
    return [[EXPRESSION_NAMES.index(n) for n in names] for names in CATEGORIES[category]]


def extreme(category: str) -> FloatArray:
    """Labels (46,) of a face that shows a category: 1 on its coefficients, NaN elsewhere."""
    values = np.full(len(EXPRESSION_NAMES), np.nan, np.float32)
    for columns in category_columns(category):
        values[columns] = 1.0
    return values


def faces_of_facewarehouse(folder: Path) -> Iterator[Entry]:
    """List FaceWarehouse: Tester_1/TrainingPose/pose_0.png with 74 points in pose_0.land."""
    for name, image in pictures(folder):
        tester = next((part for part in image.parts if part.startswith("Tester_")), "")
        if tester and re.fullmatch(r"pose_\d+", image.stem):
            yield name, tester, image, partial(read_land_px, image)


def read_facewarehouse(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read FaceWarehouse: Tester_N/TrainingPose/pose_K.png with pose_K.land beside it.

    Poses that are none of Table 5's categories are left out.

    Notes
    -----
    A .land file holds the number of landmarks, 74, on its first line and then ``x y`` on each line,
    as shares of the image's width and height with y upwards (http://kunzhou.net/zjugaps/
    facewarehouse/ and programs that read it). Here they only serve to find the box.
    """
    faces = sorted(faces_of_facewarehouse(folder), key=lambda face: _natural(face[2]))
    if not faces:
        raise InvalidInputError(
            f"{folder} holds no FaceWarehouse: expected Tester_1/TrainingPose/pose_0.png ..."
        )
    for name, _, image, points in faces:
        category = FACEWAREHOUSE_POSES.get(int(image.stem.removeprefix("pose_")))
        if category is not None:
            found = labels(face_box(points()[None]), expression=extreme(category)[None])
            yield LabelledImage(name, "FaceWarehouse", read_image(image), found)


def read_land(path: Path) -> FloatArray:
    """The points (N, 2) of a .land file as shares of the image's size, y downwards."""
    try:
        words = path.read_text().split()
        points = np.array([float(word) for word in words[1:]]).reshape(int(words[0]), 2)
    except (OSError, ValueError, IndexError) as error:
        raise InvalidInputError(
            f"{path} is no .land file: expected a count and as many lines 'x y': {error}"
        ) from error
    return points * [1, -1] + [0, 1]


def read_land_px(image: Path) -> FloatArray:
    """The points (N, 2) of the .land file beside an image, in ``image_px``."""
    points = read_land(image.with_suffix(".land"))
    with Image.open(image) as picture:
        return points * picture.size


def read_expressions(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read a collection like the paper's own: a folder for each category, of crops of one face.

    The folders are named as in Table 5, with underscores: eye_close, eye_wide, brow_raise,
    brow_anger, mouth_open, jaw_left_right, lip_roll, smile, kiss. The paper's 1,008 images are
    not published.
    """
    found_any = False
    for category in CATEGORIES:
        name = re.sub(r"\W", "_", category)
        for _, path in sorted(pictures(folder / name), key=lambda picture: _natural(picture[1])):
            pixels = read_image(path)
            height, width = pixels.shape[:2]
            whole = labels(np.array([[0, 0, width, height]]), expression=extreme(category)[None])
            yield LabelledImage(path.relative_to(folder).as_posix(), "expressions", pixels, whole)
            found_any = True
    if not found_any:
        raise InvalidInputError(
            f"{folder} holds no image in a folder of an expression: expected eye_close/*.jpg ..."
        )


def _natural(path: Path) -> list[Any]:
    """The key that sorts pose_2 before pose_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.as_posix())]
