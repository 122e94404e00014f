"""The 3D morphable model: mean, identity modes, expression shapes, and the 68 landmarks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model_file import (
    MAX_BYTES,
    OPTIONAL,
    SHAPES,
    check_arrays,
    check_names,
    hash_of,
    pack,
    unpack,
)
from edgeface.face_shapes import (
    EXPRESSION_NAMES,
    NUM_EXPRESSIONS,
    NUM_IDENTITY,
    NUM_LANDMARKS,
    blend,
    field_at,
    outermost,
    reduced_tensor,
    vertices_of_face,
)
from edgeface.file_bytes import bytes_of
from edgeface.output import write_output
from edgeface.types import Float32Array, IntArray
from edgeface.values import path_of

SHIPPED = [Path(__file__).parent / "assets" / f"face_model{part}.npz" for part in ("", "_free")]
"""The face models that ship: the default, and that of the networks whose names end in -free."""


@dataclass(frozen=True, eq=False)
class FaceModel:
    """A 3D morphable model of the face.

    The shape is ``sum_i w_i (N_i + sum_k e_k E_ik)`` with identity coefficients ``w`` (50,) and
    expression coefficients ``e`` (46,): Eq. 1 of Chaudhuri et al. 2019 with the neutral weight
    ``1 - sum(e)`` already substituted.

    Attributes
    ----------
    identity : float32, shape (50, V, 3), ``model`` frame
        ``N``: the mean shape at index 0, then 49 modes in units of one standard deviation. The
        learned default and imported models have an outer eye distance of 1 in the mean shape.
    expression : float32, shape (46, V, 3) or (50, 46, V, 3), ``model`` frame
        ``E``: offsets from the neutral shape. The short form is shared by all identities
        (``E_0k``, and ``E_ik = 0`` for the modes); the long one is a full multilinear tensor.
    landmark_vertices : int32, shape (68, K); landmark_weights : float32, shape (68, K)
        Each landmark is a weighted sum of K vertices.
    triangles : int32, shape (T, 3); uv : float32, shape (V, 2)
        The dense mesh's surface; either may be empty.
    harmonics : float32, shape (V, K), or None
        ``H``: smooth functions on the mesh, which carry a corrective shape ``H x`` beyond what
        identities and expressions reach, ``x`` (K, 3) (Wang et al. 2019, Sec. 3.2).
    expression_names : tuple of 46 str
    info : dict
        Free text for people: name, licence, data, residuals.
    whole_sha256 : str, or None
        None for a whole model. Otherwise this is only the `landmark_basis` of the model with that
        hash: its V "vertices" are the 68 landmarks and some points that bound the face.
    """

    identity: Float32Array
    expression: Float32Array
    landmark_vertices: IntArray
    landmark_weights: Float32Array
    triangles: IntArray
    uv: Float32Array
    expression_names: tuple[str, ...] = EXPRESSION_NAMES
    info: dict[str, Any] = field(default_factory=lambda: {})
    harmonics: Float32Array | None = None
    whole_sha256: str | None = None

    def __post_init__(self) -> None:
        arrays = {name: getattr(self, name) for name in (*SHAPES, *OPTIONAL)}
        if self.harmonics is None:
            del arrays["harmonics"]
        check_arrays(arrays)
        check_names(self.expression_names)

    def __repr__(self) -> str:
        name = self.info.get("name", "unnamed")
        surface = f"{len(self.mean)} vertices, {len(self.triangles)} triangles"
        shared = "shared by all identities" if self.expression.ndim == 3 else "for each identity"
        return (
            f"FaceModel({name!r}, {surface if self.is_dense else 'landmarks only'}, "
            f"{NUM_IDENTITY} identities, {NUM_EXPRESSIONS} expressions {shared}, "
            f"sha256 {self.sha256[:12]})"
        )

    def __eq__(self, other: object) -> bool:
        """Whether coefficients mean the same in both, and both have the same parts."""
        if not isinstance(other, FaceModel):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self.sha256)

    def _parts(self) -> tuple[str, bool, str | None]:
        harmonics = None if self.harmonics is None else _harmonics_hash(self.harmonics)
        return self.sha256, self.is_dense, harmonics

    @property
    def is_dense(self) -> bool:
        """Whether the model has its dense mesh, not only the landmark basis."""
        return self.whole_sha256 is None

    @property
    def mean(self) -> Float32Array:
        """The mean neutral shape, shape (V, 3), ``model`` frame."""
        return self.identity[0]

    @cached_property
    def reduced(self) -> Float32Array:
        """The reduced tensor, shape (204, 50, 47); row ``3 * landmark + axis``.

        ``reduced @ (1 - sum(e), *e) @ w`` gives the landmarks (2019, Sec. 3.1).
        """
        return reduced_tensor(*self.landmark_shapes)

    @cached_property
    def sha256(self) -> str:
        """Hash of shapes, landmarks and expression names, hexadecimal.

        The same coefficients give the same face in all models with the same hash. The harmonics
        are not part of the hash, because they follow from the mean shape. A landmark basis has the
        hash of the whole model.
        """
        return self.whole_sha256 or self._hash_of_arrays()

    def _hash_of_arrays(self) -> str:
        names = "\n".join(self.expression_names)
        return hash_of(((name, getattr(self, name)) for name in SHAPES), names)

    def vertices(
        self, identity: ArrayLike, expression: ArrayLike, correction: ArrayLike | None = None
    ) -> Float32Array:
        """Dense shape for coefficients.

        Parameters
        ----------
        identity : float, shape (..., 50)
        expression : float, shape (..., 46)
        correction : float, shape (..., 3 * K), of ``harmonics``: x, y, z of the first, and so on

        Returns
        -------
        float32, shape (..., V, 3), ``model`` frame

        Raises
        ------
        InvalidInputError
            If the coefficients' last axes are not 50, 46 and 3 * K, or are not numbers, or if the
            model has no dense mesh.

        Examples
        --------
        >>> model = default_face_model()
        >>> smile = np.zeros(46); smile[model.expression_names.index("mouthSmileLeft")] = 1
        >>> model.vertices(np.eye(50)[0], smile).shape
        (468, 3)
        """
        self.require_dense()
        return self._points(identity, expression, correction)

    def _points(
        self, identity: ArrayLike, expression: ArrayLike, correction: ArrayLike | None
    ) -> Float32Array:
        shape = blend(self.identity, self.expression, identity, expression)
        return shape if correction is None else shape + field_at(self.harmonics, correction)

    def require_dense(self) -> None:
        """Raise an error if the model has no dense mesh.

        Raises
        ------
        InvalidInputError
            If it is not.
        """
        if not self.is_dense:
            raise InvalidInputError(
                "the face model in this file is the landmark basis alone, without the dense mesh: "
                "take a file that `edgeface convert --dense` wrote"
            )

    def face_points(
        self, identity: ArrayLike, expression: ArrayLike, correction: ArrayLike | None = None
    ) -> Float32Array:
        """The part of `vertices` that is the face, without the rest of a head; it needs no mesh.

        Boxes are drawn around these points, whatever the face model shows besides the face.
        Parameters, frame and errors are those of `vertices`.

        Returns
        -------
        float32, shape (..., P, 3), ``model`` frame
        """
        return self._points(identity, expression, correction)[..., self.face_vertices, :]

    @cached_property
    def face_vertices(self) -> IntArray:
        """Indices of the vertices that are the face; of a landmark basis all but the landmarks."""
        if not self.is_dense:
            return np.arange(NUM_LANDMARKS, len(self.mean))
        return vertices_of_face(self.mean, self.landmark_shapes[0][0])

    def landmark_basis(self) -> FaceModel:
        """The same model without its dense mesh: all that landmarks, poses and boxes need.

        Its vertices are the 68 landmarks, and those of the face that bound it: the farthest in each
        of 64 directions, in the mean shape and in that of each expression. Boxes around them are
        off by less than 1 % of their size in 95 of 100 faces.
        """
        if not self.is_dense:
            return self
        face = self.face_vertices
        offsets = self.expression if self.expression.ndim == 3 else self.expression[0]
        shapes = self.mean[face] + np.concatenate([offsets[:1, face] * 0, offsets[:, face]])
        outline = face[outermost(shapes)]
        harmonics = None
        if self.harmonics is not None and self.landmark_harmonics is not None:
            harmonics = np.concatenate([self.landmark_harmonics, self.harmonics[outline]])
        identity, expression = self.landmark_shapes
        return FaceModel(
            identity=np.concatenate([identity, self.identity[:, outline]], axis=-2),
            expression=np.concatenate([expression, self.expression[..., outline, :]], axis=-2),
            landmark_vertices=np.arange(NUM_LANDMARKS, dtype=np.int32)[:, None],
            landmark_weights=np.ones((NUM_LANDMARKS, 1), np.float32),
            triangles=np.zeros((0, 3), np.int32),
            uv=np.zeros((0, 2), np.float32),
            expression_names=self.expression_names,
            info=self.info,
            harmonics=harmonics,
            whole_sha256=self.sha256,
        )

    def landmarks(
        self, identity: ArrayLike, expression: ArrayLike, correction: ArrayLike | None = None
    ) -> Float32Array:
        """The 68 landmarks for coefficients.

        Parameters, frame and errors are those of `vertices`.

        Returns
        -------
        float32, shape (..., 68, 3), ``model`` frame
            In the order of Multi-PIE and 300-W.
        """
        shape = blend(*self.landmark_shapes, identity, expression)
        return shape if correction is None else shape + self.corrected_landmarks(correction)

    def corrected_landmarks(self, correction: ArrayLike) -> Float32Array:
        """How far a correction moves the 68 landmarks.

        Parameters
        ----------
        correction : float, shape (..., 3 * K), as in `vertices`

        Returns
        -------
        float32, shape (..., 68, 3), ``model`` frame
        """
        return field_at(self.landmark_harmonics, correction)

    @cached_property
    def landmark_harmonics(self) -> Float32Array | None:
        """``harmonics`` at the 68 landmarks instead of the vertices."""
        if self.harmonics is None:
            return None
        corners = self.harmonics[self.landmark_vertices]
        return np.einsum("lkh,lk->lh", corners, self.landmark_weights).astype(np.float32)

    @cached_property
    def landmark_shapes(self) -> tuple[Float32Array, Float32Array]:
        """``identity`` and ``expression`` at the 68 landmarks instead of the vertices."""
        return self._at_landmarks(self.identity), self._at_landmarks(self.expression)

    def _at_landmarks(self, shapes: Float32Array) -> Float32Array:
        """``shapes`` (..., V, 3) at the 68 landmarks, (..., 68, 3)."""
        corners = shapes[..., self.landmark_vertices, :]
        return np.einsum("...lkc,lk->...lc", corners, self.landmark_weights).astype(np.float32)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a compressed ``.npz``, as ``docs/explanation/face-model.md`` says.

        Raises
        ------
        InvalidInputError
            If the file cannot be written.
        """
        write_output(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The ``.npz`` file as bytes; exported networks carry it inside them."""
        arrays = {name: getattr(self, name) for name in SHAPES}
        header: dict[str, Any] = {
            "sha256": self.sha256,
            "expression_names": list(self.expression_names),
            "info": self.info,
        }
        if not self.is_dense:
            header |= {"dense": False, "basis_sha256": self._hash_of_arrays()}
        if self.harmonics is not None:
            arrays["harmonics"] = self.harmonics
            header["harmonics_sha256"] = _harmonics_hash(self.harmonics)
        return pack(arrays, header)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> FaceModel:
        """Read a model written by `save`.

        Raises
        ------
        InvalidInputError
            If the file is absent.
        ModelFormatError
            If it is damaged, of another kind, or of a newer major version.
        """
        file = path_of("path", path)
        try:
            data = bytes_of(file, MAX_BYTES)
        except OSError as error:
            raise InvalidInputError(f"cannot read the face model {path}: {error}") from error
        except ValueError as error:
            raise ModelFormatError(f"{path} is no edgeface face model: {error}") from error
        return FaceModel.from_bytes(data, source=str(path))

    @staticmethod
    def from_bytes(data: bytes, source: str = "face model") -> FaceModel:
        """Inverse of `to_bytes`; ``source`` names the file in errors."""
        arrays, header = unpack(data, source)
        dense = header.get("dense", True)
        try:
            model = FaceModel(
                **arrays,
                expression_names=header["expression_names"],
                info=header.get("info", {}),
                whole_sha256=None if dense else header["sha256"],
            )
        except InvalidInputError as error:
            raise ModelFormatError(f"{source} is damaged: {error}") from error
        harmonics = None if model.harmonics is None else _harmonics_hash(model.harmonics)
        if (
            header.get("sha256" if dense else "basis_sha256") != model._hash_of_arrays()
            or header.get("harmonics_sha256") != harmonics
        ):
            raise ModelFormatError(f"{source} is damaged: its arrays do not match its hash")
        return model


def _harmonics_hash(harmonics: Float32Array) -> str:
    return hash_of([("harmonics", harmonics)])


@cache
def shipped_face_model(path: Path) -> FaceModel:
    """The face model of one of `SHIPPED`, read once in a process."""
    return FaceModel.load(path)


def default_face_model() -> FaceModel:
    """The face model that ships with edgeface (see ``edgeface/assets/face_model.md``)."""
    return FaceModel.load(SHIPPED[0])
