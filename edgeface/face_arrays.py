"""`FaceArrays`, the parallel arrays of N faces: checked, picked, and placed in an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np

from edgeface.addresses import local_name
from edgeface.blendshapes import arkit_coefficients
from edgeface.errors import InvalidInputError
from edgeface.face_model import SHIPPED, FaceModel, shipped_face_model
from edgeface.gaze import iris_centres
from edgeface.kernels import project_landmarks
from edgeface.output import file_of
from edgeface.types import AnyArray, BoolArray, Float32Array, ImageArray, IntArray
from edgeface.values import Flag, Several, Whole, option, shown

_SHAPES: dict[str, tuple[int, ...]] = {
    "boxes_xyxy": (4,),
    "scores": (),
    "landmarks_3d": (68, 3),
    "identity_coeffs": (50,),
    "expression_coeffs": (46,),
    "rotation": (3, 3),
    "euler_deg": (3,),
    "translation": (3,),
    "focal": (),
}
ANY = -1
"""A length that is the same in every row, whatever it is."""
OPTIONAL_SHAPES: dict[str, tuple[int, ...]] = {
    "correction_coeffs": (60,),
    "gaze_deg": (2, 2),
    "track_ids": (),
    "velocities": (2,),
    "personal_vertices": (ANY, 3),
}
"""The shape of a row of each array that may be None."""
_IMAGE_SIZE = Several(Whole(1, 10**9), 2, 2)
ROWS = tuple(_SHAPES | OPTIONAL_SHAPES)
"""The names of the arrays that have a row for each face."""

RowIndex = slice | Sequence[int] | Sequence[bool] | IntArray | BoolArray
"""An index that picks several faces: a slice, indices, or a mask over all of them."""


@dataclass(frozen=True, eq=False)
class FaceArrays:
    """The arrays of `Faces`, which describes them."""

    boxes_xyxy: Float32Array
    scores: Float32Array
    landmarks_3d: Float32Array
    identity_coeffs: Float32Array
    expression_coeffs: Float32Array
    rotation: Float32Array
    euler_deg: Float32Array
    translation: Float32Array
    focal: Float32Array
    expression_names: tuple[str, ...]
    unseen_expressions: tuple[str, ...] = ()
    face_model: FaceModel | None = None
    correction_coeffs: Float32Array | None = None
    gaze_deg: Float32Array | None = None
    track_ids: IntArray | None = None
    velocities: Float32Array | None = None
    personal_vertices: Float32Array | None = None
    image_size: tuple[int, int] | None = None
    image: ImageArray | None = None
    image_file: str | os.PathLike[str] | None = None
    face_model_sha256: str | None = None
    truncated: bool = False

    def __post_init__(self) -> None:
        count = (getattr(self.boxes_xyxy, "shape", None) or (0,))[0]
        for name, tail in (_SHAPES | OPTIONAL_SHAPES).items():
            array: AnyArray | None = getattr(self, name)
            if array is None and name in OPTIONAL_SHAPES:
                continue
            shape = getattr(array, "shape", None)  # None of a list, too
            if shape is None or not _fits(shape, (count, *tail)):
                raise InvalidInputError(f"{name}: expected the shape {(count, *tail)}, got {shape}")
        size: Any = self.image_size
        if size is not None:
            sides = [*size] if isinstance(cast(object, size), (tuple, np.ndarray)) else size
            option("image_size", sides, _IMAGE_SIZE)

    def __len__(self) -> int:
        return len(self.scores)

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: the arrays, and of the face model its hash alone; no image."""
        model = self.face_model
        sha256 = self.face_model_sha256 if model is None else model.sha256
        left_out = dict.fromkeys(("face_model", "image", "image_file"))
        return vars(self) | left_out | {"face_model_sha256": sha256}

    def __copy__(self) -> Self:
        return replace(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.select(np.arange(len(self)))

    @property
    def landmarks_2d(self) -> Float32Array:
        """The 68 landmarks, float32, shape (N, 68, 2), image_px; a view."""
        return self.landmarks_3d[..., :2]

    @property
    def arkit_coeffs(self) -> Float32Array:
        """The expressions in the order of `edgeface.ARKIT_NAMES`, float32, shape (N, 52).

        An expression that the network cannot see is NaN for every face; `Face.blendshapes` leaves
        it out. It is never 0, which would mean that the muscle is at rest.
        """
        names, unseen = self.expression_names, self.unseen_expressions
        return arkit_coefficients(names, self.expression_coeffs, unseen, self.gaze_deg)

    @property
    def iris_centres(self) -> Float32Array:
        """Where the right and the left iris lie, float32, shape (N, 2, 2), image_px.

        They follow from the landmarks, the head's rotation and the gaze (`edgeface.gaze`). Without
        a gaze they are NaN.
        """
        nowhere = np.full((len(self), 2, 2), np.nan, np.float32)
        gaze = nowhere if self.gaze_deg is None else self.gaze_deg
        return iris_centres(self.landmarks_3d, self.rotation, gaze)

    @property
    def clipped_boxes_xyxy(self) -> Float32Array:
        """``boxes_xyxy`` cut at the edges of the image, float32, shape (N, 4), image_px.

        ``boxes_xyxy`` reach beyond the image where faces do, because poses and meshes are placed by
        whole boxes.

        Raises
        ------
        InvalidInputError
            If ``image_size`` is None.
        """
        if self.image_size is None:
            raise InvalidInputError(
                "these faces do not say how large their image was, so their boxes cannot be cut "
                "at its edges: set dataclasses.replace(faces, image_size=(height, width))"
            )
        height, width = self.image_size
        return self.boxes_xyxy.clip(0, np.array([width, height, width, height], np.float32))

    def of_image(self, pixels: ImageArray) -> Self:
        """The same faces with the size of their image."""
        height, width = pixels.shape[:2]
        return replace(self, image_size=(height, width), image=None)

    def keeping(self, image: Any, pixels: ImageArray) -> Self:
        """The same faces with their image, of which ``image`` is what the user gave."""
        file = file_of(image)
        if file is not None:  # which is still the same when the program has gone to another folder
            name = local_name(os.fspath(file))
            file = os.path.abspath(name) if os.path.exists(name) else None
        return replace(self, image=pixels, image_file=file)

    def image_or(self, image: Any) -> Any:
        """The image that is given, or else the one that was kept.

        Raises
        ------
        InvalidInputError
            If there is neither.
        """
        image = self.image if image is None else image
        if image is None:
            raise InvalidInputError(
                "these faces were found without keeping their image: give it here, or ask for "
                "run(image, keep_image=True)"
            )
        return image

    def select(self, index: RowIndex) -> Self:
        """Copy the faces that a slice, an index array or a boolean mask picks.

        Raises
        ------
        InvalidInputError
            If the index is none of these, or a mask of another length.
        IndexError
            If there is no face with that number.
        """
        rows = _rows(index, len(self))
        arrays = {name: getattr(self, name) for name in ROWS}
        picked = {n: a[rows] for n, a in arrays.items() if a is not None}
        return replace(self, **picked)

    def vertices(self, fallback: FaceModel | None = None) -> Float32Array:
        """The dense mesh of every face, with its correction if it has one.

        Parameters
        ----------
        fallback : the face model to use if ``face_model`` is None, as after unpickling

        Returns
        -------
        float32, shape (N, V, 3), image_px, with depth as in ``landmarks_3d``
            In the order of the face model's ``triangles`` and ``uv``.

        Raises
        ------
        InvalidInputError
            If there is no face model, it is not that of the faces, or it has no dense mesh.

        Notes
        -----
        Vertices are scaled by the longer side of the box in the image, landmarks by that of the box
        in the network's input. The two differ by less than 0.4 %, because the size in the input is
        rounded to whole pixels.
        """
        shape = self.model_of_faces(fallback).vertices(
            self.identity_coeffs, self.expression_coeffs, self.correction_coeffs
        )
        return place(shape, self)

    def face_points(self, fallback: FaceModel | None = None) -> Float32Array:
        """The points of every face around which its box is drawn, shape (N, P, 3), image_px.

        They are `FaceModel.face_points`; ``fallback`` and errors are those of `vertices`, but for
        the dense mesh, which these points do not need.
        """
        shape = self.model_of_faces(fallback).face_points(
            self.identity_coeffs, self.expression_coeffs, self.correction_coeffs
        )
        return place(shape, self)

    def model_of_faces(self, fallback: FaceModel | None = None) -> FaceModel:
        """The face model that the coefficients belong to; also after a pickle, if it ships.

        Raises
        ------
        InvalidInputError
            If these faces came without it, and there is no ``fallback``, or it is another one.
        """
        model, known = self.face_model or fallback, self.face_model_sha256
        if model is None and known is not None:
            shipped = map(shipped_face_model, SHIPPED)
            model = next((m for m in shipped if m.sha256 == known), None)
        if model is None:
            raise InvalidInputError(
                "these faces came without their face model, as from a pickle: give that of the "
                "network, vertices(model.face_model)"
            )
        if self.face_model is None and known not in (None, model.sha256):
            raise InvalidInputError(
                f"these faces belong to the face model of the hash {str(known)[:12]}, and were "
                f"given {model.info.get('name', 'one')!r}, {model.sha256[:12]}: give that of the "
                "network that found them"
            )
        return model


def boxes_of(faces: FaceArrays, clip: bool) -> Float32Array:
    """The boxes (N, 4) of faces, cut at the edges of the image if ``clip``; it is checked."""
    return faces.clipped_boxes_xyxy if option("clip", clip, Flag()) else faces.boxes_xyxy


def _fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    if len(shape) != len(expected):
        return False
    return all(want in (ANY, have) for have, want in zip(shape, expected, strict=True))


def _rows(index: Any, count: int) -> AnyArray:
    """Check an index that picks several of ``count`` rows."""
    if isinstance(index, slice):  # of an array, a slice is no copy
        return np.arange(count)[index]
    try:
        rows = np.asarray(index)
    except Exception as error:  # rows of different lengths, and objects that are broken
        raise InvalidInputError(f"faces are picked by whole numbers: {error}") from error
    if rows.shape == (0,):
        return np.zeros(0, np.intp)
    if rows.dtype == bool and rows.shape == (count,):
        return rows
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise InvalidInputError(
            f"faces are picked by a whole number, a slice, an array of them or a mask over all "
            f"{count}, got {shown(index)}"
        )
    outside = rows[(rows < -count) | (rows >= count)]
    if outside.size:
        raise IndexError(f"there are {count} faces, no number {outside[0]}")
    return rows


def place(shape: Float32Array, faces: FaceArrays) -> Float32Array:
    """Move shapes (N, L, 3) of ``model`` to ``image_px`` with depth, by the faces' poses."""
    points = project_landmarks(shape, faces.rotation, faces.translation, faces.focal)
    low, high = faces.boxes_xyxy[:, :2], faces.boxes_xyxy[:, 2:]
    points = points * (high - low).max(axis=1, initial=0.0)[:, None, None]
    points[..., :2] += ((low + high) / 2)[:, None]
    return points.astype(np.float32)
