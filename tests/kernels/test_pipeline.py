"""`find_faces` and `pose_faces`: the whole post-processing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.kernels import (
    Basis,
    FoundFaces,
    find_candidates,
    find_faces,
    merge_candidates,
    pose_faces,
    suppress,
)
from edgeface.kernels.detect import HEADS
from tests.oracles import detection as oracle
from tests.oracles import morphable

ANCHORS = np.array([[40, 50], [90, 70]], np.float32)
WIDTHS = dict(zip(HEADS, (5, 50, 46, 8), strict=True))


def heads(seed, size=4):
    random = np.random.default_rng(seed)
    return {
        name: random.normal(0, 1, (size, size, 2 * width)).astype(np.float32)
        for name, width in WIDTHS.items()
    }


def decoded(outputs, threshold, cell_range=1.0):
    """Boxes, scores and cells (row, column, anchor) of the oracle's candidates."""
    candidates = oracle.decode(outputs["detection"], ANCHORS, 32, threshold, cell_range)
    scores, boxes, cells = ([c[i] for c in candidates] for i in range(3))
    return boxes, scores, cells


def values_at(outputs, name, place):
    """A head's values at one (row, column, anchor)."""
    row, column, anchor = place
    width = WIDTHS[name]
    return outputs[name][row, column, anchor * width : (anchor + 1) * width]


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), limit=st.integers(0, 9))
def test_find_faces_agrees_with_oracle(engine, seed, limit):
    outputs = heads(seed)
    boxes, scores, cells = decoded(outputs, 0.6)
    expected = oracle.suppress(boxes, scores, 0.3)[:limit]
    found = find_faces(outputs, ANCHORS, 32, 0.6, 0.3, max_faces=limit, engine=engine)
    assert len(found.scores) == len(expected)
    for i, best in enumerate(expected):
        assert found.scores[i] == pytest.approx(scores[best], rel=1e-5)
        np.testing.assert_allclose(found.boxes_xyxy[i], boxes[best], rtol=1e-4, atol=1e-2)
        for name in HEADS[1:]:
            values = values_at(outputs, name, cells[best])
            np.testing.assert_array_equal(getattr(found, name)[i], values)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), limit=st.integers(0, 9))
def test_find_faces_weighted_agrees_with_oracle(engine, seed, limit):
    outputs = heads(seed)
    boxes, scores, cells = decoded(outputs, 0.6, cell_range=1.5)
    expected = oracle.suppress_weighted(boxes, scores, 0.3, 0.6)[:limit]
    found = find_faces(
        outputs, ANCHORS, 32, 0.6, 0.3,
        max_faces=limit, method="weighted", cell_range=1.5, engine=engine,
    )  # fmt: skip
    assert len(found.scores) == len(expected)
    for i, (best, members, weights) in enumerate(expected):
        assert found.scores[i] == pytest.approx(scores[best], rel=1e-5)
        box = oracle.weighted_mean([boxes[m] for m in members], weights)
        np.testing.assert_allclose(found.boxes_xyxy[i], box, rtol=1e-4, atol=1e-2)
        for name in HEADS[1:]:
            rows = [values_at(outputs, name, cells[m]) for m in members]
            mean = oracle.weighted_mean(rows, weights)
            np.testing.assert_allclose(getattr(found, name)[i], mean, rtol=1e-4, atol=1e-5)


def test_find_faces_takes_soft(engine):
    outputs = heads(8)
    found = find_faces(outputs, ANCHORS, 32, 0.5, 0.2, method="soft", engine=engine)
    boxes, scores = (np.array(column, np.float32) for column in decoded(outputs, 0.5)[:2])
    _, kept, kept_scores = suppress(boxes, scores, 0.2, method="soft", score_threshold=0.5)
    np.testing.assert_allclose(found.boxes_xyxy, kept, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.scores, kept_scores, rtol=1e-5)


def test_find_faces_keeps_no_more_memory_than_its_faces(engine):
    for array in find_faces(heads(1), ANCHORS, 32, 0.6, 0.3, engine=engine):
        assert array.base is None or array.base.size == array.size


def test_find_faces_of_nothing_is_empty(engine):
    found = find_faces(heads(0), ANCHORS, 32, 1.0, 0.3, engine=engine)
    assert [a.shape for a in found] == [(0, 4), (0,), (0, 50), (0, 46), (0, 8)]


def test_find_faces_names_an_absent_head():
    outputs = heads(7)
    del outputs["pose"]
    with pytest.raises(ValueError, match="pose is absent"):
        find_faces(outputs, ANCHORS, 32, 0.6, 0.3)


def test_find_faces_rejects():
    outputs = heads(0)
    with pytest.raises(ValueError, match="pose: the shape"):
        find_faces(outputs | {"pose": outputs["pose"][:2]}, ANCHORS, 32, 0.5, 0.5)
    with pytest.raises(ValueError, match="detection: the shape"):
        find_faces(outputs | {"detection": outputs["pose"]}, ANCHORS, 32, 0.5, 0.5)
    with pytest.raises(ValueError, match="method must be"):
        find_faces(outputs, ANCHORS, 32, 0.5, 0.5, method="none")


@pytest.mark.parametrize("num_placements", [1, 3])
def test_pose_faces_agrees_with_oracles(engine, face_model, num_placements):
    random = np.random.default_rng(2)
    identity = random.normal(0, 0.5, (3, 50)).astype(np.float32)
    identity[:, 0] = 1
    logits = random.normal(0, 1, (3, 46)).astype(np.float32)
    pose = random.normal(0, 1, (3, 8)).astype(np.float32)
    pose[2, :4] = 0  # no rotation at all
    low = random.uniform(0, 200, (3, 2))
    boxes = np.concatenate([low, low + random.uniform(20, 80, (3, 2))], axis=1).astype(np.float32)
    placements = np.array([[0.5, 0.48, 0, 30], [0.7, 0.7, 9, 0], [2, 2.1, -50, 4]])[:num_placements]
    basis = Basis.from_shapes(*face_model.landmark_shapes)
    found = pose_faces(basis, boxes, identity, logits, pose, placements, engine=engine)
    for i in range(3):
        sx, sy, ox, oy = placements[i if num_placements > 1 else 0]
        expression = 1 / (1 + np.exp(-logits[i].astype(float)))
        np.testing.assert_allclose(found.expression[i], expression, atol=1e-6)
        shape = morphable.landmarks(face_model.reduced, identity[i], expression)
        quaternion = pose[i, :4] if i < 2 else [1, 0, 0, 0]
        focal = 1 / (1 + np.exp(-float(pose[i, 7])))
        norm = morphable.project(shape, quaternion, pose[i, 4:7], focal)
        corners = boxes[i].astype(float).reshape(2, 2)
        inside = norm[:, :2] * max(corners[1] - corners[0]) + corners.mean(axis=0)
        expected = (inside - [ox, oy]) / [sx, sy]
        np.testing.assert_allclose(found.landmarks[i, :, :2], expected, rtol=1e-4, atol=2e-3)
        depth = norm[:, 2] * max(corners[1] - corners[0]) / ((sx + sy) / 2)
        np.testing.assert_allclose(found.landmarks[i, :, 2], depth, rtol=1e-4, atol=2e-3)
        edges = ((corners - [ox, oy]) / [sx, sy]).ravel()
        np.testing.assert_allclose(found.boxes_xyxy[i], edges, rtol=1e-5, atol=1e-3)
        nose = morphable.rotate(quaternion, (0.0, 0.0, 1.0))
        np.testing.assert_allclose(found.rotation[i] @ [0, 0, 1], nose, atol=1e-6)
        assert found.focal[i] == pytest.approx(focal, rel=1e-5)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_pose_faces_gives_angles_that_rebuild_the_rotation(engine, seed, face_model):
    random = np.random.default_rng(seed)
    basis = Basis.from_shapes(*face_model.landmark_shapes)
    arrays = [np.zeros((2, n), np.float32) for n in (4, 50, 46)]
    pose = random.normal(size=(2, 8)).astype(np.float32)
    found = pose_faces(basis, *arrays, pose, np.ones((1, 4)), engine=engine)
    for angles, rotation in zip(found.euler_deg, found.rotation, strict=True):
        (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(angles)), np.sin(np.deg2rad(angles))
        pitch = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        np.testing.assert_allclose(pitch @ yaw @ roll, rotation, atol=1e-3)


def test_pose_faces_of_nobody_is_empty(engine, face_model):
    basis = Basis.from_shapes(*face_model.landmark_shapes)
    arrays = [np.zeros((0, n), np.float32) for n in (4, 50, 46, 8)]
    found = pose_faces(basis, *arrays, np.ones((1, 4)), engine=engine)
    assert found.landmarks.shape == (0, 68, 3)
    assert found.focal.shape == (0,)


def test_pose_faces_rejects(face_model):
    basis = Basis.from_shapes(*face_model.landmark_shapes)
    arrays = [np.zeros((2, n), np.float32) for n in (4, 50, 46, 8)]
    with pytest.raises(ValueError, match="placements: expected"):
        pose_faces(basis, *arrays, np.ones((3, 4)))
    with pytest.raises(ValueError, match="pose: expected the shape"):
        pose_faces(basis, *arrays[:3], np.zeros((2, 7), np.float32), np.ones((1, 4)))
    for scales in ((0, 0), (np.nan, np.nan), (np.inf, np.inf), (1, -1)):
        with pytest.raises(ValueError, match="finite, and their scales above 0"):
            pose_faces(basis, *arrays, np.array([[*scales, 0, 0]]))


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), limit=st.integers(0, 9))
@pytest.mark.parametrize("method", ["greedy", "soft", "weighted"])
def test_merging_the_candidates_of_one_input_is_finding_its_faces(engine, method, seed, limit):
    outputs = heads(seed)
    options = {"max_faces": limit, "method": method, "engine": engine}
    candidates = find_candidates(outputs, ANCHORS, 32, 0.6, cell_range=2.0, engine=engine)
    merged = merge_candidates(candidates, 0.65, 0.3, **options)
    for ours, theirs in zip(
        merged, find_faces(outputs, ANCHORS, 32, 0.65, 0.3, cell_range=2.0, **options), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_candidates_of_several_inputs_share_a_face(engine):
    """A face seen twice is one; its coefficients lie between those of both."""
    outputs = heads(3)
    once = find_candidates(outputs, ANCHORS, 32, 0.8, engine=engine)
    other = once._replace(identity=once.identity + 1, boxes_xyxy=once.boxes_xyxy + 1)
    both = FoundFaces(*(np.concatenate(pair) for pair in zip(once, other, strict=True)))
    options = {"method": "weighted", "engine": engine}
    alone, merged = (merge_candidates(c, 0.5, 0.3, **options) for c in (once, both))
    np.testing.assert_array_equal(merged.scores, alone.scores)
    moved = merged.identity - alone.identity
    assert ((moved > 0.2) & (moved < 0.8)).all()
