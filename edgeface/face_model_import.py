"""Importers that turn other morphable models into a `FaceModel`."""

from __future__ import annotations

import importlib
import io
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from edgeface.archives import MAX_BYTES, arrays_of, refuse_large_mat
from edgeface.errors import BackendUnavailableError, InvalidInputError, ModelFormatError
from edgeface.face_model import (
    EXPRESSION_NAMES,
    NUM_EXPRESSIONS,
    NUM_IDENTITY,
    NUM_LANDMARKS,
    FaceModel,
)
from edgeface.file_bytes import bytes_of
from edgeface.types import AnyArray, FloatArray, IntArray
from edgeface.values import Text, array_of, option, path_of

OUTER_EYE_CORNERS = (36, 45)


def from_ict_facekit(path: str | os.PathLike[str]) -> FaceModel:
    """Import a USC ICT-FaceKit ``.npz``.

    Parameters
    ----------
    path : path of an archive with ``neutral`` (V, 3), ``identity_delta`` (>= 49, V, 3),
        ``expression_delta`` (M, V, 3), ``expression_names`` (M,), ``quads`` (Q, 4),
        ``quads_uv`` (Q, 4), ``uv`` (U, 2) and ``landmarks68`` (68,).

    Returns
    -------
    FaceModel
        It has the first 49 identity modes. Shapes that ICT-FaceKit splits into left and right, and
        ARKit does not, are summed. It is scaled to an outer eye distance of 1 and centred on the
        landmarks.

    Raises
    ------
    InvalidInputError, ModelFormatError
        If the file is absent, or lacks one of the arrays.
    """
    arrays = _read_archive(path)
    try:
        return _ict_model(arrays, Path(path).name)
    except (LookupError, TypeError, ValueError) as error:
        raise ModelFormatError(f"{path} is no ICT-FaceKit archive: {error}") from error


def _ict_model(arrays: dict[str, AnyArray], source: str) -> FaceModel:
    neutral = array_of("neutral", arrays["neutral"], "(V, 3)")
    identity = array_of("identity_delta", arrays["identity_delta"], "(M, V, 3)")
    offsets = array_of("expression_delta", arrays["expression_delta"], "(M, V, 3)")
    names = [str(name) for name in arrays["expression_names"]]
    named = dict(zip(names, offsets, strict=True))
    expression = np.stack([_ict_expression(named, name) for name in EXPRESSION_NAMES])
    quads, quads_uv, uv = arrays["quads"], arrays["quads_uv"], arrays["uv"]
    vertex_uv = np.zeros((len(neutral), 2), np.float32)
    vertex_uv[quads.ravel()] = uv[quads_uv.ravel()]  # a vertex on a UV seam keeps one of its places
    return _normalised(
        np.concatenate([neutral[None], identity[: NUM_IDENTITY - 1]]),
        expression,
        arrays["landmarks68"].astype(np.int32),
        np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
        vertex_uv,
        EXPRESSION_NAMES,
        {"name": "ICT-FaceKit", "licence": "MIT", "source": source},
    )


def from_facewarehouse(
    path: str | os.PathLike[str],
    landmark_vertices: ArrayLike | None = None,
    key: str | None = None,
    expression_names: tuple[str, ...] | None = None,
) -> FaceModel:
    """Import a FaceWarehouse-shaped multilinear tensor.

    Parameters
    ----------
    path : ``.npy``, ``.npz`` or ``.mat`` (the last needs SciPy) holding one tensor of shape
        (3 * V, 50, 47) or (V, 3, 50, 47); for V = 68, it is the reduced 204 x 50 x 47 tensor.
    landmark_vertices : int, shape (68,), the vertices that are the landmarks; not needed at V = 68.
    key : the array's name in the archive; not needed where only one array has such a shape.
    expression_names : the names of expressions 1..46; ``expression01`` ... when not given.

    Returns
    -------
    FaceModel
        It has the tensor's own axes and units. Identity 0 is taken for the mean shape, and
        expression 0 for the neutral one.

    Raises
    ------
    InvalidInputError
        If the file is absent, or an argument does not fit the tensor.
    ModelFormatError
        If the file has no such tensor.
    BackendUnavailableError
        If SciPy is needed and not installed.
    """
    tensor = _pick_tensor(path, None if key is None else option("key", key, Text()))
    num_rows = tensor.shape[0] * (3 if tensor.ndim == 4 else 1)
    shapes = tensor.reshape(num_rows // 3, 3, NUM_IDENTITY, NUM_EXPRESSIONS + 1)
    shapes = shapes.transpose(2, 3, 0, 1).astype(np.float32)
    num_vertices = shapes.shape[2]
    if landmark_vertices is None and num_vertices != NUM_LANDMARKS:
        raise InvalidInputError(
            f"{path} has {num_vertices} vertices: give landmark_vertices, the 68 of the landmarks"
        )
    ids = np.arange(NUM_LANDMARKS, dtype=np.float64)
    if landmark_vertices is not None:
        ids = array_of("landmark_vertices", landmark_vertices, "(68,)")
    if ids.shape != (NUM_LANDMARKS,):
        raise InvalidInputError(f"expected 68 landmark vertices, got the shape {ids.shape}")
    if ((ids < 0) | (ids >= num_vertices) | (ids % 1 != 0)).any():
        raise InvalidInputError(f"landmark_vertices must be of the {num_vertices} vertices")
    numbered = tuple(f"expression{k:02d}" for k in range(1, NUM_EXPRESSIONS + 1))
    return FaceModel(
        identity=np.ascontiguousarray(shapes[:, 0]),
        expression=np.ascontiguousarray(shapes[:, 1:] - shapes[:, :1]),
        landmark_vertices=ids.astype(np.int32)[:, None],
        landmark_weights=np.ones((NUM_LANDMARKS, 1), np.float32),
        triangles=np.zeros((0, 3), np.int32),
        uv=np.zeros((0, 2), np.float32),
        expression_names=numbered if expression_names is None else expression_names,
        info={"name": "FaceWarehouse-shaped tensor", "source": Path(path).name},
    )


def _ict_expression(named: dict[str, FloatArray], name: str) -> FloatArray:
    short = name.replace("Left", "_L").replace("Right", "_R")
    # jawLeft, mouthLeft and their mirror images are directions, not sides.
    candidates = [[name], [short], [f"{name}_L", f"{name}_R"]]
    for parts in candidates:
        if all(part in named for part in parts):
            return np.sum([named[part] for part in parts], axis=0)
    raise KeyError(f"no expression {name}")


def _normalised(
    identity: FloatArray,
    expression: FloatArray,
    landmark_vertices: IntArray,
    triangles: IntArray,
    uv: FloatArray,
    names: tuple[str, ...],
    info: dict[str, Any],
) -> FaceModel:
    landmarks = identity[0, landmark_vertices]
    eyes = landmarks[list(OUTER_EYE_CORNERS)]
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    if not distance:
        raise ValueError("the outer corners of its eyes are one point")
    scale = 1.0 / distance
    centred = identity.copy()
    centred[0] -= landmarks.mean(axis=0)
    return FaceModel(
        identity=(centred * scale).astype(np.float32),
        expression=(expression * scale).astype(np.float32),
        landmark_vertices=landmark_vertices[:, None],
        landmark_weights=np.ones((NUM_LANDMARKS, 1), np.float32),
        triangles=triangles.astype(np.int32),
        uv=uv.astype(np.float32),
        expression_names=names,
        info=info,
    )


def _read_archive(path: str | os.PathLike[str]) -> dict[str, AnyArray]:
    file = path_of("path", path)
    suffix = file.suffix.lower()
    if not os.path.isfile(file):
        raise InvalidInputError(f"no such file: {path}")
    try:
        if suffix == ".npy":
            return {"tensor": np.load(path, allow_pickle=False)}
        if suffix == ".npz":
            return arrays_of(bytes_of(file, MAX_BYTES), MAX_BYTES)
        if suffix == ".mat":
            try:
                scipy_io: Any = importlib.import_module("scipy.io")
            except ImportError as error:
                raise BackendUnavailableError(
                    "reading .mat files needs SciPy: pip install scipy"
                ) from error
            data = bytes_of(file, MAX_BYTES)
            refuse_large_mat(data, MAX_BYTES)
            content = cast(dict[str, Any], scipy_io.loadmat(io.BytesIO(data)))
            return {name: a for name, a in content.items() if isinstance(a, np.ndarray)}
    except BackendUnavailableError:
        raise
    except Exception as error:  # each reader has its own exceptions for a damaged file
        raise ModelFormatError(f"cannot read {path}: {error}") from error
    raise ModelFormatError(f"{path}: expected a .npy, .npz or .mat file")


def _pick_tensor(path: str | os.PathLike[str], key: str | None) -> AnyArray:
    arrays = _read_archive(path)
    if key is not None and key not in arrays:
        raise InvalidInputError(f"{path} has no array {key!r}, only {sorted(arrays)}")
    tail = (NUM_IDENTITY, NUM_EXPRESSIONS + 1)
    fitting = {
        name: array
        for name, array in arrays.items()
        if key in (None, name)
        and array.dtype.kind in "iuf"
        and array.shape[-2:] == tail
        and array.ndim in (3, 4)
        and (array.shape[1] == 3 if array.ndim == 4 else array.shape[0] % 3 == 0)
    }
    if len(fitting) != 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ModelFormatError(
            f"{path}: expected one tensor of shape (3V, 50, 47) or (V, 3, 50, 47), got {shapes}"
        )
    return next(iter(fitting.values()))
