from dataclasses import replace

import numpy as np
import pytest

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.geometry.lids import (
    BLINKS,
    EYE_CORNERS,
    LID_PAIRS,
    as_people_shut,
    lid_opening,
    with_shut_lids,
)
from tests.reference.conftest import random_faces


def test_lid_opening_is_the_gap_over_the_width():
    points = np.zeros((1, 68, 2))
    for (_, second), width in zip(EYE_CORNERS, (10.0, 20.0), strict=True):
        points[0, second, 0] = width
    for (upper, _), height in zip(LID_PAIRS, (1.0, 3.0, 5.0, 5.0), strict=True):
        points[0, upper, 1] = -height
    np.testing.assert_allclose(lid_opening(points), [[0.2, 0.25]])


@pytest.mark.parametrize("side", ["Right", "Left"])
def test_blink_alone_shuts_the_shipped_models_eye(face_model, side):
    blink = np.zeros((2, 46))
    blink[1, EXPRESSION_NAMES.index(f"eyeBlink{side}")] = 1
    points = face_model.landmarks(np.eye(1, 50).repeat(2, 0), blink)
    opening = lid_opening(points[..., :2])  # as seen from the front
    eye = ("Right", "Left").index(side)
    assert opening[1, eye] < 0.1 * opening[0, eye]
    assert opening[1, 1 - eye] == pytest.approx(opening[0, 1 - eye], rel=0.05)


@pytest.fixture
def open_faces(face_model, random):
    fit, _ = random_faces(face_model, 6, random, 128.0, 88.0)
    return fit


def test_with_shut_lids_follows_people_who_say_shut(face_model, open_faces):
    points = open_faces.landmarks(face_model)
    for upper, lower in LID_PAIRS[:2]:  # the right eyes
        points[:, upper] = points[:, lower]
    shut = with_shut_lids(open_faces, face_model, points)
    assert (shut.expression[:, BLINKS[0]] > 0.8).all()
    assert (lid_opening(shut.landmarks(face_model))[:, 0] < 0.1).all()
    np.testing.assert_array_equal(
        np.delete(shut.expression, BLINKS[0], axis=1),
        np.delete(open_faces.expression, BLINKS[0], axis=1),
    )


def test_with_shut_lids_moves_no_expression_of_another_name(face_model, open_faces):
    points = open_faces.landmarks(face_model)
    for upper, lower in LID_PAIRS:
        points[:, upper] = points[:, lower]
    named = replace(face_model, expression_names=tuple(f"shape{k}" for k in range(46)))
    same = with_shut_lids(open_faces, named, points)
    np.testing.assert_array_equal(same.expression, open_faces.expression)
    turned = EXPRESSION_NAMES[::-1]
    other = replace(face_model, expression=face_model.expression[::-1], expression_names=turned)
    fit = replace(open_faces, expression=open_faces.expression[:, ::-1])
    shut = with_shut_lids(fit, other, points)
    expected = with_shut_lids(open_faces, face_model, points)
    np.testing.assert_allclose(shut.expression[:, ::-1], expected.expression, atol=1e-5)


def test_with_shut_lids_leaves_open_and_unlabelled_eyes_alone(face_model, open_faces):
    points = open_faces.landmarks(face_model)
    points[3] = np.nan
    same = with_shut_lids(open_faces, face_model, points)
    np.testing.assert_array_equal(same.expression, open_faces.expression)


@pytest.mark.parametrize(
    ("teacher", "people"), [(0.05, 0.02), (0.07, 0.02), (0.1025, 0.065), (0.13, 0.13), (0.3, 0.3)]
)
def test_lids_that_the_teacher_nearly_shuts_shut_as_people_see_them(teacher, people):
    points = np.zeros((1, 68, 2))
    for _, second in EYE_CORNERS:
        points[0, second, 0] = 10.0
    for upper, _ in LID_PAIRS:
        points[0, upper, 1] = -10 * teacher
    moved = as_people_shut(points)
    np.testing.assert_allclose(lid_opening(moved), [[people, people]])
    still = np.setdiff1d(np.arange(68), [upper for upper, _ in LID_PAIRS])
    np.testing.assert_array_equal(moved[:, still], points[:, still])
