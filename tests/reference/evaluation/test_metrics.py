import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from edgeface.reference.data.labelled import neutral_landmarks
from edgeface.reference.evaluation.metrics import (
    area_under_curve,
    error_curve,
    euler_error,
    nme,
    rotation_angle,
)
from edgeface.reference.geometry.pose import (
    euler_deg,
    head_rotation,
    rotation_from_euler,
    yaw_from_rotation,
)


def test_nme_of_a_known_shift(random):
    truth = random.uniform(0, 100, (2, 68, 2))
    truth[:, 36], truth[:, 45] = [10, 50], [60, 50]
    predicted = truth + np.array([3, 4])
    assert nme(predicted, truth).tolist() == pytest.approx([10.0, 10.0])
    width, height = np.ptp(truth, axis=1).T
    np.testing.assert_allclose(nme(predicted, truth, "box"), 500 / np.sqrt(width * height))
    np.testing.assert_allclose(nme(predicted, truth, "diagonal"), 500 / np.hypot(width, height))
    predicted = truth.copy()
    predicted[:, :17] += 50
    assert nme(predicted, truth, inner=True).tolist() == [0.0, 0.0]


def test_area_under_curve_by_hand():
    # a staircase: 1/4 from 0, 2/4 from 2, 3/4 from 6, and one face beyond all limits
    errors = np.array([6.0, 0.0, np.inf, 2.0])
    assert area_under_curve(errors, 8.0) == pytest.approx((2 * 1 + 4 * 2 + 2 * 3) / 4 / 8)
    assert np.isnan(area_under_curve(np.zeros(0), 8.0))


def test_area_under_curve_is_the_integral_of_the_curve(random):
    errors = np.append(random.uniform(0, 12, 50), np.inf)
    limits = np.linspace(0, 8, 100_001)
    integral = error_curve(errors, limits)[:-1].mean()
    assert area_under_curve(errors, 8.0) == pytest.approx(integral, abs=1e-4)


def test_error_curve_counts_errors_up_to_the_limit():
    curve = error_curve(np.array([1.0, 2.0, np.inf]), np.array([0.5, 1.0, 2.5]))
    assert curve.tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert error_curve(np.zeros(0), np.array([1.0])).tolist() == [0]


def test_euler_angles_agree_with_scipy(random):
    angles = random.uniform([-180, -89, -180], [180, 89, 180], (20, 3))
    expected = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix()
    rotation = rotation_from_euler(angles)
    np.testing.assert_allclose(rotation, expected, atol=1e-12)
    np.testing.assert_allclose(euler_deg(rotation), angles, atol=1e-4)


def test_euler_error_goes_the_short_way_round():
    a, b = rotation_from_euler(np.array([[5.0, 10, 179], [0, 0, -178]]))
    np.testing.assert_allclose(euler_error(a[None], b[None]), [[5, 10, 3]], atol=1e-4)


def test_rotation_angle_agrees_with_scipy(random):
    a, b = Rotation.random(9, rng=random), Rotation.random(9, rng=random)
    expected = np.rad2deg((a.inv() * b).magnitude())
    np.testing.assert_allclose(rotation_angle(a.as_matrix(), b.as_matrix()), expected, atol=1e-6)


def test_head_rotation_recovers_the_pose_of_the_mean_face(random, face_model):
    shape = neutral_landmarks(face_model)
    rotation = rotation_from_euler(random.uniform([-20, -80, -30], [20, 80, 30], (12, 3)))
    points = np.einsum("nij,lj->nli", rotation, shape)[..., :2] * [120, -120] + [300, 200]
    found = head_rotation(points, shape)
    np.testing.assert_allclose(found, rotation, atol=1e-6)
    assert np.linalg.det(found) == pytest.approx(np.ones(12))


def test_yaw_from_rotation_is_positive_towards_the_faces_left():
    rotation = rotation_from_euler(np.array([[10.0, 40, 0], [0, -70, 0]]))
    assert yaw_from_rotation(rotation)[1] == pytest.approx(-70)
    assert yaw_from_rotation(rotation)[0] > 39
