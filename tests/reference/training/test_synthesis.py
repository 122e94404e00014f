from dataclasses import replace

import numpy as np
import pytest

from edgeface.reference.data.faces import read_faces
from edgeface.reference.geometry.fit import Fit
from edgeface.reference.training.views.synthesis import (
    MAX_TURN_DEG,
    TURNED_YAW_DEG,
    _visible,
    add_turned,
    moved_targets,
    reexpressed,
    warp_face,
)


@pytest.fixture(scope="module")
def faces(tiny_packs, face_model):
    return read_faces(tiny_packs, face_model, validation=False)


def yaw_deg(rotation):
    return np.rad2deg(np.arctan2(rotation[..., 0, 2], rotation[..., 2, 2]))


def test_add_turned_appends_faces_that_look_further_away(faces, face_model):
    more = add_turned(faces, face_model, 0.5, seed=1)
    count = len(faces.crops)
    added = len(more.crops) - count
    assert added == round(0.5 * count)
    assert set(more.pack[count:]) == {"turned"}
    yaw = np.abs(yaw_deg(more.targets.rotation[count:]))
    assert (yaw > TURNED_YAW_DEG[0] - 12).all()  # pitch comes on top
    assert yaw.max() < TURNED_YAW_DEG[0] + MAX_TURN_DEG + 12
    for name in ("crops", "labelled", "pack"):
        np.testing.assert_array_equal(getattr(more, name)[:count], getattr(faces, name))
    assert len(more.targets) == len(more.fit.scale_px) == len(more.crops)


def test_add_turned_of_none_is_the_same_set(faces, face_model):
    assert add_turned(faces, face_model, 0.0, seed=0) is faces


def test_warp_face_to_the_same_fit_changes_nothing(faces, face_model):
    fit = faces.fit[:1]
    again = warp_face(faces.crops[0], fit, fit, face_model)
    difference = np.abs(again.astype(int) - faces.crops[0])[2:-2, 2:-2]
    assert difference.max() <= 2


def about_y(angle_deg):
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


@pytest.mark.parametrize("angle_deg", [20, 50])
def test_warp_face_carries_pixels_along(face_model, angle_deg):
    """A dot painted on the nose is found where the turned fit says the nose is."""
    old = Fit(
        identity=np.eye(50, dtype=np.float32)[:1],
        expression=np.zeros((1, 46), np.float32),
        rotation=about_y(0)[None],
        scale_px=np.array([90.0], np.float32),
        origin_px=np.array([[128.0, 128.0]], np.float32),
        residual=np.zeros(1, np.float32),
    )
    new = replace(old, rotation=about_y(angle_deg)[None])
    nose = old.landmarks(face_model)[0, 30]
    picture = np.full((256, 256, 3), 40, np.uint8)
    y, x = np.mgrid[:256, :256] + 0.5
    picture[np.hypot(x - nose[0], y - nose[1]) < 2.5] = 250
    turned = warp_face(picture, old, new, face_model)[..., 0].astype(float) - 40
    found = np.array([(turned * x).sum(), (turned * y).sum()]) / turned.sum()
    expected = new.landmarks(face_model)[0, 30]
    assert np.hypot(*(expected - nose)) > 10
    np.testing.assert_allclose(found, expected, atol=2.0)


def test_visible_drops_what_faces_away_or_lies_behind(face_model):
    """A square in front of another, seen from the front and from behind."""
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    shape = np.concatenate([square, square * 0.5 - [0, 0, 1]])
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    assert _visible(shape, triangles).tolist() == [True] * 4 + [False] * 4
    assert _visible(shape + [5, 0, 0] * np.repeat([[0], [1]], 4, axis=0), triangles).all()
    head = face_model.vertices(np.eye(50)[0], np.zeros(46))
    assert _visible(head, face_model.triangles).mean() > 0.9
    profile = _visible(head @ about_y(80).T, face_model.triangles)
    assert profile.mean() < 0.7


def test_reexpressed_keeps_pose_and_identity(faces, face_model):
    targets, fit = faces.targets[:1], faces.fit[:1]
    random = np.random.default_rng(2)
    pixels, changed = reexpressed(faces.crops[0], targets, fit, face_model, random)
    assert pixels.shape == faces.crops[0].shape
    np.testing.assert_array_equal(changed.identity, targets.identity)
    np.testing.assert_array_equal(changed.rotation, targets.rotation)
    assert np.abs(changed.expression - targets.expression).max() > 0.05
    assert changed.expression.min() >= 0
    assert changed.expression.max() <= 1


def test_moved_targets_keep_what_the_labels_say_beyond_the_fit(faces, face_model):
    fit = faces.fit[:1]
    shifted = replace(faces.targets[:1], landmarks=fit.landmarks(face_model) + 3.0)
    same = moved_targets(shifted, fit, fit, face_model)
    np.testing.assert_allclose(same.landmarks, shifted.landmarks, atol=1e-3)
