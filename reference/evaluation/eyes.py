"""How far eyes that are shut are drawn shut, how far open ones are not, and where eyes look."""

from __future__ import annotations

import numpy as np

from edgeface.gaze import gaze_directions
from edgeface.reference.geometry.lids import BLINKS, SHUT, lid_opening
from edgeface.types import BoolArray, FloatArray

OPEN = 2 * SHUT
"""Lid distance over eye width from which on an eye counts as open."""


def eye_section(
    landmarks: FloatArray, truth: FloatArray, expression: FloatArray
) -> dict[str, dict[str, float]]:
    """Openings and blink scores of the eyes that the labels call shut, and of open ones.

    Parameters
    ----------
    landmarks, truth : shape (N, 68, 2), predicted and labelled
    expression : shape (N, 46), predicted

    Returns
    -------
    Two rows, or none where no eye is shut. Of each: how many ``eyes``; their mean opening, which is
    the lids' distance over the eye's width, as ``labelled`` and as ``drawn``; what the drawn one is
    ``of an open eye, %``, which is the labelled mean of open eyes; and the mean ``eyeBlink``.
    """
    labelled, drawn = lid_opening(truth), lid_opening(landmarks)
    blinks = expression[:, BLINKS]
    shut, wide = labelled < SHUT, labelled >= OPEN
    if not (shut.any() and wide.any()):
        return {}
    whole = float(labelled[wide].mean())

    def row(eyes: BoolArray) -> dict[str, float]:
        return {
            "eyes": float(eyes.sum()),
            "labelled": float(labelled[eyes].mean()),
            "drawn": float(drawn[eyes].mean()),
            "of an open eye, %": 100 * float(drawn[eyes].mean()) / whole,
            "eyeBlink": float(blinks[eyes].mean()),
        }

    return {"shut": row(shut), "open": row(wide)}


def gaze_section(
    gaze_deg: FloatArray, truth: FloatArray, parts: dict[str, BoolArray]
) -> dict[str, dict[str, float]]:
    """How far where eyes look is from the labels, by parts of the faces.

    Parameters
    ----------
    gaze_deg, truth : shape (N, 2, 2), pitch and yaw of the right and the left eye, degrees,
        predicted and labelled; NaN where one is not known
    parts : which of the N faces are in each row

    Returns
    -------
    A row for each part that has any. Of each: how many ``eyes``; the mean ``angle`` between
    directions, and its ``median``; the mean absolute errors of ``pitch`` and ``yaw``; the mean
    angle of ``both eyes`` together, whose direction is the mean of the two; and what always saying
    the labels' own mean would have as ``angle``, as ``constant``.
    """
    known = np.isfinite(gaze_deg).all(axis=2) & np.isfinite(truth).all(axis=2)
    rows: dict[str, dict[str, float]] = {}
    for name, part in parts.items():
        eyes = known & part[:, None]
        if not eyes.any():
            continue
        predicted, right = gaze_deg[eyes], truth[eyes]
        both = eyes.all(axis=1)
        angles = angles_between(gaze_directions(predicted), gaze_directions(right))
        pitch, yaw = np.abs(predicted - right).mean(axis=0).tolist()
        together = angles_between(
            gaze_directions(gaze_deg[both]).sum(axis=1), gaze_directions(truth[both]).sum(axis=1)
        )
        usual = gaze_directions(right).mean(axis=0)
        rows[name] = {
            "eyes": float(len(right)),
            "angle": float(angles.mean()),
            "median": float(np.median(angles)),
            "pitch": pitch,
            "yaw": yaw,
            "both eyes": float(together.mean()) if len(together) else float("nan"),
            "constant": float(angles_between(gaze_directions(right), usual[None]).mean()),
        }
    return rows


def angles_between(a: FloatArray, b: FloatArray) -> FloatArray:
    """The angles (N,) between vectors (N, 3) of any length, degrees."""
    across = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.rad2deg(np.arctan2(across, (a * b).sum(axis=-1)))
