"""How far eyes that are shut are drawn shut, and how far open ones are not."""

from __future__ import annotations

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
