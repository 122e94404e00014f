"""Overlays: boxes, landmarks and head axes on a copy of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgeface.faces import Face, Faces
from edgeface.image import ImageLike, read_image

# Runs of the 68 landmarks that form lines, and whether they close.
LINES: tuple[tuple[range, bool], ...] = (
    (range(17), False),  # outline, from the face's right ear to its left
    (range(17, 22), False),
    (range(22, 27), False),
    (range(27, 31), False),
    (range(31, 36), False),
    (range(36, 42), True),
    (range(42, 48), True),
    (range(48, 60), True),
    (range(60, 68), True),
)
BOX_COLOUR = (255, 196, 0)
POINT_COLOUR = (64, 255, 128)
AXIS_COLOURS = ((255, 64, 64), (64, 255, 64), (80, 120, 255))  # x, y, z of the head


def draw_faces(image: ImageLike, faces: Faces) -> NDArray[np.uint8]:
    """Draw faces on a copy of an image.

    Parameters
    ----------
    image : anything `read_image` takes
    faces : Faces, in that image's ``image_px``

    Returns
    -------
    uint8, shape (H, W, 3), RGB
        Green: landmarks. Yellow: box and score. Red, green and blue rays: the head's x (to its
        left), y (up) and z (out of the face).
    """
    canvas = Image.fromarray(np.ascontiguousarray(read_image(image)))
    pen = ImageDraw.Draw(canvas)
    for face in faces:
        _draw_face(pen, face)
    return np.asarray(canvas)


def _draw_face(pen: ImageDraw.ImageDraw, face: Face) -> None:
    x0, y0, x1, y1 = (float(v) for v in face.box_xyxy)
    longer = max(x1 - x0, y1 - y0)
    width = max(1, round(longer / 120))
    pen.rectangle((x0, y0, max(x0, x1), max(y0, y1)), outline=BOX_COLOUR, width=width)
    points = [(float(x), float(y)) for x, y in face.landmarks_2d]
    for run, closed in LINES:
        path = [points[i] for i in run] + ([points[run[0]]] if closed else [])
        pen.line(path, fill=POINT_COLOUR, width=width, joint="curve")
    _draw_axes(pen, face, longer, 2 * width)
    if longer > 30:
        size = float(np.clip(longer / 8, 9, 28))
        pen.text((x0 + 2 * width, y0 + width), f"{face.score:.2f}", BOX_COLOUR, font_size=size)


def _draw_axes(pen: ImageDraw.ImageDraw, face: Face, longer: float, width: int) -> None:
    nose = face.landmarks_2d[30]
    for axis, colour in enumerate(AXIS_COLOURS):
        direction = face.rotation[:2, axis] * [1.0, -1.0] * longer * 0.3
        pen.line(
            [(float(nose[0]), float(nose[1])), tuple((nose + direction).tolist())],
            fill=colour,
            width=width,
        )
