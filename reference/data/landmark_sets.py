"""Readers of published landmark sets: AFLW2000-3D, 300-W, 300-VW and LFW.

Their points count pixels from 1, as Matlab does: the centre of the top-left pixel is (1, 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.image import read_image
from edgeface.reference.data.expression_sets import read_land_px
from edgeface.reference.data.labelled import (
    Entry,
    LabelledImage,
    existing,
    image_beside,
    labels,
    labels_from_landmarks,
    pictures,
)
from edgeface.reference.data.matlab import read_mat
from edgeface.reference.geometry.pose import rotation_from_euler
from edgeface.types import FloatArray, ImageArray

FROM_ONE = -0.5
"""What to add to pixels counted from 1 to get ``image_px``."""
VIDEO_SCENARIOS = {
    "scenario 1": (
        114, 124, 125, 126, 150, 158, 401, 402, 505, 506, 507, 508, 509, 510, 511, 514, 515, 518,
        519, 520, 521, 522, 524, 525, 537, 538, 540, 541, 546, 547, 548,
    ),
    "scenario 2": (
        203, 208, 211, 212, 213, 214, 218, 224, 403, 404, 405, 406, 407, 408, 409, 412, 550, 551,
        553,
    ),
    "scenario 3": (410, 411, 516, 517, 526, 528, 529, 530, 531, 533, 557, 558, 559, 562),
}  # fmt: skip
"""The test videos of 300-VW: well lit, real-world interaction, arbitrary conditions."""
LFW_MARGIN = 2.2
"""How much larger LFW's images are than the boxes of its detector."""


def read_pts(path: Path) -> FloatArray:
    """The points (N, 2) of a .pts file in ``image_px``.

    Notes
    -----
    The format of 300-W and 300-VW (https://ibug.doc.ic.ac.uk/resources/300-W/) has the lines
    ``version: 1``, ``n_points: 68``, ``{``, then ``x y`` for each point, counted from 1, and ``}``.

    Raises
    ------
    InvalidInputError
        If the file is not in that format, or holds another number of points than it says.
    """
    text = path.read_text(encoding="ascii", errors="replace")
    match = re.fullmatch(r"\s*version:\s*\S+\s+n_points:\s*(\d+)\s*\{([^}]*)\}\s*", text)
    try:
        numbers = [float(word) for word in match[2].split()] if match else []
    except ValueError:
        numbers = []
    if not match or len(numbers) != 2 * int(match[1]) or not numbers:
        raise InvalidInputError(
            f"{path} is no .pts file: expected 'version: 1', 'n_points: N' and N lines 'x y' "
            f"between braces, got {text[:40]!r}"
        )
    return np.array(numbers).reshape(-1, 2) + FROM_ONE


def read_68_points(path: Path) -> FloatArray:
    """Read a .pts file that must hold 68 points."""
    points = read_pts(path)
    if len(points) != 68:
        raise InvalidInputError(f"{path} holds {len(points)} points, expected the 68 of 300-W")
    return points


def faces_of_300w(folder: Path) -> Iterator[Entry]:
    """List 300-W: beside every image, a .pts file of the same name with 68 points."""
    for name, image in pictures(folder):
        yield name, name, image, partial(read_pts, image.with_suffix(".pts"))


def read_300w(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read 300-W: beside every image, in any folders, its .pts file.

    A group is the path of the image's folder (``300W/01_Indoor``, ``helen/testset`` ...).
    """
    annotated = [face for face in faces_of_300w(folder) if face[2].with_suffix(".pts").exists()]
    if not annotated:
        raise _nothing_beside(folder, ".pts")
    for name, _, image, _ in annotated:
        points = read_68_points(image.with_suffix(".pts"))
        group = image.parent.relative_to(folder).as_posix()
        found = labels_from_landmarks(points[None], model)
        yield LabelledImage(name, "300-W" if group == "." else group, read_image(image), found)


def read_aflw2000(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read AFLW2000-3D: image00002.jpg with image00002.mat beside it.

    Notes
    -----
    The .mat holds ``pt3d_68`` (3, 68), of which the first two rows are pixels counted from 1, and
    ``Pose_Para`` (1, 7): pitch, yaw, roll in radians, translation, scale
    (http://www.cbsr.ia.ac.cn/users/xiangyuzhu/projects/3DDFA/main.htm). That project's
    ``RotationMatrix.m`` multiplies the transposes of the usual Rx Ry Rz, with our axes; so our
    angles are the negatives of those in the file.
    """
    annotated = [(path, image_beside(path)) for path in sorted(folder.rglob("*.mat"))]
    if not any(image for _, image in annotated):
        raise _nothing_beside(folder, ".mat")
    for path, image in annotated:
        if image is None:
            continue
        shape, pose = read_mat(path, "arrays of AFLW2000-3D", "pt3d_68", "Pose_Para")
        points = shape[:2].T[None] + FROM_ONE
        rotation = rotation_from_euler(-np.rad2deg(pose[:1, :3])).astype(np.float32)
        found = labels_from_landmarks(points, model, rotation=rotation, yaw_deg=_turn(pose))
        yield LabelledImage(path.stem, "AFLW2000-3D", read_image(image), found)


def _turn(pose: FloatArray) -> FloatArray:
    """The yaw in degrees, by which the benchmark forms its three groups."""
    return np.rad2deg(pose[:1, 1]).astype(np.float32)


def read_300vw(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read 300-VW's test videos: NNN/vid.avi with NNN/annot/000001.pts for its first frame.

    Frames without annotation are left out. `LabelledImage.follows` is true after such a gap too,
    since a tracker would go on with what it saw last. The other videos of the set are for training.
    """
    videos = [
        (group, folder / f"{number:03d}")
        for group, numbers in VIDEO_SCENARIOS.items()
        for number in numbers
        if (folder / f"{number:03d}").is_dir()
    ]
    if not videos:
        raise InvalidInputError(f"{folder} holds no test video of 300-VW: expected 114/vid.avi ...")
    for group, video in videos:
        annotated = {int(p.stem): p for p in existing(video, "annot").glob("*.pts")}
        follows = False
        for number, pixels in enumerate(_frames(existing(video, "vid.avi")), start=1):
            if number in annotated:
                found = labels_from_landmarks(read_68_points(annotated[number])[None], model)
                name = f"{video.name}/{number:06d}"
                yield LabelledImage(name, group, pixels, found, follows=follows)
                follows = True


def _frames(path: Path) -> Iterator[ImageArray]:
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def faces_of_lfw(folder: Path) -> Iterator[Entry]:
    """List LFW-74: beside every image of LFW, a .land file of the same name with 74 points."""
    for name, image in pictures(folder):
        person = re.sub(r"_\d+$", "", image.stem)
        yield name, person, image, partial(read_land_px, image)


def read_lfw(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read LFW: Name/Name_0001.jpg, with 68 points in Name/Name_0001.pts if there are any.

    Notes
    -----
    LFW has no landmarks of its own (http://vis-www.cs.umass.edu/lfw/README.txt); the paper uses
    labels of its own making. Each image is the box of its face, found by a detector and enlarged
    by 2.2; so, without a .pts file, the box in its middle is the label.
    """
    paths = [image for _, _, image, _ in faces_of_lfw(folder)
             if image.suffix == ".jpg" and image.stem.startswith(image.parent.name)]  # fmt: skip
    if not paths:
        raise InvalidInputError(f"{folder} holds no LFW: expected Name/Name_0001.jpg ...")
    for path in paths:
        pixels = read_image(path)
        points = path.with_suffix(".pts")
        if points.exists():
            found = labels_from_landmarks(read_68_points(points)[None], model)
        else:
            size = np.array(pixels.shape[1::-1])
            low, high = size * (1 - 1 / LFW_MARGIN) / 2, size * (1 + 1 / LFW_MARGIN) / 2
            found = labels(np.concatenate([low, high])[None])
        yield LabelledImage(path.stem, "LFW", pixels, found)


def _nothing_beside(folder: Path, suffix: str) -> InvalidInputError:
    return InvalidInputError(f"{folder} holds no image with a {suffix} file beside it")
