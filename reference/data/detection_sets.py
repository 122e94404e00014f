"""Readers of published detection sets: AFW, FDDB and WIDER FACE."""

# h5py tells no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.image import read_image
from edgeface.reference.data.labelled import LabelledImage, existing, labels
from edgeface.reference.data.matlab import read_mat
from edgeface.types import AnyArray, BoolArray, FloatArray

WIDER_SPLIT = "val"
INVALID = 7
"""The column of WIDER FACE's .txt that says whether a face is invalid."""


def read_afw(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read AFW: testimages/anno.mat beside the images.

    Notes
    -----
    The first three columns of the cell array ``anno`` are the image's name, the boxes
    ``[x1 y1; x2 y2]`` and the poses ``[yaw pitch roll]`` in degrees, one cell a face
    (https://www.ics.uci.edu/~xzhu/face/). Only the yaw is meant for use. Both of Matlab's file
    formats are read.
    """
    path = existing(folder, "testimages", "anno.mat")
    for name, boxes, poses in _afw_rows(path):
        found = labels(
            np.array([np.ravel(box) for box in boxes], np.float32).reshape(-1, 4),
            yaw_deg=np.array([np.ravel(pose)[0] for pose in poses], np.float32),
        )
        pixels = read_image(existing(folder, "testimages", name))
        yield LabelledImage(name, "AFW", pixels, found, complete=True)


def _afw_rows(path: Path) -> list[tuple[str, list[FloatArray], list[FloatArray]]]:
    """The name, the boxes [x1 y1; x2 y2] and the poses of each image."""
    import h5py

    if h5py.is_hdf5(path):  # Matlab's format 7.3
        return _afw_rows_of_hdf5(path)
    (anno,) = read_mat(path, "cell array", "anno")
    return [(str(np.ravel(r[0])[0]), list(np.ravel(r[1])), list(np.ravel(r[2]))) for r in anno]


def _afw_rows_of_hdf5(path: Path) -> list[tuple[str, list[FloatArray], list[FloatArray]]]:
    """The same of Matlab's format 7.3, where arrays are transposed and cells are references."""
    import h5py

    with h5py.File(path) as file:

        def follow(reference: Any) -> AnyArray:
            return np.asarray(file[reference]).T

        columns = np.asarray(file["anno"]).T
        return [
            (
                "".join(chr(c) for c in np.ravel(follow(row[0]))),
                [follow(cell) for cell in np.ravel(follow(row[1]))],
                [follow(cell) for cell in np.ravel(follow(row[2]))],
            )
            for row in columns
        ]


def read_fddb(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read FDDB: FDDB-folds/FDDB-fold-NN-ellipseList.txt, originalPics/YYYY/MM/DD/big/*.jpg.

    Notes
    -----
    A list holds for each image its path without suffix, the number of faces, and a line a face:
    ``major_axis_radius minor_axis_radius angle center_x center_y 1``, the angle in radians from
    the x axis (http://vis-www.cs.umass.edu/fddb/README.txt). The label is the ellipse's tight
    box.
    """
    lists = sorted(existing(folder, "FDDB-folds").glob("FDDB-fold-*-ellipseList.txt"))
    if not lists:
        raise InvalidInputError(f"{folder / 'FDDB-folds'} holds no FDDB-fold-01-ellipseList.txt")
    for path in lists:
        for name, rows in _counted_rows(path, width=5):
            pixels = read_image(existing(folder, "originalPics", f"{name}.jpg"))
            yield LabelledImage(name, "FDDB", pixels, labels(ellipse_boxes(rows)), complete=True)


def ellipse_boxes(ellipses: FloatArray) -> FloatArray:
    """The tight boxes (N, 4) of ellipses (N, 5): two radii, the angle of the first, the centre."""
    major, minor, angle = ellipses[:, 0], ellipses[:, 1], ellipses[:, 2]
    cosine, sine = np.cos(angle), np.sin(angle)
    half = np.stack(
        [np.hypot(major * cosine, minor * sine), np.hypot(major * sine, minor * cosine)], axis=1
    )
    return np.concatenate([ellipses[:, 3:5] - half, ellipses[:, 3:5] + half], axis=1)


def read_wider(folder: Path, model: FaceModel) -> Iterator[LabelledImage]:
    """Read WIDER FACE: wider_face_split/wider_face_val_bbx_gt.txt (or .mat) and WIDER_val/images.

    Faces that are marked invalid and boxes without area are ignored.

    Notes
    -----
    The .txt holds for each image its path, the number of faces, and a line a face: ``x y w h blur
    expression illumination invalid occlusion pose``; an image without faces has one line of
    zeros. The .mat holds cells by event, then by image: ``event_list``, ``file_list`` (without
    suffix), ``face_bbx_list`` (N, 4) and ``invalid_label_list`` (N, 1)
    (http://shuoyang1213.me/WIDERFACE/, its readme).
    """
    split = existing(folder, "wider_face_split")
    text = split / f"wider_face_{WIDER_SPLIT}_bbx_gt.txt"
    rows = _wider_txt(text) if text.exists() else _wider_mat(split)
    for name, boxes, invalid in rows:
        image = existing(folder, f"WIDER_{WIDER_SPLIT}", "images", *name.split("/"))
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        empty = (boxes[:, 2:] <= 0).any(axis=1)
        found = labels(corners, ignore=invalid | empty)
        yield LabelledImage(name, "WIDER FACE", read_image(image), found, complete=True)


def _wider_txt(path: Path) -> Iterator[tuple[str, FloatArray, BoolArray]]:
    for name, rows in _counted_rows(path, width=10, spare_row=True):
        yield name, rows[:, :4], rows[:, INVALID] > 0


def _wider_mat(split: Path) -> Iterator[tuple[str, FloatArray, BoolArray]]:
    path = existing(split, f"wider_face_{WIDER_SPLIT}.mat")
    names = ("event_list", "file_list", "face_bbx_list", "invalid_label_list")
    columns = read_mat(path, "cell arrays", *names)
    for event, files, boxes, invalid in zip(*(c[:, 0] for c in columns), strict=True):
        for file, faces, bad in zip(files[:, 0], boxes[:, 0], invalid[:, 0], strict=True):
            name = f"{np.ravel(event)[0]}/{np.ravel(file)[0]}.jpg"
            yield name, np.asarray(faces, float).reshape(-1, 4), np.ravel(bad) > 0


def _counted_rows(
    path: Path, width: int, spare_row: bool = False
) -> Iterator[tuple[str, FloatArray]]:
    """Yield blocks of a name, a count, and that many rows of at least ``width`` numbers.

    With ``spare_row``, one row follows a count of 0 too.
    """
    lines = path.read_text().splitlines()
    at = 0
    while at < len(lines):
        name = lines[at].strip()
        try:
            count = int(lines[at + 1])
            body = lines[at + 2 : at + 2 + count]
            rows = np.array([[float(v) for v in row.split()][:width] for row in body])
            rows = rows.reshape(count, width)
        except (ValueError, IndexError) as error:
            raise InvalidInputError(
                f"{path}, line {at + 1}: expected an image's name, the number of its faces and "
                f"{width} numbers a face: {error}"
            ) from error
        yield name, rows
        at += 2 + (1 if spare_row and count == 0 else count)
