"""Figures of shut eyes, from landmarks whose lids are put where they are known to be."""

import numpy as np
import pytest

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.evaluation.eyes import eye_section, gaze_section
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


def test_gaze_is_judged_eye_by_eye_and_together():
    """One face: right eye 10 degrees off to the left, left eye 10 to the right; one eye unknown."""
    truth = np.array([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 20.0], [np.nan, np.nan]]])
    said = np.array([[[0.0, 10.0], [0.0, -10.0]], [[5.0, 20.0], [1.0, 1.0]]])
    rows = gaze_section(said, truth, {"all": np.ones(2, bool), "none": np.zeros(2, bool)})
    assert list(rows) == ["all"]
    row = rows["all"]
    assert row["eyes"] == 3
    # five degrees of pitch at a yaw of 20 are a little less as an angle
    assert row["angle"] == pytest.approx((10 + 10 + 5 * np.cos(np.deg2rad(20))) / 3, abs=0.01)
    assert (row["pitch"], row["yaw"]) == pytest.approx((5 / 3, 20 / 3))
    assert row["both eyes"] == pytest.approx(0, abs=1e-6)
    assert row["constant"] > row["angle"] - 3
    assert gaze_section(np.full_like(said, np.nan), truth, {"all": np.ones(2, bool)}) == {}
