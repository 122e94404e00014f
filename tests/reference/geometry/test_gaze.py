"""Labels of where eyes look: from irises to angles, in mirrors, in turned copies, and where not."""

from dataclasses import replace

import numpy as np
import pytest

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.gaze import EYE_CENTRE, EYE_RADIUS
from edgeface.reference.data.targets import Mirror, from_fit, similarity_matrix, warp
from edgeface.reference.geometry.gaze import gaze_of_irises, moved_gaze, placed_landmarks
from edgeface.reference.training.views.synthesis import moved_targets
from tests.reference.conftest import random_faces, rotation


@pytest.fixture
def fit(face_model, random):
    return random_faces(face_model, 6, random, 128.0, 88.0)[0]


def irises_of(fit, model, gaze):
    """Irises (N, 2, 2) of eyes with a gaze (N, 2, 2), rad."""
    shapes = model.landmarks(fit.identity, fit.expression)
    irises = np.empty((len(shapes), 2, 3))
    for eye, (a, b, side) in enumerate(((36, 39, -1), (42, 45, 1))):
        width = np.linalg.norm(shapes[:, a] - shapes[:, b], axis=1)[:, None]
        pitch, yaw = gaze[:, eye].T
        look = np.stack([np.sin(yaw), -np.sin(pitch) * np.cos(yaw), np.cos(pitch) * np.cos(yaw)], 1)
        ball = (shapes[:, a] + shapes[:, b]) / 2 + width * np.array(EYE_CENTRE) * [side, 1, 1]
        irises[:, eye] = ball + EYE_RADIUS * width * look
    return fit.project(irises)


@pytest.fixture
def gaze(random, fit):
    return random.uniform(-0.4, 0.4, (len(fit.identity), 2, 2))


def test_irises_tell_the_gaze(face_model, fit, gaze):
    found = gaze_of_irises(irises_of(fit, face_model, gaze), fit, face_model)
    np.testing.assert_allclose(found, gaze, atol=1e-4)


def test_who_looks_at_the_camera_has_its_irises_over_the_balls(face_model, fit):
    """Then the eyes turn in the head as far as the head turned, the other way."""
    camera = np.einsum("nji,j->ni", fit.rotation, [0, 0, 1.0])
    gaze = np.stack([np.arctan2(-camera[:, 1], camera[:, 2]), np.arcsin(camera[:, 0])], axis=1)
    gaze = np.repeat(gaze[:, None], 2, axis=1)
    found = gaze_of_irises(irises_of(fit, face_model, gaze), fit, face_model)
    np.testing.assert_allclose(found, gaze, atol=1e-4)


def test_a_mirror_swaps_the_eyes_and_turns_yaw_round(face_model, fit, gaze):
    irises = irises_of(fit, face_model, gaze)
    targets = from_fit(fit, face_model, irises=irises)
    mirrored = Mirror(face_model)(targets, 256)
    np.testing.assert_allclose(mirrored.gaze[:, 0], gaze[:, 1] * [1, -1], atol=1e-4)
    np.testing.assert_allclose(mirrored.gaze[:, 1], gaze[:, 0] * [1, -1], atol=1e-4)
    # what the mirror image of the picture shows: its right iris is the left one's image
    flip = np.diag([-1.0, 1.0, 1.0])
    turned = replace(
        fit,
        identity=mirrored.identity,
        expression=mirrored.expression,
        rotation=flip @ fit.rotation @ flip,
        origin_px=fit.origin_px * [-1, 1] + [256, 0],
    )
    seen = gaze_of_irises(irises[:, ::-1] * [-1, 1] + [256, 0], turned, face_model)
    np.testing.assert_allclose(mirrored.gaze, seen, atol=0.02)  # the model is nearly symmetric


def test_a_warped_picture_keeps_the_gaze(face_model, fit, gaze):
    targets = from_fit(fit, face_model, irises=irises_of(fit, face_model, gaze))
    matrix = similarity_matrix(0.5, 0.4, np.array([128.0, 128]), np.array([64.0, 64]))
    np.testing.assert_array_equal(warp(targets, matrix, 0.4).gaze, targets.gaze)


def test_a_turned_copy_looks_where_its_irises_went(face_model, fit, gaze):
    """Irises on the plane of the lids move with the face, which leaves the gaze nearly the same."""
    targets = from_fit(fit, face_model, irises=irises_of(fit, face_model, gaze))
    same = moved_gaze(targets.gaze, fit, fit, face_model)
    np.testing.assert_allclose(same, targets.gaze, atol=1e-3)
    turned = replace(fit, rotation=rotation(0, 25, 0) @ fit.rotation)
    moved = moved_targets(targets, fit, turned, face_model).gaze
    known = np.isfinite(moved)
    assert known.mean() > 0.7
    # the lids' plane lies before the ball's centre by half its radius: less than the turn's half
    assert np.abs(moved - targets.gaze)[known].max() < np.deg2rad(20)
    shrunk = replace(fit, scale_px=0.5 * fit.scale_px, origin_px=0.5 * fit.origin_px)
    np.testing.assert_allclose(
        moved_gaze(targets.gaze, fit, shrunk, face_model), targets.gaze, atol=1e-3
    )


def test_no_gaze_where_nobody_can_know(face_model, fit, gaze):
    irises = irises_of(fit, face_model, gaze)
    blinks = [EXPRESSION_NAMES.index(f"eyeBlink{side}") for side in ("Right", "Left")]
    expression = fit.expression.copy()
    expression[0, blinks[0]] = expression[1, blinks[1]] = 1.0
    winking = replace(fit, expression=expression)
    found = gaze_of_irises(irises, winking, face_model)
    assert np.isnan(found[0, 0]).all()
    assert np.isfinite(found[0, 1]).all()
    assert np.isnan(found[1, 1]).all()
    irises[2] = np.nan
    irises[3, 0] += 50  # beyond the ball
    found = gaze_of_irises(irises, fit, face_model)
    assert np.isnan(found[2]).all()
    assert np.isnan(found[3, 0]).all()
    away = replace(fit, rotation=np.tile(rotation(0, 60, 0), (6, 1, 1)))
    found = gaze_of_irises(irises_of(away, face_model, 0 * gaze), away, face_model)
    assert np.isnan(found[:, 1]).all()  # turned to its own left, the left eye is the far one
    assert np.isfinite(found[:, 0]).all()
    assert np.isnan(from_fit(fit, face_model).gaze).all()


def test_placed_landmarks_are_those_of_the_fit(face_model, fit):
    np.testing.assert_allclose(
        placed_landmarks(fit, face_model)[..., :2], fit.landmarks(face_model)
    )
