"""Fitting the 3DMM to labelled points: the training targets of all networks.

All faces are fitted at once, in numpy. Weighted Procrustes for the poses and a bounded ridge for
the coefficients take turns, with robust weights. Where labels have no depth, the model's own depth
stands in and is renewed every round; so one code fits meshes and, in weak perspective, 2D
landmarks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import Any

import numpy as np

from edgeface.face_model import (
    EXPRESSION_NAMES,
    NUM_EXPRESSIONS,
    NUM_IDENTITY,
    FaceModel,
    default_face_model,
)
from edgeface.reference.geometry.alignment import similarity
from edgeface.types import FloatArray

log = logging.getLogger(__name__)

POINT_SIGMA = 0.02
"""The assumed error of a labelled point, in outer eye distances. Neighbours err together, so it is
several times what single points show."""
SCORE_SIGMA = 0.15
"""How far expression coefficients may stray from the teacher's scores (standard deviation)."""
FREE_SIGMA = 0.35
"""How far they may stray from 0 where there are no scores."""
ROBUST_SCALE = 2.0
"""The error, in POINT_SIGMA, at which a point weighs a quarter (Geman-McClure)."""
BOUND_STEPS = 150
BATCH = 256


@dataclass(frozen=True)
class Fit:
    """3DMM parameters of N faces in ``image_px``, independent of any box.

    ``point = scale_px * (rotation @ shape)`` with y and z flipped, plus ``origin_px``.
    """

    identity: FloatArray  # (N, 50)
    expression: FloatArray  # (N, 46)
    rotation: FloatArray  # (N, 3, 3), model frame
    scale_px: FloatArray  # (N,), pixels a model unit
    origin_px: FloatArray  # (N, 2), where the model's origin lies
    residual: FloatArray  # (N,), RMS distance in the image plane, outer eye distances

    def __getitem__(self, index: Any) -> Fit:
        return Fit(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @staticmethod
    def concatenate(parts: list[Fit]) -> Fit:
        """The faces of all parts, in order."""
        return Fit(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Fit)}
        )

    def project(self, shapes: FloatArray) -> FloatArray:
        """Project shapes (N, V, 3) of the ``model`` frame to points (N, V, 2) in ``image_px``."""
        return self.place(shapes)[..., :2]

    def place(self, shapes: FloatArray) -> FloatArray:
        """`project` with depth (N, V, 3), in pixels towards the back from the model's origin."""
        turned = np.einsum("nij,nvj->nvi", self.rotation, shapes)
        placed = self.scale_px[:, None, None] * turned * [1, -1, -1]
        placed[..., :2] += self.origin_px[:, None]
        return placed

    def landmarks(self, model: FaceModel) -> FloatArray:
        """The 68 fitted landmarks, (N, 68, 2), ``image_px``."""
        return self.project(model.landmarks(self.identity, self.expression))

    def face_boxes(self, model: FaceModel) -> FloatArray:
        """The boxes (N, 4) that people draw around these faces, xyxy, ``image_px``.

        A box spans the face, without the rest of a head that the model may have, and a tenth of
        the face's height above it. The median box of WIDER FACE lies so around the teacher's mesh.
        """
        points = self.project(model.face_points(self.identity, self.expression))
        low, high = points.min(axis=1), points.max(axis=1)
        low[:, 1] -= FOREHEAD * (high - low)[:, 1]
        return np.concatenate([low, high], axis=1)


FOREHEAD = 0.1


def fit_meshes(model: FaceModel, meshes: FloatArray, scores: FloatArray) -> Fit:
    """Fit the teacher's meshes.

    Parameters
    ----------
    model : the face model to fit
        One of the teacher's topology is fitted to all vertices. Any other is fitted to the 68
        landmarks of the meshes, with their depth, since nothing tells which vertices correspond.
    meshes : float, shape (N, 468, 3), ``image_px``, z towards the back
    scores : float, shape (N, 46), the teacher's expressions in the order of `EXPRESSION_NAMES`
        They do not serve a model whose expressions have other names.
    """
    identity, expression, points, rounds = model.identity, _shared(model.expression), meshes, 8
    if not has_teacher_topology(model):
        identity, expression = model.landmark_shapes
        expression, points, rounds = _shared(expression), mesh_landmarks(meshes), 15
    sigma = SCORE_SIGMA
    if model.expression_names != EXPRESSION_NAMES:
        scores, sigma = np.zeros((len(meshes), NUM_EXPRESSIONS)), FREE_SIGMA
    fit = partial(_fit, identity, expression, score_sigma=sigma, depth=True, rounds=rounds)
    return _in_batches(fit, points, scores)


def has_teacher_topology(model: FaceModel) -> bool:
    """Whether the model's vertices are those of the teacher's mesh, as the default's are."""
    return len(model.mean) == len(_teacher().mean)


def mesh_landmarks(meshes: FloatArray) -> FloatArray:
    """The 68 landmarks (N, 68, 3) of the teacher's meshes (N, 468, 3), by the default's map."""
    teacher = _teacher()
    corners = meshes[:, teacher.landmark_vertices]
    return np.einsum("nlkc,lk->nlc", corners, teacher.landmark_weights)


@cache
def _teacher() -> FaceModel:
    return default_face_model()


def _shared(expression: FloatArray) -> FloatArray:
    """A model's expression offsets (46, V, 3); if it is multilinear, those of its mean identity."""
    return expression if expression.ndim == 3 else expression[0]


def fit_landmarks(model: FaceModel, landmarks: FloatArray) -> Fit:
    """Fit the model to 68 landmarks (N, 68, 2) in ``image_px``."""
    identity, expression = model.landmark_shapes
    points = np.concatenate([landmarks, np.zeros_like(landmarks[..., :1])], axis=2)
    scores = np.zeros((len(landmarks), NUM_EXPRESSIONS))
    fit = partial(
        _fit, identity, _shared(expression), score_sigma=FREE_SIGMA, depth=False, rounds=25
    )
    return _in_batches(fit, points, scores)


def _in_batches(
    fit: Callable[[FloatArray, FloatArray], Fit], points: FloatArray, scores: FloatArray
) -> Fit:
    parts: list[Fit] = []
    for i in range(0, len(points), BATCH):
        log.info("fitting the face model: %d of %d faces", i, len(points))
        parts.append(fit(points[i : i + BATCH], scores[i : i + BATCH]))
    return Fit.concatenate(parts)


def _fit(
    identity: FloatArray,
    expression: FloatArray,
    points: FloatArray,
    scores: FloatArray,
    *,
    score_sigma: float,
    depth: bool,
    rounds: int,
) -> Fit:
    num_faces, num_points = points.shape[:2]
    mean = identity[0].astype(np.float32)
    basis = np.concatenate([identity[1:], expression]).reshape(-1, 3 * num_points)
    basis = basis.astype(np.float32)
    num_modes = NUM_IDENTITY - 1
    prior = np.concatenate([np.zeros((num_faces, num_modes)), scores], axis=1).astype(np.float32)
    precision = np.full(basis.shape[0], POINT_SIGMA**2, np.float32)
    precision[num_modes:] /= score_sigma**2
    lower = np.where(np.arange(basis.shape[0]) < num_modes, -4.0, 0.0)
    upper = np.where(np.arange(basis.shape[0]) < num_modes, 4.0, 1.0)
    observed = points * np.array([1.0, -1.0, -1.0])
    coefficients = prior.copy()
    weights = np.ones((num_faces, num_points))
    axes = np.array([1.0, 1.0, 1.0 if depth else 0.0])
    scale, rotation, translation = similarity(mean + np.zeros_like(observed), observed, weights)
    for _ in range(rounds):
        shape = mean + (coefficients @ basis).reshape(num_faces, num_points, 3)
        scale, rotation, translation = similarity(shape, observed, weights)
        turned = np.einsum("nij,nvj->nvi", rotation, shape)
        if not depth:
            # Without depth, the model's own: the scale must then come from the image plane alone.
            observed[..., 2] = scale[:, None] * turned[..., 2]
            scale, translation = _plane_scale(turned, observed, weights)
        placed = (observed - translation[:, None]) / scale[:, None, None]
        error = np.linalg.norm((placed - turned) * axes, axis=2) / POINT_SIGMA
        weights = 1.0 / (1.0 + (error / ROBUST_SCALE) ** 2) ** 2
        target = np.einsum("nji,nvj->nvi", rotation, placed) - mean  # R^T (p - t) / s
        coefficients = _bounded_ridge(basis, target, weights, precision, prior, lower, upper)
    shape = mean + (coefficients @ basis).reshape(num_faces, num_points, 3)
    error = scale[:, None, None] * np.einsum("nij,nvj->nvi", rotation, shape)
    error = (error + translation[:, None] - observed)[..., :2] / scale[:, None, None]
    full = np.concatenate([np.ones((num_faces, 1)), coefficients[:, :num_modes]], axis=1)
    return Fit(
        identity=full.astype(np.float32),
        expression=coefficients[:, num_modes:].astype(np.float32),
        rotation=rotation.astype(np.float32),
        scale_px=scale.astype(np.float32),
        origin_px=(translation[:, :2] * [1, -1]).astype(np.float32),
        residual=np.sqrt(np.mean(np.sum(error**2, axis=2), axis=1)).astype(np.float32),
    )


def _plane_scale(
    turned: FloatArray, observed: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The scale (N,) and translation (N, 3) that fit x and y of turned shapes best."""
    w = weights / weights.sum(axis=1, keepdims=True)
    mean_shape = np.einsum("nv,nvc->nc", w, turned)
    mean_point = np.einsum("nv,nvc->nc", w, observed)
    a = (turned - mean_shape[:, None])[..., :2]
    b = (observed - mean_point[:, None])[..., :2]
    scale = np.einsum("nv,nvc,nvc->n", w, a, b) / np.einsum("nv,nvc,nvc->n", w, a, a)
    return scale, mean_point - scale[:, None] * mean_shape


def _bounded_ridge(
    basis: FloatArray,
    target: FloatArray,
    weights: FloatArray,
    precision: FloatArray,
    prior: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> FloatArray:
    """Coefficients (N, K) that minimise weighted squares plus a ridge to ``prior``, within bounds.

    Accelerated projected gradient (Beck and Teboulle 2009, doi:10.1137/080716542, Eq. 4.1 to
    4.3) on the normal equations.
    """
    num_faces = len(target)
    w = np.repeat(weights, 3, axis=1).astype(np.float32)
    gram = np.matmul(basis[None] * w[:, None], basis.T)
    right = (target.reshape(num_faces, -1).astype(np.float32) * w) @ basis.T
    gram[:, np.arange(len(precision)), np.arange(len(precision))] += precision
    right += precision * prior
    # Scaling each unknown by its own curvature evens out modes of very different size.
    diagonal = np.sqrt(np.einsum("nkk->nk", gram))
    gram /= diagonal[:, :, None] * diagonal[:, None, :]
    step = 1.0 / np.abs(gram).sum(axis=2).max(axis=1)
    low, high = lower * diagonal, upper * diagonal
    x = np.clip(prior * diagonal, low, high)
    y, momentum = x, 1.0
    for _ in range(BOUND_STEPS):
        gradient = np.einsum("nkl,nl->nk", gram, y) - right / diagonal
        following = np.clip(y - step[:, None] * gradient, low, high)
        next_momentum = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        y = following + (momentum - 1) / next_momentum * (following - x)
        x, momentum = following, next_momentum
    return x / diagonal
