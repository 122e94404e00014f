"""`Faces`: what a network saw in one image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, overload

import numpy as np

from edgeface import tables
from edgeface.errors import InvalidInputError
from edgeface.face import Face
from edgeface.face_arrays import OPTIONAL_SHAPES, ROWS, FaceArrays, RowIndex
from edgeface.output import PathLike, write_output
from edgeface.types import AnyArray, ImageArray
from edgeface.values import path_of

TABLE_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")
MAX_SHOWN = 10
"""Faces that a `repr` shows."""


@dataclass(frozen=True, eq=False)
class Faces(FaceArrays):
    """The N >= 0 faces of one image, as parallel arrays; best score first.

    It is a sequence of `Face`: it has a length, is iterated, and ``faces[0]`` is one of them.
    Slices, masks and index arrays (``faces[:3]``, ``faces[faces.scores > 0.8]``,
    ``faces[[2, 0]]``) give `Faces` again. Pickles are small: they hold neither the image nor the
    face model, of which they know the hash.

    Attributes
    ----------
    boxes_xyxy : float32, shape (N, 4), image_px
        The faces' boxes: left, top, right and bottom edge.
    scores : float32, shape (N,), in [0, 1]
        The IoU that each box is estimated to have with a face.
    landmarks_3d : float32, shape (N, 68, 3), image_px
        The landmarks with depth: z has the scale of x and y and grows away from the camera. The
        face model's origin lies at ``focal * translation[2]``.
    identity_coeffs : float32, shape (N, 50)
        The identity coefficients of the face model. Index 0 weighs its mean shape.
    expression_coeffs : float32, shape (N, 46), in [0, 1]
        The expression coefficients, which ``expression_names`` names.
    rotation : float32, shape (N, 3, 3)
        The rotation of each head in the ``model`` frame.
    euler_deg : float32, shape (N, 3), degrees
        Pitch, yaw and roll. A positive pitch looks down, a positive yaw looks to the face's own
        left, a positive roll tips the head to the face's own right shoulder.
    translation : float32, shape (N, 3), model units
        Where the weak-perspective camera sees the face model's origin.
    focal : float32, shape (N,), face_norm a model unit
        The scale of the weak-perspective camera.
    expression_names : tuple of 46 str
        The names of the columns of ``expression_coeffs``.
    unseen_expressions : tuple of str
        The names of the expressions that the network was never taught.
    face_model : FaceModel or None
        The face model of which the coefficients speak.
    correction_coeffs : float32, shape (N, 60), or None
        The coefficients of the face model's harmonics. Networks that do not correct its shapes
        leave them out.
    gaze_deg : float32, shape (N, 2, 2), degrees, or None
        Pitch and yaw of the right eye, then of the left, relative to the head, with the signs of
        ``euler_deg``. Networks that do not tell leave it out; where several networks saw the faces
        of one image, those of such a network have NaN.
    track_ids : int64, shape (N,), or None
        The number of each person, where `edgeface.Tracker` followed them.
    velocities : float32, shape (N, 2), image_px a second, or None
        How fast the centre of each face's landmarks moves, where it was followed.
    personal_vertices : float32, shape (N, V, 3), image_px with depth, or None
        The surface of the personal model that the tracker was given, with each face's motion. Its
        triangles and UV are those of ``PersonalModel.template``.
    image_size : (height, width) of the image, px, or None
        Where `Model.run` found them.
    image : uint8, shape (H, W, 3), or None
        The image itself, by reference, if `Model.run` was told ``keep_image=True``.
    face_model_sha256 : str, or None
        The hash of a face model that stayed behind when these faces were pickled.
    truncated : bool
        Whether there were more faces than ``max_faces`` let through.

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
        """One face by its number; several by what `select` takes."""
        if isinstance(index, bool) or not hasattr(index, "__index__") or np.ndim(cast(Any, index)):
            return self.select(cast(RowIndex, index))
        number = cast(int, index).__index__()
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} faces, no number {number}")
        return Face(self, number % len(self))

    def __iter__(self) -> Iterator[Face]:
        return (Face(self, i) for i in range(len(self)))

    def __repr__(self) -> str:
        lines = [f"Faces(N={len(self)})"]
        lines += [f"  {i}  {Face(self, i)}" for i in range(min(len(self), MAX_SHOWN))]
        if len(self) > MAX_SHOWN:
            lines.append(f"  and {len(self) - MAX_SHOWN} more")
        return "\n".join(lines)

    def to_dict(self, *, clip: bool = False) -> list[dict[str, Any]]:
        """`Face.to_dict` of every face; boxes cut at the image's edges if ``clip``."""
        boxes = self.clipped_boxes_xyxy if clip else self.boxes_xyxy
        return [
            face.to_dict() | {"box_xyxy": box.tolist()}
            for face, box in zip(self, boxes, strict=True)
        ]

    def to_json(self, *, clip: bool = False) -> str:
        """`to_dict` as the text of a JSON array."""
        return tables.json_of(self.to_dict(clip=clip))

    def to_pandas(self, *, clip: bool = False) -> Any:
        """A ``pandas.DataFrame``, a row a face: score, box, angles and the 52 expressions.

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
        """``supervision.Detections``: boxes, scores, track ids, landmarks and angles as data.

        Raises
        ------
        BackendUnavailableError
            If supervision is not installed; the message names the remedy.
        """
        return tables.to_supervision(self, clip)

    def draw(self, image: Any = None) -> ImageArray:
        """A copy of the image with boxes, landmarks and head axes drawn on it.

        Parameters
        ----------
        image : anything that `edgeface.read_image` takes; by default the one kept by
            ``run(image, keep_image=True)``

        Returns
        -------
        uint8, shape (H, W, 3), RGB

        Raises
        ------
        InvalidInputError
            If there is no image.
        """
        from edgeface.drawing import draw_faces

        return draw_faces(self.image_or(image), self)

    def plot(self, image: Any = None) -> ImageArray:
        """The same as `draw`, by the name that other detectors have for it."""
        return self.draw(image)

    def show(self, image: Any = None) -> None:
        """Show what `draw` gives: inside a notebook where there is one, else in a window."""
        from edgeface.drawing import show_picture

        show_picture(self.draw(image))

    def save(self, path: PathLike, image: Any = None, *, clip: bool = False) -> None:
        """Write the faces, as the suffix of the file says.

        Parameters
        ----------
        path : ``.png``, ``.jpg`` and ``.webp`` are what `draw` gives; ``.json`` is `to_json`,
            ``.jsonl`` a line a face of it, ``.csv`` the columns of `to_pandas`, ``.parquet`` those
            of `to_arrow`
        image : as for `draw`
        clip : whether the boxes of tables are cut at the image's edges

        Raises
        ------
        InvalidInputError
            If the suffix is another, the file cannot be written, or there is no image to draw on.
        BackendUnavailableError
            If pyarrow is not installed, which writes Parquet; the message names the remedy.
        """
        from edgeface.drawing import PICTURE_SUFFIXES, encoded_picture

        target = path_of("path", path)
        suffix = target.suffix.lower()
        content: str | bytes
        if suffix in PICTURE_SUFFIXES:
            content = encoded_picture(self.draw(image), suffix)
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
        write_output(target, content)


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
