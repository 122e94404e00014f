"""`Faces`: what a network saw in one image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, overload

import numpy as np

from edgeface import tables
from edgeface.errors import InvalidInputError
from edgeface.face import Face
from edgeface.face_arrays import OPTIONAL_SHAPES, ROWS, FaceArrays, RowIndex, boxes_of
from edgeface.output import PathLike, file_of, write_output
from edgeface.pixels import Color, checked_color
from edgeface.types import AnyArray, ImageArray
from edgeface.values import path_of, shown

TABLE_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")
MAX_SHOWN = 10
"""Faces that a `repr` shows."""


@dataclass(frozen=True, eq=False)
class Faces(FaceArrays):
    """The N >= 0 faces of one image, as parallel arrays; best score first.

    It is a sequence: ``len(faces)`` is N, ``faces[0]`` is a `Face`, and a loop gives each `Face` in
    turn. Slices, masks and index arrays (``faces[:3]``, ``faces[faces.scores > 0.8]``,
    ``faces[[2, 0]]``) give `Faces` again. Attributes that are "or None" are None if the network or
    the call did not provide them.

    Pickles are small: they hold neither the image nor the face model, only the face model's hash.

    Attributes
    ----------
    boxes_xyxy : float32, shape (N, 4), image_px
        The faces' boxes: left, top, right and bottom edge.
    scores : float32, shape (N,), in [0, 1]
        How sure the network is of each face: the IoU that it expects the box to have with a face.
    landmarks_3d : float32, shape (N, 68, 3), image_px
        The landmarks with depth: z has the scale of x and y and grows away from the camera. The
        face model's origin has the depth ``focal * translation[2]``.
    identity_coeffs : float32, shape (N, 50)
        The identity coefficients of the face model. Index 0 weighs its mean shape.
    expression_coeffs : float32, shape (N, 46), in [0, 1]
        The expression coefficients, in the order of ``expression_names``.
    rotation : float32, shape (N, 3, 3)
        The rotation of each head in the ``model`` frame.
    euler_deg : float32, shape (N, 3), degrees
        Pitch, yaw and roll. A positive pitch looks down, a positive yaw looks to the face's own
        left, a positive roll tips the head to the face's own right shoulder.
    translation : float32, shape (N, 3), model units
        The position of the face model's origin before the camera.
    focal : float32, shape (N,), face_norm per model unit
        The scale of the weak-perspective camera.
    expression_names : tuple of 46 str
        The names of the columns of ``expression_coeffs``.
    unseen_expressions : tuple of str
        The names of the expressions that the network was never trained on.
    face_model : FaceModel or None
        The face model to which the coefficients belong. None after unpickling.
    correction_coeffs : float32, shape (N, 60), or None
        The coefficients of the harmonics by which a "fusion" network corrects shapes.
    gaze_deg : float32, shape (N, 2, 2), degrees, or None
        Pitch and yaw of the right eye, then of the left, relative to the head, with the signs of
        ``euler_deg``. From an "sfn". If only some of the faces were refined by one, the others have
        NaN.
    track_ids : int64, shape (N,), or None
        The number of each person, from `edgeface.Tracker`.
    velocities : float32, shape (N, 2), image_px per second, or None
        The velocity of the centre of each face's landmarks, from `edgeface.Tracker`.
    personal_vertices : float32, shape (N, V, 3), image_px with depth, or None
        The surface of the tracker's personal model, moved as each face moves. Its triangles and UV
        are those of ``PersonalModel.template``.
    image_size : (height, width) of the image, px, or None
        The size of the image in which the faces were found.
    image : uint8, shape (H, W, 3), or None
        The image itself, by reference, if `Model.run` was called with ``keep_image=True``.
    image_file : path, or None
        The file that ``image`` came from, if it came from one; `save` does not overwrite it.
    face_model_sha256 : str, or None
        After unpickling, the hash of the face model.
    truncated : bool
        Whether there were more faces than ``max_faces``.

    Raises
    ------
    InvalidInputError
        When built from arrays whose shapes do not fit together.
    """

    @overload
    def __getitem__(self, index: int) -> Face: ...

    @overload
    def __getitem__(self, index: RowIndex) -> Faces: ...

    def __getitem__(self, index: int | RowIndex) -> Face | Faces:
        """One `Face` by its number; several, as `Faces`, by anything that `select` takes."""
        if isinstance(index, bool) or not hasattr(index, "__index__") or np.ndim(cast(Any, index)):
            return self.select(cast(RowIndex, index))
        number = cast(int, index).__index__()
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} faces, no number {number}")
        return Face(self, number % len(self))

    def __iter__(self) -> Iterator[Face]:
        return (Face(self, i) for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same faces in the same order (`Face`), whatever their images."""
        if not isinstance(other, Faces):
            return NotImplemented
        return list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        lines = [f"Faces(N={len(self)})"]
        lines += [f"  {i}  {Face(self, i)}" for i in range(min(len(self), MAX_SHOWN))]
        if len(self) > MAX_SHOWN:
            lines.append(f"  and {len(self) - MAX_SHOWN} more")
        return "\n".join(lines)

    def to_dict(self, *, clip: bool = False) -> list[dict[str, Any]]:
        """List what `Face.to_dict` gives for each face.

        Parameters
        ----------
        clip : whether boxes are cut at the edges of the image
        """
        boxes = boxes_of(self, clip)
        return [
            face.to_dict() | {"box_xyxy": box.tolist()}
            for face, box in zip(self, boxes, strict=True)
        ]

    def to_json(self, *, clip: bool = False) -> str:
        """`to_dict` as the text of a JSON array."""
        return tables.json_of(self.to_dict(clip=clip))

    def to_pandas(self, *, clip: bool = False) -> Any:
        """A ``pandas.DataFrame`` with a row per face: score, box, angles and the 52 expressions.

        `edgeface.tables` describes the columns.

        Raises
        ------
        BackendUnavailableError
            If pandas is not installed; the message names the remedy.

        Examples
        --------
        >>> import edgeface
        >>> table = edgeface.load("mfn").run(edgeface.DEMO_PHOTO).to_pandas()
        >>> table[["score", "yaw_deg", "jawOpen"]].shape
        (5, 3)
        """
        return tables.to_pandas(self, clip)

    def to_arrow(self, *, clip: bool = False) -> Any:
        """A ``pyarrow.Table``: the columns of `to_pandas`, landmarks, pose and coefficients.

        `edgeface.tables` describes the columns.

        Raises
        ------
        BackendUnavailableError
            If pyarrow is not installed; the message names the remedy.
        """
        return tables.to_arrow(self, clip)

    def to_supervision(self, *, clip: bool = False) -> Any:
        """``supervision.Detections`` with boxes, scores and track ids.

        Landmarks, angles and expressions are in its ``data``.

        Raises
        ------
        BackendUnavailableError
            If supervision is not installed; the message names the remedy.
        """
        return tables.to_supervision(self, clip)

    def draw(self, image: Any = None, *, color: Color = "rgb") -> ImageArray:
        """A copy of the image with boxes, landmarks and head axes drawn on it.

        Parameters
        ----------
        image : anything that `edgeface.read_image` takes; by default the one kept by
            ``run(image, keep_image=True)``
        color : "rgb" or "bgr", the order of the channels of a given array, and of the result

        Returns
        -------
        uint8, shape (H, W, 3), in the order ``color``

        Raises
        ------
        InvalidInputError
            If no image is given, and none was kept.
        """
        drawn = self._drawn(image, color)
        return np.ascontiguousarray(drawn[:, :, ::-1]) if color == "bgr" else drawn

    def plot(self, image: Any = None, *, color: Color = "rgb") -> ImageArray:
        """The same as `draw`; other detectors call it so."""
        return self.draw(image, color=color)

    def show(self, image: Any = None, *, color: Color = "rgb") -> None:
        """Show the picture that `draw` makes: inside a notebook, or else in a window."""
        from edgeface.drawing import show_picture

        show_picture(self._drawn(image, color))

    def _drawn(self, image: Any, color: Color) -> ImageArray:
        """The picture that `draw` makes, in RGB."""
        from edgeface.drawing import draw_faces
        from edgeface.image import read_image

        checked = checked_color(color)
        order = "rgb" if image is None else checked  # the image that was kept is in RGB
        return draw_faces(read_image(self.image_or(image), color=order), self)

    def save(
        self, path: PathLike, image: Any = None, *, clip: bool = False, color: Color = "rgb"
    ) -> None:
        """Write the faces to a file, as a picture or as data; its suffix chooses the format.

        Parameters
        ----------
        path : the file to write
            ``.png``, ``.jpg`` or ``.webp``: the picture that `draw` makes. ``.json``: `to_json`.
            ``.jsonl``: the same with a line per face. ``.csv``: the columns of `to_pandas`.
            ``.parquet``: the columns of `to_arrow`.
        image : for pictures, as for `draw`
        clip : for data, whether boxes are cut at the image's edges
        color : for pictures, "rgb" or "bgr", the order of the channels of a given array

        Raises
        ------
        InvalidInputError
            If the suffix is none of these, the file cannot be written, it is the given
            image itself or the one that was kept, or there is no image to draw on.
        BackendUnavailableError
            For Parquet, if pyarrow is not installed; the message names the remedy.
        """
        from edgeface.drawing import PICTURE_SUFFIXES, encoded_picture

        target = path_of("path", path)
        suffix = target.suffix.lower()
        content: str | bytes
        if suffix in PICTURE_SUFFIXES:
            content = encoded_picture(self._drawn(image, color), suffix)
        elif suffix == ".json":
            content = self.to_json(clip=clip) + "\n"
        elif suffix == ".jsonl":
            content = "".join(f"{tables.json_of(f)}\n" for f in self.to_dict(clip=clip))
        elif suffix == ".csv":
            content = tables.csv_of(tables.numbers_of(self, clip))
        elif suffix == ".parquet":
            content = tables.parquet_of(self.to_arrow(clip=clip))
        else:
            known = ", ".join((*PICTURE_SUFFIXES, *TABLE_SUFFIXES))
            raise InvalidInputError(f"{path}: faces are saved as {known}, not as {suffix!r}")
        photos = (file_of(image), self.image_file)
        write_output(target, content, [photo for photo in photos if photo is not None])


def check_faces(name: str, faces: Faces) -> None:
    """Raise InvalidInputError unless the function of this name is given `Faces`."""
    if not isinstance(cast(object, faces), Faces):
        raise InvalidInputError(f"{name} takes faces that were found, got {shown(faces)}")


def concatenate(parts: Sequence[Faces], empty: Faces) -> Faces:
    """The faces of several results of one face model in turn; ``empty`` if there are none."""
    if not parts:
        return empty
    rows = [name for name in ROWS if any(_has(p, name) for p in parts)]
    if not all(_has(p, "personal_vertices") for p in parts):
        parts = [replace(p, personal_vertices=None) for p in parts]
        rows = [name for name in rows if name != "personal_vertices"]
    # of several networks, the one that corrects shapes has the face model that can
    first = next((p for p in parts if _has(p, "correction_coeffs")), parts[0])
    return replace(first, **{n: np.concatenate([_column(p, n) for p in parts]) for n in rows})


def _has(faces: Faces, name: str) -> bool:
    return getattr(faces, name) is not None


def _column(faces: Faces, name: str) -> AnyArray:
    """One array; where a network did not give it, zeros for a correction, NaN for a gaze."""
    if not _has(faces, name):
        absent = np.nan if name == "gaze_deg" else 0.0
        return np.full((len(faces), *OPTIONAL_SHAPES[name]), absent, np.float32)
    return getattr(faces, name)
