"""What a network should say of faces, and how that changes when the picture is warped."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from edgeface.face_model import FaceModel
from edgeface.reference.geometry.alignment import (
    LANDMARK_MIRROR,
    expression_mirror,
    identity_mirror,
)
from edgeface.reference.geometry.fit import Fit
from edgeface.reference.geometry.gaze import gaze_of_irises
from edgeface.reference.geometry.pose import yaw_from_rotation
from edgeface.types import BoolArray, FloatArray, IntArray

MOUTH_CORNERS = ((60, 48), (64, 54))
"""The inner and outer corners of the mouth among the 68 landmarks."""


@dataclass(frozen=True)
class Targets:
    """Labels of N faces in the pixels of some picture.

    Attributes
    ----------
    landmarks : (N, 68, 2)
    boxes : (N, 4), xyxy
    identity : (N, 50), expression : (N, 46), rotation : (N, 3, 3)
    gaze : (N, 2, 2), rad, pitch and yaw of the right and the left eye, NaN where nobody knows
    has_fit : (N,) bool, whether more than the box is known
    ignore : (N,) bool, whether it does not matter if the face is found
    """

    landmarks: FloatArray
    boxes: FloatArray
    identity: FloatArray
    expression: FloatArray
    rotation: FloatArray
    gaze: FloatArray
    has_fit: BoolArray
    ignore: BoolArray

    def __getitem__(self, index: Any) -> Targets:
        return Targets(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def __len__(self) -> int:
        return len(self.boxes)


def concatenate(parts: list[Targets]) -> Targets:
    """The faces of all parts, in order."""
    return Targets(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Targets)}
    )


def from_fit(
    fit: Fit,
    model: FaceModel,
    landmarks: FloatArray | None = None,
    irises: FloatArray | None = None,
) -> Targets:
    """Targets of fitted faces; labelled ``landmarks`` (N, 68, 2) take the place of fitted ones.

    On a turned head, labelled outlines (0..16) slide along the silhouette while the model's stay on
    the surface; so beyond 20 degrees of yaw the fitted outline is the target. Where labels of the
    mouth's inner corners only repeat the outer ones, the fitted inner corners are. The centres of
    the ``irises`` (N, 2, 2), ``image_px``, tell the gaze, which is NaN without them.
    """
    fitted = fit.landmarks(model)
    if landmarks is not None:
        turned = np.abs(yaw_from_rotation(fit.rotation)) > 20.0
        labelled = landmarks.copy()
        labelled[turned, :17] = fitted[turned, :17]
        for inner, outer in MOUTH_CORNERS:
            repeated = (landmarks[:, inner] == landmarks[:, outer]).all(axis=1)
            labelled[repeated, inner] = fitted[repeated, inner]
        fitted = labelled
    count = len(fitted)
    gaze = np.full((count, 2, 2), np.nan, np.float32)
    if irises is not None:
        gaze = gaze_of_irises(irises, fit, model, fitted)
    return Targets(
        landmarks=fitted.astype(np.float32),
        boxes=fit.face_boxes(model).astype(np.float32),
        identity=fit.identity,
        expression=fit.expression,
        rotation=fit.rotation,
        gaze=gaze,
        has_fit=np.ones(count, bool),
        ignore=np.zeros(count, bool),
    )


def boxes_only(boxes: FloatArray, ignore: BoolArray) -> Targets:
    """Targets of faces of which only the boxes (N, 4) are known."""
    count = len(boxes)
    return Targets(
        landmarks=np.zeros((count, 68, 2), np.float32),
        boxes=boxes.astype(np.float32),
        identity=np.zeros((count, 50), np.float32),
        expression=np.zeros((count, 46), np.float32),
        rotation=np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
        gaze=np.full((count, 2, 2), np.nan, np.float32),
        has_fit=np.zeros(count, bool),
        ignore=ignore,
    )


def similarity_matrix(
    scale: float, angle_rad: float, centre: FloatArray, place: FloatArray
) -> FloatArray:
    """The similarity (2, 3) that moves ``centre`` to ``place`` and turns clockwise as seen."""
    c, s = np.cos(angle_rad) * scale, np.sin(angle_rad) * scale
    linear = np.array([[c, -s], [s, c]])
    return np.concatenate([linear, (place - linear @ centre)[:, None]], axis=1)


class Mirror:
    """Turns labels into those of the mirror image."""

    def __init__(self, model: FaceModel) -> None:
        self.model = model

    @cached_property
    def identity(self) -> FloatArray:
        """The matrix (50, 50) by which a mirror changes identity coefficients (..., 50)."""
        return identity_mirror(self.model)

    @cached_property
    def expression(self) -> IntArray:
        """For each expression, the index of the one that a mirror turns it into, (46,)."""
        return expression_mirror(self.model)

    def __call__(self, targets: Targets, width: float) -> Targets:
        """The targets in the mirror image of a picture that is ``width`` pixels wide."""
        flip = np.diag([-1.0, 1.0, 1.0])
        landmarks = targets.landmarks[:, LANDMARK_MIRROR] * [-1, 1] + [width, 0]
        boxes = targets.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0]
        return Targets(
            landmarks=landmarks.astype(np.float32),
            boxes=boxes.astype(np.float32),
            identity=(targets.identity @ self.identity).astype(np.float32),
            expression=targets.expression[:, self.expression],
            rotation=(flip @ targets.rotation @ flip).astype(np.float32),
            gaze=(targets.gaze[:, ::-1] * [1, -1]).astype(np.float32),
            has_fit=targets.has_fit,
            ignore=targets.ignore,
        )


def warped_boxes(boxes: FloatArray, matrix: FloatArray) -> FloatArray:
    """Boxes float32 (N, 4) after the picture went through a similarity (2, 3).

    Each is that of the ellipse which the old one holds: a round head's box grows less than corners
    do.
    """
    linear, shift = matrix[:, :2], matrix[:, 2]
    low, high = boxes[:, :2], boxes[:, 2:]
    centre = (low + high) / 2 @ linear.T + shift
    half = np.sqrt(((high - low) / 2) ** 2 @ (linear**2).T)
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def warp(targets: Targets, matrix: FloatArray, angle_rad: float) -> Targets:
    """Labels after the picture went through a similarity.

    Parameters
    ----------
    matrix : (2, 3), from old pixels to new ones
    angle_rad : the angle by which the matrix turns, clockwise as seen (x right, y down)
    """
    linear, shift = matrix[:, :2], matrix[:, 2]
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])  # y is up in the model frame
    return Targets(
        landmarks=(targets.landmarks @ linear.T + shift).astype(np.float32),
        boxes=warped_boxes(targets.boxes, matrix),
        identity=targets.identity,
        expression=targets.expression,
        rotation=(turn @ targets.rotation).astype(np.float32),
        gaze=targets.gaze,
        has_fit=targets.has_fit,
        ignore=targets.ignore,
    )
