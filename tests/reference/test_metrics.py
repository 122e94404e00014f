import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.reference.evaluate import rotation_angle
from edgeface.reference.metrics import average_precision, iou_matrix, match_detections, nme
from tests.oracles import detection as oracle


def test_nme_of_a_known_shift(random):
    truth = random.uniform(0, 100, (2, 68, 2))
    truth[:, 36], truth[:, 45] = [10, 50], [60, 50]
    predicted = truth + np.array([3, 4])
    assert nme(predicted, truth).tolist() == pytest.approx([10.0, 10.0])
    extent = np.ptp(truth, axis=1)
    expected = 100 * 5 / np.sqrt(extent.prod(axis=1))
    np.testing.assert_allclose(nme(predicted, truth, box=True), expected)
    predicted = truth.copy()
    predicted[:, :17] += 50
    assert nme(predicted, truth, inner=True).tolist() == [0.0, 0.0]


@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_average_precision_agrees_with_oracle(seed, count):
    random = np.random.default_rng(seed)
    scores = random.permutation(np.linspace(0.01, 0.99, count))
    outcome = random.choice([1, 0, -1], count).astype(np.int8)
    num_truth = int((outcome == 1).sum() + random.integers(1, 5))
    pairs = [(s, o == 1) for s, o in zip(scores, outcome, strict=True) if o >= 0]
    precision, recall = average_precision(scores, outcome, num_truth)
    assert precision == pytest.approx(oracle.average_precision(pairs, num_truth), abs=1e-9)
    assert recall == pytest.approx((outcome == 1).sum() / num_truth)


def test_average_precision_of_perfection_and_of_nothing():
    assert average_precision(np.array([0.9, 0.8]), np.array([1, 1]), 2) == (1.0, 1.0)
    assert average_precision(np.zeros(0), np.zeros(0), 3) == (0.0, 0.0)


def test_match_detections_gives_each_face_once():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], float)
    boxes = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 30, 10], [70, 0, 80, 10]], float)
    ignore = np.array([False, True, False])
    outcome, matched = match_detections(boxes, np.array([0.9, 0.8, 0.7, 0.6]), truth, ignore)
    assert outcome.tolist() == [1, 0, -1, 0]
    assert matched.tolist() == [0, -1, -1, -1]


def test_iou_matrix_agrees_with_oracle(random):
    low = random.uniform(0, 20, (2, 6, 2))
    a, b = np.concatenate([low, low + random.uniform(1, 15, (2, 6, 2))], axis=2)
    expected = [[oracle.iou(p, q) for q in b] for p in a]
    np.testing.assert_allclose(iou_matrix(a, b), expected)


def test_rotation_angle_of_a_known_turn():
    turn = np.array([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    assert rotation_angle(turn, np.eye(3)[None]) == pytest.approx(90)
