"""Figures of shut eyes, from landmarks whose lids are put where they are known to be."""

import numpy as np
import pytest

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.evaluation.eyes import eye_section
from edgeface.reference.geometry.lids import EYE_CORNERS, LID_PAIRS


def faces(openings):
    """Landmarks of one face for each opening, all other points at zero; eyes 10 px wide."""
    points = np.zeros((len(openings), 68, 2))
    for inner, outer in EYE_CORNERS:
        points[:, outer, 0] = points[:, inner, 0] + 10
    for upper, lower in LID_PAIRS:
        points[:, lower, 1] = 10 * np.array(openings)
        points[:, upper, 0] = points[:, lower, 0] = 5
    return points


def test_eyes_are_told_apart_by_the_labels():
    """Two shut faces drawn at .1 and .2 beside two open ones; one between counts as neither."""
    scores = np.zeros((5, 46))
    scores[:, [EXPRESSION_NAMES.index(f"eyeBlink{s}") for s in ("Left", "Right")]] = [
        [0.9, 0.7], [0.5, 0.7], [0.1, 0.1], [0.0, 0.2], [0.5, 0.5],
    ]  # fmt: skip
    rows = eye_section(faces([0.1, 0.2, 0.4, 0.3, 0.3]), faces([0, 0.1, 0.4, 0.4, 0.2]), scores)
    assert rows["shut"] == pytest.approx(
        {"eyes": 4, "labelled": 0.05, "drawn": 0.15, "of an open eye, %": 37.5, "eyeBlink": 0.7}
    )
    assert rows["open"] == pytest.approx(
        {"eyes": 4, "labelled": 0.4, "drawn": 0.35, "of an open eye, %": 87.5, "eyeBlink": 0.1}
    )


def test_no_figures_where_no_eye_is_shut():
    assert eye_section(faces([0.1]), faces([0.4]), np.zeros((1, 46))) == {}
