"""The 3D morphable model: mean, identity modes, expression shapes, and the 68 landmarks."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model_file import (
    ARRAYS,
    FORMAT,
    HEADER,
    INDICES,
    NUM_EXPRESSIONS,
    NUM_IDENTITY,
    NUM_LANDMARKS,
    OPTIONAL_ARRAYS,
    VERSION,
    check_shapes,
    pack,
    unpack,
)
from edgeface.values import option

MAX_LENGTH = 1e6
"""Of coordinates and weights, in model units: their products stay finite."""
EXPRESSION_NAMES: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUpLeft", "browInnerUpRight",
    "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDown", "eyeLookUp", "eyeSquintLeft",
    "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen",
    "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""The 46 expressions: ARKit's 52 without gaze and tongue, plus a split brow and two lid shapes."""


@dataclass(frozen=True)
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
    """

    identity: NDArray[np.float32]
    expression: NDArray[np.float32]
    landmark_vertices: NDArray[np.int32]
    landmark_weights: NDArray[np.float32]
    triangles: NDArray[np.int32]
    uv: NDArray[np.float32]
    expression_names: tuple[str, ...] = EXPRESSION_NAMES
    info: dict[str, Any] = field(default_factory=lambda: {})
    harmonics: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def mean(self) -> NDArray[np.float32]:
        """The mean neutral shape, shape (V, 3), ``model`` frame."""
        return self.identity[0]

    @cached_property
    def reduced(self) -> NDArray[np.float32]:
        """The reduced tensor, shape (204, 50, 47); row ``3 * landmark + axis``.

        ``reduced @ (1 - sum(e), *e) @ w`` gives the landmarks (2019, Sec. 3.1).
        """
        neutral = self._at_landmarks(self.identity)
        offsets = self._at_landmarks(self.expression)
        tensor = np.repeat(neutral[:, None], NUM_EXPRESSIONS + 1, axis=1)
        if offsets.ndim == 3:
            tensor[0, 1:] += offsets
        else:
            tensor[:, 1:] += offsets
        rows = tensor.reshape(NUM_IDENTITY, NUM_EXPRESSIONS + 1, 3 * NUM_LANDMARKS)
        return np.ascontiguousarray(rows.transpose(2, 0, 1))

    @cached_property
    def sha256(self) -> str:
        """Hash of shapes, landmarks and expression names, hex: the same coefficients of two models
        of one hash are the same face. The harmonics follow from the mean and are not in it.
        """
        digest = hashlib.sha256("\n".join(self.expression_names).encode())
        for name in ARRAYS:
            _add(digest, name, getattr(self, name))
        return digest.hexdigest()

    def vertices(
        self, identity: ArrayLike, expression: ArrayLike, correction: ArrayLike | None = None
    ) -> NDArray[np.float32]:
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
            If the coefficients' last axes are not 50, 46 and 3 * K, or are not numbers.

        Examples
        --------
        >>> model = default_face_model()
        >>> smile = np.zeros(46); smile[model.expression_names.index("mouthSmileLeft")] = 1
        >>> model.vertices(np.eye(50)[0], smile).shape
        (468, 3)
        """
        shape = _blend(self.identity, self.expression, identity, expression)
        return shape if correction is None else shape + _field(self.harmonics, correction)

    def landmarks(
        self, identity: ArrayLike, expression: ArrayLike, correction: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """The 68 landmarks for coefficients.

        Parameters, frame and errors are those of `vertices`.

        Returns
        -------
        float32, shape (..., 68, 3), ``model`` frame
            In the order of Multi-PIE and 300-W.
        """
        shape = _blend(*self.landmark_shapes, identity, expression)
        return shape if correction is None else shape + self.corrected_landmarks(correction)

    def corrected_landmarks(self, correction: ArrayLike) -> NDArray[np.float32]:
        """How far a correction (..., 3 * K) moves the 68 landmarks, (..., 68, 3)."""
        return _field(self.landmark_harmonics, correction)

    @cached_property
    def landmark_harmonics(self) -> NDArray[np.float32] | None:
        """``harmonics`` at the 68 landmarks instead of the vertices."""
        if self.harmonics is None:
            return None
        corners = self.harmonics[self.landmark_vertices]
        return np.einsum("lkh,lk->lh", corners, self.landmark_weights).astype(np.float32)

    @cached_property
    def landmark_shapes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """``identity`` and ``expression`` at the 68 landmarks instead of the vertices."""
        return self._at_landmarks(self.identity), self._at_landmarks(self.expression)

    def _at_landmarks(self, shapes: NDArray[np.float32]) -> NDArray[np.float32]:
        """``shapes`` (..., V, 3) at the 68 landmarks, (..., 68, 3)."""
        corners = shapes[..., self.landmark_vertices, :]
        return np.einsum("...lkc,lk->...lc", corners, self.landmark_weights).astype(np.float32)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a compressed ``.npz`` (``docs/face-model.md`` gives the layout)."""
        Path(path).write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The ``.npz`` file as bytes; exported networks carry it inside them."""
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in ARRAYS}
        header: dict[str, Any] = {
            "format": FORMAT,
            "version": list(VERSION),
            "sha256": self.sha256,
            "expression_names": list(self.expression_names),
            "info": self.info,
        }
        if self.harmonics is not None:
            arrays["harmonics"] = self.harmonics
            header["harmonics_sha256"] = _harmonics_hash(self.harmonics)
        return pack(header, arrays)

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
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise InvalidInputError(f"cannot read the face model {path}: {error}") from error
        return FaceModel.from_bytes(data, source=str(path))

    @staticmethod
    def from_bytes(data: bytes, source: str = "face model") -> FaceModel:
        """Inverse of `to_bytes`; ``source`` names the file in errors.

        Raises
        ------
        ModelFormatError
            If it is damaged, of another kind, or of a newer major version.
        """
        try:
            header, arrays = unpack(data)
            model = FaceModel(
                **arrays,
                expression_names=header["expression_names"],
                info=header.get("info", {}),
            )
        except ValueError as error:
            raise ModelFormatError(
                f"{source} is no edgeface face model, or is damaged: {error}"
            ) from error
        harmonics = None if model.harmonics is None else _harmonics_hash(model.harmonics)
        if header["sha256"] != model.sha256 or header.get("harmonics_sha256") != harmonics:
            raise ModelFormatError(f"{source} is damaged: its arrays do not match its hash")
        return model


def _add(digest: Any, name: str, array: NDArray[Any]) -> None:
    array = np.ascontiguousarray(array)
    digest.update(f"{name}{array.shape}{array.dtype.str}".encode())
    digest.update(array.tobytes())


def _harmonics_hash(harmonics: NDArray[np.float32]) -> str:
    digest = hashlib.sha256()
    _add(digest, "harmonics", harmonics)
    return digest.hexdigest()


def _validate(model: FaceModel) -> None:
    arrays: dict[str, Any] = {n: getattr(model, n) for n in (*ARRAYS, *OPTIONAL_ARRAYS)}
    if model.harmonics is None:
        del arrays["harmonics"]
    for name, array in arrays.items():
        dtype = np.int32 if name in INDICES else np.float32
        got = getattr(array, "dtype", type(array).__name__)
        if not isinstance(array, np.ndarray) or got != dtype:
            raise InvalidInputError(f"{name} must be an array of {np.dtype(dtype)}, got {got}")
    try:
        check_shapes({name: array.shape for name, array in arrays.items()})
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
    num_vertices = model.identity.shape[1]
    for name, array in arrays.items():
        if name in INDICES and array.size and not (array.min() >= 0 and array.max() < num_vertices):
            raise InvalidInputError(f"{name} points outside the {num_vertices} vertices")
        if name not in INDICES and not np.isfinite(array).all():
            raise InvalidInputError(f"{name} contains values that are not finite")
        if name not in INDICES and array.size and np.abs(array).max() > MAX_LENGTH:
            raise InvalidInputError(f"{name} contains values beyond {MAX_LENGTH:g}")
    names = model.expression_names
    if len(names) != NUM_EXPRESSIONS:
        raise InvalidInputError(f"expected 46 expression names, got {len(names)}")
    option("expression_names", list(names), HEADER.required["expression_names"])


def _blend(
    neutral: NDArray[np.float32],
    offsets: NDArray[np.float32],
    identity: ArrayLike,
    expression: ArrayLike,
) -> NDArray[np.float32]:
    w = np.asarray(identity, dtype=np.float32)
    e = np.asarray(expression, dtype=np.float32)
    if w.shape[-1:] != (NUM_IDENTITY,) or e.shape[-1:] != (NUM_EXPRESSIONS,):
        raise InvalidInputError(
            f"expected identity (..., 50) and expression (..., 46), got {w.shape} and {e.shape}"
        )
    shape = np.tensordot(w, neutral, axes=1)
    if offsets.ndim == 3:
        shape = shape + w[..., :1, None] * np.tensordot(e, offsets, axes=1)
    else:
        shape = shape + np.einsum("...i,...k,ikvc->...vc", w, e, offsets, optimize=True)
    return shape.astype(np.float32)


def _field(harmonics: NDArray[np.float32] | None, correction: ArrayLike) -> NDArray[np.float32]:
    """``H x`` of functions (L, K) and coefficients (..., 3 * K)."""
    x = np.asarray(correction, dtype=np.float32)
    size = 0 if harmonics is None else 3 * harmonics.shape[1]
    if harmonics is None or x.shape[-1:] != (size,):
        raise InvalidInputError(
            f"this face model takes corrections (..., {size}), got the shape {x.shape}"
        )
    return harmonics @ x.reshape(*x.shape[:-1], harmonics.shape[1], 3)


def default_face_model() -> FaceModel:
    """The face model that ships with edgeface (see ``edgeface/assets/face_model.md``)."""
    return FaceModel.load(Path(__file__).parent / "assets" / "face_model.npz")
