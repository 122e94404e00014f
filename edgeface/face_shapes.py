"""The arithmetic of a face model on its arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edgeface.errors import InvalidInputError
from edgeface.types import Float32Array, IntArray
from edgeface.values import array_of

NUM_LANDMARKS = 68
NUM_IDENTITY = 50
"""The number of identity coefficients; index 0 weighs the mean and is 1 for an ordinary face."""
NUM_EXPRESSIONS = 46
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

FACE_SIDE = 1.24
FACE_BOUNDS = (1.56, 1.36, 1.18, 1.12, 1.05, 1.02, 1.02, 1.21, 1.29)
"""How far the face of a head reaches from the landmarks' centroid to each side (`FACE_SIDE`), and
in nine directions from the top over the back to the bottom. The unit is the landmarks' root mean
square distance from the centroid. The whole default face model lies within; ears, neck and skull do
not."""
NUM_OUTLINE_DIRECTIONS = 64


def blend(
    neutral: Float32Array,
    offsets: Float32Array,
    identity: ArrayLike,
    expression: ArrayLike,
) -> Float32Array:
    """Compute shapes (..., L, 3) of identity (..., 50) and expression (..., 46) coefficients.

    ``neutral`` (50, L, 3) and ``offsets``, (46, L, 3) or (50, 46, L, 3), are `FaceModel.identity`
    and `FaceModel.expression` at the vertices or at the landmarks.
    """
    w = array_of("identity", identity, "(..., 50)").astype(np.float32)
    e = array_of("expression", expression, "(..., 46)").astype(np.float32)
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


def field_at(harmonics: Float32Array | None, correction: ArrayLike) -> Float32Array:
    """``H x`` of functions (L, K) and coefficients (..., 3 * K)."""
    x = array_of("correction", correction, "(..., 3 * K)").astype(np.float32)
    size = 0 if harmonics is None else 3 * harmonics.shape[1]
    if harmonics is None or x.shape[-1:] != (size,):
        raise InvalidInputError(
            f"this face model takes corrections (..., {size}), got the shape {x.shape}"
        )
    return harmonics @ x.reshape(*x.shape[:-1], harmonics.shape[1], 3)


def reduced_tensor(neutral: Float32Array, offsets: Float32Array) -> Float32Array:
    """Compute `FaceModel.reduced` from the arrays at the landmarks that `blend` takes."""
    tensor = np.repeat(neutral[:, None], NUM_EXPRESSIONS + 1, axis=1)
    if offsets.ndim == 3:
        tensor[0, 1:] += offsets
    else:
        tensor[:, 1:] += offsets
    rows = tensor.reshape(NUM_IDENTITY, NUM_EXPRESSIONS + 1, 3 * NUM_LANDMARKS)
    return np.ascontiguousarray(rows.transpose(2, 0, 1))


def vertices_of_face(mean: Float32Array, landmarks: Float32Array) -> IntArray:
    """Find the vertices of a mean shape (V, 3) that are the face, by its landmarks (68, 3).

    They lie within `FACE_SIDE` and `FACE_BOUNDS`.
    """
    centre = landmarks.mean(axis=0, dtype=np.float64)
    unit = np.sqrt(((landmarks - centre) ** 2).sum(axis=1).mean())
    places = (mean - centre) / unit
    angle = np.linspace(0, np.pi, len(FACE_BOUNDS))
    directions = np.stack([np.cos(angle), -np.sin(angle)])  # in y and z
    inside = (places[:, 1:] @ directions <= FACE_BOUNDS).all(axis=1)
    return np.flatnonzero(inside & (np.abs(places[:, 0]) <= FACE_SIDE))


def outermost(shapes: Float32Array) -> IntArray:
    """Find the points that lie farthest in some direction in one of the shapes (N, P, 3)."""
    number = np.arange(NUM_OUTLINE_DIRECTIONS) + 0.5
    z = 1 - 2 * number / NUM_OUTLINE_DIRECTIONS
    angle = np.pi * (1 + np.sqrt(5)) * number  # turned by the golden angle, they spread evenly
    flat = np.sqrt(1 - z**2)
    directions = np.stack([flat * np.cos(angle), flat * np.sin(angle), z])
    return np.unique((shapes @ directions).argmax(axis=1))
