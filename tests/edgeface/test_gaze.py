"""Where eyes look: directions, names, iris centres, and faces of networks that tell and do not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edgeface import ARKIT_NAMES, InvalidInputError
from edgeface.faces import concatenate
from edgeface.gaze import (
    FULL_LOOK_DEG,
    LOOKS,
    eye_looks,
    eye_quaternions,
    gaze_directions,
    gaze_from_looks,
    iris_centres,
)
from edgeface.heads import HeadDecoder
from edgeface.image import Placement
from edgeface.kernels import euler_from_rotation
from edgeface.model import Model
from edgeface.rotations import rotation_from_quaternion
from tests.edgeface.test_faces import some_faces
from tests.fakes import FixedBackend, metadata_of
from tests.reference.conftest import rotation

DOWN_AND_LEFT = np.array([[[10.0, 20.0], [12.0, 16.0]]], np.float32)


def looking(count, gaze=DOWN_AND_LEFT):
    return replace(some_faces(count), gaze_deg=np.tile(gaze, (count, 1, 1)).astype(np.float32))


def test_directions_have_the_signs_of_heads():
    down, left = gaze_directions(np.array([[30.0, 0.0], [0.0, 30.0]]))
    np.testing.assert_allclose(down, [0, -0.5, math.sqrt(0.75)], atol=1e-9)
    np.testing.assert_allclose(left, [0.5, 0, math.sqrt(0.75)], atol=1e-9)
    angles = np.array([12.0, -25.0])
    head = rotation(*angles, 0.0)
    np.testing.assert_allclose(gaze_directions(angles), head[:, 2], atol=1e-9)
    np.testing.assert_allclose(euler_from_rotation(head[None])[0][:2], angles, atol=1e-4)
    turned = rotation_from_quaternion(eye_quaternions(angles))
    np.testing.assert_allclose(turned, head, atol=1e-9)


def test_names_tell_the_eyes_apart():
    looks = dict(zip(LOOKS, eye_looks(DOWN_AND_LEFT)[0].tolist(), strict=True))
    assert looks["eyeLookDownRight"] == pytest.approx(10 / FULL_LOOK_DEG[0])
    assert looks["eyeLookOutLeft"] == pytest.approx(16 / FULL_LOOK_DEG[1])
    assert looks["eyeLookInRight"] == pytest.approx(20 / FULL_LOOK_DEG[1])
    assert [n for n, v in looks.items() if v == 0] == [
        "eyeLookUpRight", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookInLeft"
    ]  # fmt: skip
    np.testing.assert_allclose(gaze_from_looks(looks), DOWN_AND_LEFT[0], atol=1e-4)
    np.testing.assert_array_equal(gaze_from_looks({"eyeLookInLeft": math.nan}), 0)


def test_irises_lie_where_geometry_says(random):
    """One eye at a time, by hand: the ball's centre from the corners, then along the gaze."""
    landmarks = random.normal(100, 20, (1, 68, 3))
    turn = rotation(8, 25, -6)
    gaze = random.uniform(-25, 25, (1, 2, 2))
    found = iris_centres(landmarks, turn[None], gaze)[0]
    for eye, (first, second, outwards) in enumerate(((36, 39, -0.04), (42, 45, 0.04))):
        a, b = landmarks[0, first], landmarks[0, second]
        width = math.dist(a, b)
        pitch, yaw = np.deg2rad(gaze[0, eye])
        look = [math.sin(yaw), -math.sin(pitch) * math.cos(yaw), math.cos(pitch) * math.cos(yaw)]
        for axis, sign in ((0, 1), (1, -1)):
            offset = sum(
                turn[axis, k] * ([outwards, 0.08, -0.2][k] + 0.4 * look[k]) for k in range(3)
            )
            expected = (a[axis] + b[axis]) / 2 + sign * width * offset
            assert found[eye, axis] == pytest.approx(expected, abs=1e-3)


def test_eyes_that_look_left_have_irises_left_of_the_middle(face_model):
    shape = face_model.landmarks(np.eye(1, 50), np.zeros((1, 46)))[0]
    landmarks = (100 * shape * [1, -1, -1])[None]
    ahead, left, down = (
        iris_centres(landmarks, np.eye(3)[None], np.array([[g, g]]))[0]
        for g in ([0.0, 0.0], [0.0, 20.0], [15.0, 0.0])
    )
    middles = np.stack([landmarks[0, 36:42, :2].mean(axis=0), landmarks[0, 42:48, :2].mean(axis=0)])
    width = np.linalg.norm(landmarks[0, 36] - landmarks[0, 39])
    assert np.abs(ahead - middles).max() < 0.15 * width
    assert (left - ahead)[:, 0] == pytest.approx(
        [0.4 * math.sin(math.radians(20)) * width] * 2, rel=0.1
    )
    assert ((down - ahead)[:, 1] > 0.05 * width).all()  # y points down


def test_faces_carry_what_their_network_told():
    faces = looking(2)
    shapes = faces[0].blendshapes
    assert set(LOOKS) <= set(shapes)
    assert shapes["eyeLookOutLeft"] == pytest.approx(16 / FULL_LOOK_DEG[1])
    row = dict(zip(ARKIT_NAMES, faces.arkit_coeffs[0].tolist(), strict=True))
    assert {n: row[n] for n in LOOKS} == pytest.approx({n: shapes[n] for n in LOOKS})
    said = faces[0].to_dict()
    assert said["gaze_deg"] == DOWN_AND_LEFT[0].tolist()
    np.testing.assert_allclose(said["iris_centres"], faces.iris_centres[0])
    assert faces[1:].gaze_deg.shape == (1, 2, 2)
    assert faces.to_dict()[0].keys() - some_faces(1).to_dict()[0].keys() == {
        "gaze_deg", "iris_centres"
    }  # fmt: skip


def test_faces_without_a_gaze_say_so():
    faces = some_faces(1)
    assert faces.gaze_deg is None
    assert faces[0].gaze_deg is None
    assert np.isnan(faces.iris_centres).all()
    assert "gaze_deg" not in faces[0].to_dict()
    assert "eyeLookInLeft" not in faces[0].blendshapes
    assert "eyeLookUpLeft" in faces[0].blendshapes  # both eyes' lids
    with pytest.raises(InvalidInputError, match=r"gaze_deg: expected the shape \(1, 2, 2\)"):
        replace(faces, gaze_deg=np.zeros((1, 4), np.float32))


def test_where_two_networks_saw_one_image_only_one_told():
    both = concatenate([some_faces(1), looking(1)], some_faces(0))
    assert np.isnan(both.gaze_deg[0]).all()
    assert both.gaze_deg[1].tolist() == DOWN_AND_LEFT[0].tolist()
    assert "eyeLookInLeft" not in both[0].blendshapes
    assert np.isnan(both.iris_centres[0]).all()
    assert np.isfinite(both.iris_centres[1]).all()


def test_drawing_shows_where_eyes_look():
    image = np.zeros((80, 80, 3), np.uint8)
    with_rays, without = looking(1).draw(image), some_faces(1).draw(image)
    changed = (with_rays != without).any(axis=2)
    assert 0 < changed.sum() < 200
    unknown = looking(1, np.full((1, 2, 2), np.nan)).draw(image)
    np.testing.assert_array_equal(unknown, without)


def test_the_output_of_a_network_is_read_in_degrees(face_model):
    metadata = metadata_of("sfn", face_model, gaze=True)
    assert metadata.output_names[-1] == "gaze"
    backend = FixedBackend(face_model, metadata)
    backend.heads["gaze"][:] = [0.1, -0.2, 0.3, 0.4]
    (face,) = Model(backend).run(np.zeros((90, 90, 3), np.uint8))
    np.testing.assert_allclose(face.gaze_deg, np.rad2deg([[0.1, -0.2], [0.3, 0.4]]), rtol=1e-6)


def test_older_networks_have_no_such_output(face_model):
    metadata = metadata_of("sfn", face_model)
    assert "gaze" not in metadata.output_names
    heads = FixedBackend(face_model, metadata).heads
    box = np.array([[0, 0, 90, 90]], np.float32)
    placement = Placement(np.array([1.0, 1.0]), np.array([0.0, 0.0]))
    decoder = HeadDecoder(metadata, face_model)
    assert decoder.cropped(heads, box, [placement], "numpy").gaze_deg is None
