"""Overlays: boxes, landmarks, head axes, meshes and expressions on a copy of an image."""

from __future__ import annotations

import colorsys
import io
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageDraw

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.gaze import LIDS, SHUT_BLINK, gaze_directions
from edgeface.image import ImageLike, read_image
from edgeface.types import Float32Array, Float64Array, ImageArray

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
EYE_COLOUR = (255, 90, 220)
MESH_COLOUR = (120, 200, 255)
AXIS_COLOURS = ((255, 64, 64), (64, 255, 64), (80, 120, 255))  # x, y, z of the head
NUM_EXPRESSIONS, MIN_EXPRESSION = 3, 0.15
PICTURE_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Of the files that overlays are saved as, and Pillow's names of these formats."""
_LONGEST_SIDES = {"JPEG": 65_500, "WEBP": 16_383}
GOLDEN_ANGLE = 0.381966
"""Of a turn; hues that far apart stay distinct however many follow."""


class DrawnFace(Protocol):
    """What is drawn of an `edgeface.Face`."""

    @property
    def box_xyxy(self) -> Float32Array:
        """The box, shape (4,), ``image_px``."""
        ...

    @property
    def score(self) -> float:
        """The score, in [0, 1]."""
        ...

    @property
    def landmarks_2d(self) -> Float32Array:
        """The landmarks, shape (68, 2), ``image_px``."""
        ...

    @property
    def rotation(self) -> Float32Array:
        """The head's rotation, shape (3, 3), ``model`` frame."""
        ...

    @property
    def gaze_deg(self) -> Float32Array | None:
        """Pitch and yaw of the right and the left eye, shape (2, 2); None if nobody told."""
        ...

    @property
    def iris_centres(self) -> Float32Array:
        """Where both irises lie, shape (2, 2), ``image_px``."""
        ...

    @property
    def track_id(self) -> int | None:
        """The number of the person; None outside video."""
        ...

    @property
    def blendshapes(self) -> dict[str, float]:
        """The expression by ARKit's names, in [0, 1]."""
        ...


class DrawnFaces(Protocol):
    """What is drawn of an `edgeface.Faces`, which knows of drawing and not the other way round."""

    def __iter__(self) -> Iterator[DrawnFace]: ...

    def vertices(self, fallback: FaceModel | None = None) -> Float32Array:
        """The dense meshes, float32, shape (N, V, 3), ``image_px`` with depth."""
        ...


def draw_faces(
    image: ImageLike,
    faces: DrawnFaces,
    *,
    mesh: FaceModel | None = None,
    expressions: bool = False,
) -> ImageArray:
    """Draw faces on a copy of an image.

    Parameters
    ----------
    image : anything `read_image` takes
    faces : `edgeface.Faces`, in that image's ``image_px``
    mesh : the face model whose dense mesh is drawn too, as a wireframe
    expressions : whether each face's strongest expressions are written beside it

    Returns
    -------
    uint8, shape (H, W, 3), RGB
        Green: landmarks. Yellow, or a colour for each track: box, track and score. Red, green and
        blue rays: the head's x (to its left), y (up) and z (out of the face). Magenta, where it is
        known: where the eyes look, from the irises on.
    """
    canvas = Image.fromarray(np.ascontiguousarray(read_image(image)))
    pen = ImageDraw.Draw(canvas)
    if mesh is not None:
        _draw_meshes(pen, faces, mesh)
    for face in faces:
        _draw_face(pen, face)
        if expressions:
            _draw_expressions(pen, face)
    return np.array(canvas)  # `asarray` gives an array that cannot be written to


def encoded_picture(pixels: ImageArray, suffix: str) -> bytes:
    """The file of a picture, of one of `PICTURE_SUFFIXES`.

    Raises
    ------
    InvalidInputError
        If the picture has more pixels a side than the format holds.
    """
    kind = PICTURE_SUFFIXES[suffix]
    height, width = pixels.shape[:2]
    if max(height, width) > _LONGEST_SIDES.get(kind, max(height, width)):
        raise InvalidInputError(
            f"{kind} holds pictures of at most {_LONGEST_SIDES[kind]:,} pixels a side, and this "
            f"one has {width} x {height}: take .png"
        )
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def show_picture(pixels: ImageArray) -> None:
    """Show a picture: inside a notebook where the program runs in one, else in a window."""
    picture = Image.fromarray(pixels)
    ipython: Any = sys.modules.get("IPython")
    if ipython and getattr(ipython.get_ipython(), "kernel", None):
        ipython.display.display(picture)
    else:
        picture.show()


def track_colour(track_id: int | None) -> tuple[int, int, int]:
    """The colour of a track's box."""
    if track_id is None:
        return BOX_COLOUR
    red, green, blue = colorsys.hsv_to_rgb((track_id * GOLDEN_ANGLE + 0.75) % 1.0, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_face(pen: ImageDraw.ImageDraw, face: DrawnFace) -> None:
    x0, y0, x1, y1 = _near(pen, face.box_xyxy).tolist()
    longer = max(x1 - x0, y1 - y0)
    width = max(1, round(longer / 120))
    colour = track_colour(face.track_id)
    pen.rectangle((x0, y0, max(x0, x1), max(y0, y1)), outline=colour, width=width)
    points = [(x, y) for x, y in _near(pen, face.landmarks_2d).tolist()]
    for run, closed in LINES:
        path = [points[i] for i in run] + ([points[run[0]]] if closed else [])
        pen.line(path, fill=POINT_COLOUR, width=width, joint="curve")
    _draw_gaze(pen, face, longer, width)
    _draw_axes(pen, face, longer, 2 * width)
    label = f"{face.score:.2f}" if face.track_id is None else f"#{face.track_id}  {face.score:.2f}"
    if longer > 30:
        pen.text((x0 + 2 * width, y0 + width), label, colour, font_size=_font_size(longer))


def _draw_gaze(pen: ImageDraw.ImageDraw, face: DrawnFace, longer: float, width: int) -> None:
    """Draw a ray from each iris to where the eye looks, as long as the eye's direction is aside.

    Of an eye that is shut nothing is drawn, since nobody sees where it looks.
    """
    if face.gaze_deg is None:
        return
    shapes = face.blendshapes
    looks = gaze_directions(face.gaze_deg) @ face.rotation.T
    for lid, iris, look in zip(LIDS, face.iris_centres, looks, strict=True):
        if shapes.get(lid, 0.0) >= SHUT_BLINK or not np.isfinite(iris).all():
            continue
        x, y = _near(pen, iris).tolist()
        aside = look[:2] * [1.0, -1.0] * longer * 0.35
        pen.line([(x, y), (x + aside[0], y + aside[1])], fill=EYE_COLOUR, width=width)
        radius = max(1.0, longer / 80)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=EYE_COLOUR)


def _draw_axes(pen: ImageDraw.ImageDraw, face: DrawnFace, longer: float, width: int) -> None:
    """Draw the head's axes in the upper corner of its box, where they hide nothing of the face."""
    box = _near(pen, face.box_xyxy)
    origin = np.array([box[2] - 0.12 * longer, box[1] + 0.12 * longer])
    for axis, colour in enumerate(AXIS_COLOURS):
        direction = face.rotation[:2, axis] * [1.0, -1.0] * longer * 0.18
        pen.line(
            [tuple(origin.tolist()), tuple((origin + direction).tolist())],
            fill=colour,
            width=width,
        )


def _draw_expressions(pen: ImageDraw.ImageDraw, face: DrawnFace) -> None:
    x0, y0, x1, y1 = _near(pen, face.box_xyxy).tolist()
    longer = max(x1 - x0, y1 - y0)
    size = 0.7 * _font_size(longer)
    strongest = sorted(face.blendshapes.items(), key=lambda item: -item[1])[:NUM_EXPRESSIONS]
    shown = [(name, value) for name, value in strongest if value >= MIN_EXPRESSION]
    if longer <= 60 or not shown:
        return
    # below the face, but nothing outside the picture
    step, (right, bottom) = 1.25 * size, pen.im.size
    first = max(0.0, min(y1 + 3, bottom - step * len(shown)))
    for row, (name, value) in enumerate(shown):
        top = first + step * row
        # a dark ground under the bar keeps it readable on any picture
        text = f"{name} {value:.2f}"
        width = max(x1 - x0, pen.textlength(text, font_size=size) + 6)
        left = max(0.0, min(x0, right - width))
        pen.rectangle((left, top, left + width, top + 1.15 * size), fill=(24, 24, 24))
        end = left + width * min(1.0, value)
        pen.rectangle((left, top, max(left + 1, end), top + 1.15 * size), fill=(40, 110, 60))
        pen.text((left + 3, top), text, (235, 235, 235), font_size=size)


def _draw_meshes(pen: ImageDraw.ImageDraw, faces: DrawnFaces, face_model: FaceModel) -> None:
    for points in _near(pen, faces.vertices(face_model)[..., :2]):
        a, b, c = (points[face_model.triangles[:, k]] for k in range(3))
        ab, ac = b - a, c - a
        # counter-clockwise from outside, with y up: clockwise on the image
        facing = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] < 0
        edges = np.concatenate([face_model.triangles[facing][:, [i, j]] for i, j in _SIDES])
        for start, end in points[np.unique(np.sort(edges, axis=1), axis=0)]:
            pen.line([tuple(start.tolist()), tuple(end.tolist())], fill=MESH_COLOUR)


_SIDES = ((0, 1), (1, 2), (2, 0))


def _near(pen: ImageDraw.ImageDraw, places: Float32Array) -> Float64Array:
    """Places in ``image_px``, drawn no farther than a few image sizes away: Pillow goes there."""
    reach = 3.0 * max(pen.im.size)
    return np.nan_to_num(places.astype(np.float64)).clip(-reach, 2 * reach)


def _font_size(longer: float) -> float:
    return float(np.clip(longer / 8, 9, 28))
