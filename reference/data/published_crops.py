"""Cutting faces of published databases out as the packs' are: centred, filling half the crop."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from edgeface.face_model import FaceModel
from edgeface.metadata import PAD_VALUE
from edgeface.reference.conventions import read_convention
from edgeface.reference.conventions.mean_fit import fit_mean_face
from edgeface.reference.data.labelled import face_box
from edgeface.reference.data.published import PublishedFace
from edgeface.types import FloatArray, ImageArray

SIDE = 256
"""The side of a crop in pixels; the longer side of a face's box is half of it."""


def cut_faces(
    faces: Iterable[PublishedFace], convention: str, model: FaceModel
) -> tuple[ImageArray, FloatArray, FloatArray]:
    """Cut out faces that are labelled in one convention.

    Parameters
    ----------
    faces : the faces of a `Database` that are wanted; all crops are held in memory

    Returns
    -------
    crops : uint8, shape (N, 256, 256, 3), RGB, grey outside the image
    boxes : float32, shape (N, 4), xyxy, the face boxes in the crops, found by `fit_mean_face`
    points : float32, shape (N, P, 2), the points in the crops, NaN where not labelled
    """
    known = read_convention(convention)
    crops: list[ImageArray] = []
    boxes: list[FloatArray] = []
    points: list[FloatArray] = []
    for face in faces:
        _, landmarks = fit_mean_face(known, face.points[None], model)
        box = face_box(landmarks)[0]
        low, high = box[:2], box[2:]
        half = float((high - low).max())
        corner = (low + high) / 2 - half
        zoom = SIDE / (2 * half)
        crops.append(cut_square(face.pixels(), corner, 2 * half))
        boxes.append(np.concatenate([low - corner, high - corner]) * zoom)
        points.append((face.points - corner) * zoom)
    return (
        np.array(crops, np.uint8).reshape(-1, SIDE, SIDE, 3),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(points, np.float32).reshape(-1, len(known.points), 2),
    )


def cut_square(pixels: ImageArray, corner: FloatArray, side: float) -> ImageArray:
    """Cut the square at ``corner`` out as (256, 256, 3), antialiased, grey outside the image."""
    start = np.floor(corner).astype(int)
    room = int(np.ceil(side)) + 2
    canvas = Image.new("RGB", (room, room), (PAD_VALUE,) * 3)
    canvas.paste(Image.fromarray(pixels), (-int(start[0]), -int(start[1])))
    x, y = (corner - start).tolist()
    square = (x, y, x + side, y + side)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=square))
