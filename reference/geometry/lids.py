"""How far eyes are open, by their landmarks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeface.face_model import EXPRESSION_NAMES, FaceModel
from edgeface.reference.geometry.fit import Fit
from edgeface.types import FloatArray

LID_PAIRS = ((37, 41), (38, 40), (43, 47), (44, 46))
"""Landmarks of the upper lid and those below them: two of the right eye, two of the left."""
EYE_CORNERS = ((36, 39), (42, 45))
BLINK_NAMES = ("eyeBlinkRight", "eyeBlinkLeft")
BLINKS = tuple(EXPRESSION_NAMES.index(name) for name in BLINK_NAMES)
SHUT = 0.12
"""An eye is shut if people place its lids nearer than this share of its width; open ones: 0.35."""

NEARLY_SHUT = 0.13
"""Opening of the teacher's lids under which people place them nearer to each other."""
SHUT_MESH = 0.075
"""Opening of the teacher's lids when people see the eye shut."""
WHOLLY_SHUT = 0.02
"""Opening that people's points leave of an eye that is shut."""


def lid_opening(landmarks: FloatArray) -> FloatArray:
    """The distance of the lids over the eye's width (..., 2), of the right and the left eye.

    Parameters
    ----------
    landmarks : (..., 68, 2 or 3), any frame
    """
    upper, lower = np.array(LID_PAIRS).T
    gap = np.linalg.norm(landmarks[..., upper, :] - landmarks[..., lower, :], axis=-1)
    gap = gap.reshape(*gap.shape[:-1], 2, 2).mean(axis=-1)
    first, second = np.array(EYE_CORNERS).T
    width = np.linalg.norm(landmarks[..., first, :] - landmarks[..., second, :], axis=-1)
    return gap / width


def as_people_shut(landmarks: FloatArray) -> FloatArray:
    """The teacher's landmarks (N, 68, 2) with the upper lids of shut eyes where people place them.

    The teacher's lids never meet. An opening from `SHUT_MESH` to `NEARLY_SHUT` is stretched to one
    from 0 to `NEARLY_SHUT`, of which `WHOLLY_SHUT` is left at least. That follows the medians of
    people's points on the training faces of 300-W: 0.02 where the teacher's lids are 0.07 of the
    eye's width apart, 0.05 at 0.09, 0.10 at 0.11 and the same from 0.13 on.
    """
    opening = lid_opening(landmarks)
    wanted = NEARLY_SHUT * (opening - SHUT_MESH) / (NEARLY_SHUT - SHUT_MESH)
    wanted = np.where(opening < NEARLY_SHUT, np.maximum(wanted, WHOLLY_SHUT), opening)
    moved = landmarks.copy()
    for (upper, lower), eye in zip(LID_PAIRS, (0, 0, 1, 1), strict=True):
        share = np.minimum(wanted / np.maximum(opening, 1e-6), 1.0)[:, eye, None]
        moved[:, upper] = landmarks[:, lower] + share * (landmarks[:, upper] - landmarks[:, lower])
    return moved


def with_shut_lids(fit: Fit, model: FaceModel, landmarks: FloatArray) -> Fit:
    """The fit with those eyes shut that people's landmarks show shut.

    The teacher's mesh leaves such eyes a third open. The blink is raised until the model's lids are
    as far apart as in ``landmarks`` (N, 68, 2), and never lowered. Faces whose landmarks are NaN
    stay as they are, and all do if the model has no expression of the name.
    """
    opening = lid_opening(landmarks)  # (N, 2)
    shut = opening < SHUT
    expression = fit.expression.copy()
    for eye, name in enumerate(BLINK_NAMES):
        rows = np.flatnonzero(shut[:, eye])
        if not len(rows) or name not in model.expression_names:
            continue
        blink = model.expression_names.index(name)
        faces = fit[rows]
        gaps: list[FloatArray] = []
        for weight in (0.0, 0.5):  # both open: a distance would not tell lids that have crossed
            trial = faces.expression.copy()
            trial[:, blink] = weight
            points = replace(faces, expression=trial).landmarks(model)
            gaps.append(lid_opening(points)[:, eye])
        needed = 0.5 * (gaps[0] - opening[rows, eye]) / np.maximum(gaps[0] - gaps[1], 1e-3)
        expression[rows, blink] = np.clip(needed, expression[rows, blink], 1.0)
    return replace(fit, expression=expression.astype(np.float32))
