import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeface.kernels import (
    euler_from_rotation,
    project_landmarks,
    rotation_from_quaternion,
    unit_quaternion,
)
from tests.oracles import morphable as oracle


def rotation(axis, degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


@given(seed=st.integers(0, 10_000))
def test_rotation_from_quaternion_is_orthonormal_and_agrees_with_hamilton(seed):
    random = np.random.default_rng(seed)
    raw = random.normal(size=(4, 4)).astype(np.float32)
    quaternion = unit_quaternion(raw)
    matrices = rotation_from_quaternion(quaternion)
    assert (quaternion[:, 0] >= 0).all()
    identity = matrices @ matrices.transpose(0, 2, 1)
    np.testing.assert_allclose(identity, np.tile(np.eye(3), (4, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(matrices.astype(float)), 1.0, atol=1e-6)
    vector = random.normal(size=3)
    for q, matrix in zip(raw, matrices, strict=True):
        np.testing.assert_allclose(matrix @ vector, oracle.rotate(q, vector), atol=1e-5)


def test_unit_quaternion_of_zero_is_identity():
    assert unit_quaternion(np.zeros((1, 4), np.float32)).tolist() == [[1, 0, 0, 0]]


@given(pitch=st.floats(-179, 179), yaw=st.floats(-89, 89), roll=st.floats(-179, 179))
def test_euler_from_rotation_inverts_the_product(pitch, yaw, roll):
    matrix = rotation(0, pitch) @ rotation(1, yaw) @ rotation(2, roll)
    angles = euler_from_rotation(matrix[None])[0]
    np.testing.assert_allclose(angles, [pitch, yaw, roll], atol=0.02)


def test_euler_from_rotation_at_gimbal_lock_still_rebuilds_the_rotation():
    matrix = rotation(0, 20) @ rotation(1, 90) @ rotation(2, 35)
    pitch, yaw, roll = euler_from_rotation(matrix[None])[0]
    assert roll == 0
    rebuilt = rotation(0, pitch) @ rotation(1, yaw) @ rotation(2, roll)
    np.testing.assert_allclose(rebuilt, matrix, atol=1e-3)


def test_euler_signs_follow_the_nose():
    """The nose points along +z: looking left moves it to +x, looking down to -y."""
    nose = np.array([0.0, 0.0, 1.0])
    assert (rotation(1, 30) @ nose)[0] > 0.4
    assert (rotation(0, 30) @ nose)[1] < -0.4
    crown = np.array([0.0, 1.0, 0.0])
    assert (rotation(2, 30) @ crown)[0] < -0.4
    for axis, expected in enumerate(([30, 0, 0], [0, 30, 0], [0, 0, 30])):
        angles = euler_from_rotation(rotation(axis, 30)[None])[0]
        np.testing.assert_allclose(angles, expected, atol=1e-3)


@given(seed=st.integers(0, 10_000))
def test_project_landmarks_agrees_with_oracle(seed):
    random = np.random.default_rng(seed)
    shape = random.normal(size=(2, 5, 3)).astype(np.float32)
    raw = random.normal(size=(2, 4)).astype(np.float32)
    translation = random.normal(size=(2, 3)).astype(np.float32)
    focal = random.uniform(0, 1, 2).astype(np.float32)
    matrices = rotation_from_quaternion(unit_quaternion(raw))
    points = project_landmarks(shape, matrices, translation, focal)
    for i in range(2):
        expected = oracle.project(shape[i], raw[i], translation[i], focal[i])
        np.testing.assert_allclose(points[i], expected, atol=1e-5)
