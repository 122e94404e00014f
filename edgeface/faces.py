"""What a network saw: `Faces`, and one `Face` of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from edgeface.blendshapes import blendshapes
from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.kernels import project_landmarks
from edgeface.types import AnyArray, BoolArray, Float32Array, ImageArray, IntArray

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
"""In place of a length that may be any."""
_OPTIONAL_SHAPES: dict[str, tuple[int, ...]] = {
    "correction_coeffs": (60,),
    "track_ids": (),
    "velocities": (2,),
    "personal_vertices": (ANY, 3),
}


@dataclass(frozen=True, eq=False)
class Faces:
    """The N >= 0 faces of one image, as parallel arrays; best score first.

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
    track_ids : int64, shape (N,), or None
        The number of each person, where `edgeface.Tracker` followed them.
    velocities : float32, shape (N, 2), image_px a second, or None
        How fast the centre of each face's landmarks moves, where it was followed.
    personal_vertices : float32, shape (N, V, 3), image_px with depth, or None
        The surface of the personal model that the tracker was given, with each face's motion; its
        triangles and UV are those of ``PersonalModel.template``.

    Raises
    ------
    InvalidInputError
        When built from arrays whose shapes do not fit together.
    """

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
    track_ids: IntArray | None = None
    velocities: Float32Array | None = None
    personal_vertices: Float32Array | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy)
        for name, tail in (_SHAPES | _OPTIONAL_SHAPES).items():
            array: AnyArray | None = getattr(self, name)
            if array is None and name in _OPTIONAL_SHAPES:
                continue
            shape = None if array is None else array.shape
            expected = (count, *tail)
            if shape is not None and len(shape) == len(expected):
                expected = tuple(
                    n if m == ANY else m for m, n in zip(expected, shape, strict=True)
                )
            if shape != expected:
                raise InvalidInputError(f"{name}: expected the shape {expected}, got {shape}")

    @property
    def landmarks_2d(self) -> Float32Array:
        """The 68 landmarks, float32, shape (N, 68, 2), image_px; a view."""
        return self.landmarks_3d[..., :2]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: int) -> Face:
        """One face; ``IndexError`` outside -N..N-1."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} faces, no number {index}")
        return Face(self, index % len(self))

    def __iter__(self) -> Iterator[Face]:
        return (Face(self, i) for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Faces(N={len(self)})"

    def select(self, index: IntArray | BoolArray) -> Faces:
        """The faces that an index array or a boolean mask picks."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        rows = [n for n in (*_SHAPES, *_OPTIONAL_SHAPES) if parts[n] is not None]
        return Faces(**(parts | {n: parts[n][index] for n in rows}))

    def vertices(self, fallback: FaceModel | None = None) -> Float32Array:
        """The dense surface of every face, with its correction if it has one.

        Parameters
        ----------
        fallback : the face model to take where these faces came without theirs

        Returns
        -------
        float32, shape (N, V, 3), image_px, with depth as in ``landmarks_3d``
            In the order of the face model's ``triangles`` and ``uv``.

        Raises
        ------
        InvalidInputError
            If these faces came without their face model, or it without its dense mesh.

        Notes
        -----
        One product for all faces. The unit is the longer side of the box in the image; the
        landmarks', of the box in the input, differs from it by the rounding of the input's size
        to whole pixels, less than 0.4 %.
        """
        shape = self._model(fallback).vertices(
            self.identity_coeffs, self.expression_coeffs, self.correction_coeffs
        )
        return place(shape, self)

    def face_points(self, fallback: FaceModel | None = None) -> Float32Array:
        """The points of every face around which its box is drawn, shape (N, P, 3), image_px.

        They are `FaceModel.face_points`; ``fallback`` and errors are those of `vertices`, but for
        the dense mesh, which these points do not need.
        """
        shape = self._model(fallback).face_points(
            self.identity_coeffs, self.expression_coeffs, self.correction_coeffs
        )
        return place(shape, self)

    def _model(self, fallback: FaceModel | None) -> FaceModel:
        model = self.face_model or fallback
        if model is None:
            raise InvalidInputError("these faces came without their face model")
        return model

    def to_dict(self) -> list[dict[str, Any]]:
        """`Face.to_dict` of every face."""
        return [face.to_dict() for face in self]

    def draw(self, image: Any) -> ImageArray:
        """A copy of the image with boxes, landmarks and head axes drawn on it.

        ``image`` is anything that `edgeface.read_image` takes. Returns uint8 (H, W, 3).
        """
        from edgeface.drawing import draw_faces

        return draw_faces(image, self)


def place(shape: Float32Array, faces: Faces) -> Float32Array:
    """Shapes (N, L, 3) in the ``model`` frame to ``image_px`` with depth, by the faces' pose."""
    points = project_landmarks(shape, faces.rotation, faces.translation, faces.focal)
    low, high = faces.boxes_xyxy[:, :2], faces.boxes_xyxy[:, 2:]
    points = points * (high - low).max(axis=1, initial=0.0)[:, None, None]
    points[..., :2] += ((low + high) / 2)[:, None]
    return points.astype(np.float32)


def concatenate(parts: Sequence[Faces], empty: Faces) -> Faces:
    """The faces of several results of one face model in turn; ``empty`` if there are none."""
    if not parts:
        return empty
    rows = [n for n in (*_SHAPES, *_OPTIONAL_SHAPES) if any(_has(p, n) for p in parts)]
    # of several networks, the one that corrects shapes has the face model that can
    first = next((p for p in parts if _has(p, "correction_coeffs")), parts[0])
    return replace(first, **{n: np.concatenate([_column(p, n) for p in parts]) for n in rows})


def _has(faces: Faces, name: str) -> bool:
    return getattr(faces, name) is not None


def _column(faces: Faces, name: str) -> AnyArray:
    """One array; zeros where a network did not correct its shapes and another did."""
    if not _has(faces, name):
        return np.zeros((len(faces), *_OPTIONAL_SHAPES[name]), np.float32)
    return getattr(faces, name)


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a `Faces`; its arrays are that object's rows."""

    faces: Faces
    index: int

    @property
    def track_id(self) -> int | None:
        """The same number for the same person from frame to frame; None outside video."""
        ids = self.faces.track_ids
        return None if ids is None else int(ids[self.index])

    @property
    def velocity(self) -> Float32Array | None:
        """shape (2,), image_px a second; None outside video."""
        velocities = self.faces.velocities
        return None if velocities is None else velocities[self.index]

    @property
    def box_xyxy(self) -> Float32Array:
        """shape (4,), image_px."""
        return self.faces.boxes_xyxy[self.index]

    @property
    def score(self) -> float:
        """The estimated IoU of the box with a face, in [0, 1]."""
        return float(self.faces.scores[self.index])

    @property
    def landmarks_2d(self) -> Float32Array:
        """shape (68, 2), image_px."""
        return self.faces.landmarks_2d[self.index]

    @property
    def landmarks_3d(self) -> Float32Array:
        """shape (68, 3), image_px with depth."""
        return self.faces.landmarks_3d[self.index]

    @property
    def identity_coeffs(self) -> Float32Array:
        """shape (50,)."""
        return self.faces.identity_coeffs[self.index]

    @property
    def expression_coeffs(self) -> Float32Array:
        """shape (46,), in [0, 1]."""
        return self.faces.expression_coeffs[self.index]

    @property
    def rotation(self) -> Float32Array:
        """shape (3, 3), ``model`` frame."""
        return self.faces.rotation[self.index]

    @property
    def euler_deg(self) -> Float32Array:
        """shape (3,): pitch, yaw, roll."""
        return self.faces.euler_deg[self.index]

    def vertices(self) -> Float32Array:
        """`Faces.vertices` of this face, shape (V, 3)."""
        return self.faces.select(np.array([self.index])).vertices()[0]

    def to_obj(self) -> str:
        """The surface as a Wavefront OBJ file: x right, y up, z towards the viewer, pixels."""
        vertices = self.vertices() * [1, -1, -1]
        model = self.faces.face_model
        assert model is not None
        lines = ["v {:.3f} {:.3f} {:.3f}".format(*v) for v in vertices.tolist()]
        lines += ["vt {:.5f} {:.5f}".format(*place) for place in model.uv.tolist()]
        corner = "{0}/{0}" if len(model.uv) else "{0}"
        for triangle in (model.triangles + 1).tolist():
            lines.append("f " + " ".join(corner.format(v) for v in triangle))
        return "\n".join(lines) + "\n"

    @property
    def blendshapes(self) -> dict[str, float]:
        """Expression under ARKit's names, in [0, 1]; what the network can't see is absent."""
        faces = self.faces
        return blendshapes(faces.expression_names, self.expression_coeffs, faces.unseen_expressions)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values, ready for JSON."""
        tracked: dict[str, Any] = {}
        if self.track_id is not None:
            tracked = {"track_id": self.track_id}
        if self.velocity is not None:
            tracked["velocity"] = self.velocity.tolist()
        return tracked | {
            "box_xyxy": self.box_xyxy.tolist(),
            "score": self.score,
            "landmarks_2d": self.landmarks_2d.tolist(),
            "landmarks_3d": self.landmarks_3d.tolist(),
            "euler_deg": self.euler_deg.tolist(),
            "rotation": self.rotation.tolist(),
            "blendshapes": self.blendshapes,
            "identity_coeffs": self.identity_coeffs.tolist(),
            "expression_coeffs": self.expression_coeffs.tolist(),
            "translation": self.faces.translation[self.index].tolist(),
            "focal": float(self.faces.focal[self.index]),
        }
