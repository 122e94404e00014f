"""A fusion network at run time: correction, dense mesh, OBJ, boxes, tracking."""

from dataclasses import replace

import numpy as np
import pytest

import edgeface
from edgeface import InvalidInputError
from edgeface.faces import concatenate
from edgeface.model import Model
from edgeface.video.track import Track
from tests.fakes import FixedBackend, metadata_of

BOXES = np.array([[20, 30, 120, 150], [100, 10, 190, 100]], np.float32)


@pytest.fixture
def backend(face_model, random):
    """Says what it was told of every crop."""
    harmonics = random.normal(0, 1, (len(face_model.mean), 20)).astype(np.float32)
    heads = {
        "identity": np.concatenate([np.ones((2, 1)), random.normal(0, 1, (2, 49))], axis=1),
        "expression": random.normal(-1, 1, (2, 46)),
        "correction": random.normal(0, 0.03, (2, 60)),
        "pose": np.array([[0.1, 0.2, -0.5, 0.1, 0.03, -0.02], [-0.3, 0, 0, 0, 0, 0.1]]),
    }
    corrected = replace(face_model, harmonics=harmonics)
    heads = {name: head.astype(np.float32) for name, head in heads.items()}
    return FixedBackend(corrected, metadata_of("fusion", corrected), heads)


@pytest.fixture
def model(backend):
    return Model(backend)


def rodrigues(vector):
    angle = np.linalg.norm(vector)
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_run_decodes_what_the_paper_says(backend, model, noise):
    heads, shape_of = backend.heads, model.face_model
    faces = model.run(noise, boxes_xyxy=BOXES)
    assert backend.seen.shape == (2, 128, 128, 3)
    np.testing.assert_array_equal(faces.boxes_xyxy, BOXES)
    for i, face in enumerate(faces):
        expression = 1 / (1 + np.exp(-heads["expression"][i].astype(float)))
        field = shape_of.harmonics @ heads["correction"][i].reshape(20, 3)
        shape = shape_of.vertices(heads["identity"][i], expression) + field
        raw = heads["pose"][i].astype(float)
        rotation = rodrigues(raw[1:4])
        placed = (shape @ rotation.T) / (1 + np.exp(-raw[0])) * [1, -1, -1]
        placed[:, :2] += raw[4:]
        longer = (BOXES[i, 2:] - BOXES[i, :2]).max()
        placed *= longer
        placed[:, :2] += (BOXES[i, :2] + BOXES[i, 2:]) / 2
        np.testing.assert_allclose(face.vertices(), placed, atol=0.01)
        corners = placed[shape_of.landmark_vertices]
        landmarks = np.einsum("lkc,lk->lc", corners, shape_of.landmark_weights)
        np.testing.assert_allclose(face.landmarks_3d, landmarks, atol=0.01)
        np.testing.assert_allclose(face.rotation, rotation, atol=1e-6)
        np.testing.assert_allclose(faces.correction_coeffs[i], heads["correction"][i])
        np.testing.assert_allclose(face.identity_coeffs, heads["identity"][i])
    np.testing.assert_array_equal(model.vertices(faces), faces.vertices())
    assert len(model.run(noise)) == 1  # one that fills the image
    empty = model.run(noise, boxes_xyxy=[])
    assert empty.vertices().shape == (0, 468, 3)
    assert empty.correction_coeffs.shape == (0, 60)


def test_a_fusion_network_detects_nothing(model, noise):
    with pytest.raises(InvalidInputError, match="kind fusion does not detect"):
        model.run(noise, score_threshold=0.5)
    with pytest.raises(InvalidInputError, match="kind fusion is run"):
        model.run_batch([noise])


def test_to_obj_is_the_dense_mesh(model, noise):
    faces = model.run(noise, boxes_xyxy=BOXES)
    face = replace(faces, correction_coeffs=None)[1]  # the fixture's harmonics crumple it
    rows = [line.split() for line in face.to_obj().splitlines()]
    vertices = np.array([r[1:] for r in rows if r[0] == "v"], float)
    np.testing.assert_allclose(vertices * [1, -1, -1], face.vertices(), atol=6e-4)
    corners = [[c.split("/") for c in r[1:]] for r in rows if r[0] == "f"]
    np.testing.assert_array_equal(np.array(corners, int)[:, :, 0] - 1, model.face_model.triangles)
    assert sum(r[0] == "vt" for r in rows) == len(model.face_model.uv)
    # counter-clockwise from the front, where the viewer is at positive z
    a, b, c = (vertices[model.face_model.triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)[:, 2]
    assert normal.sum() > 0.5 * np.abs(normal).sum()


@pytest.mark.parametrize("name", ["mfn", "sfn"])
def test_other_networks_have_dense_meshes_too(name):
    faces = edgeface.load(name).run(edgeface.DEMO_PHOTO)
    vertices = faces[0].vertices()
    map_of = faces.face_model.landmark_vertices, faces.face_model.landmark_weights
    landmarks = np.einsum("lkc,lk->lc", vertices[map_of[0]], map_of[1])
    longer = np.ptp(faces[0].box_xyxy.reshape(2, 2), axis=0).max()
    np.testing.assert_allclose(landmarks, faces[0].landmarks_3d, atol=0.004 * longer)
    assert faces.correction_coeffs is None
    assert faces[0].to_obj().count("\nf ") == len(faces.face_model.triangles)


def test_faces_without_a_face_model_have_no_mesh(model, noise):
    faces = replace(model.run(noise), face_model=None)
    with pytest.raises(InvalidInputError, match="without their face model"):
        faces[0].vertices()


def test_tracks_keep_the_correction(model, noise):
    face = model.run(noise, boxes_xyxy=BOXES[:1])
    track = Track(model.face_model.reduced, "off")
    track.see(face, 0.0)
    np.testing.assert_allclose(track.face.landmarks_3d, face.landmarks_3d, atol=0.02)
    plain = replace(face, correction_coeffs=None)
    both = concatenate([face, plain], face.select(np.zeros(0, int)))
    assert (both.correction_coeffs[1] == 0).all()
    np.testing.assert_array_equal(both.correction_coeffs[0], face.correction_coeffs[0])
    other = concatenate([plain, plain], plain)
    assert other.correction_coeffs is None


def test_the_tracker_follows_with_the_fusion_network():
    mfn, fusion = edgeface.load("mfn"), edgeface.load("fusion")
    tracker = edgeface.Tracker(mfn, crop_model=fusion, smoothing="off", max_crops=8)
    tracker.update(edgeface.DEMO_PHOTO)
    faces = tracker.update(edgeface.DEMO_PHOTO)
    looked = fusion.run(edgeface.DEMO_PHOTO, boxes_xyxy=faces.boxes_xyxy)
    size = np.ptp(faces.boxes_xyxy.reshape(-1, 2, 2), axis=1).max()
    np.testing.assert_allclose(faces.vertices(), looked.vertices(), atol=0.05 * size)
    assert np.abs(faces.correction_coeffs).max() > 0


def test_results_with_and_without_correction_join():
    mfn, fusion = edgeface.load("mfn"), edgeface.load("fusion")
    found = mfn.run(edgeface.DEMO_PHOTO)
    looked = fusion.run(edgeface.DEMO_PHOTO, boxes_xyxy=found.boxes_xyxy)
    both = concatenate([found, looked], found).vertices()
    np.testing.assert_allclose(both[:5], found.vertices(), atol=0.01)
    np.testing.assert_allclose(both[5:], looked.vertices(), atol=0.01)
