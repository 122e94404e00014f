import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.boxes import iou_matrix
from edgeface.reference.evaluation.detection import (
    DetectionSample,
    coco_precision,
    match_faces,
    size_share,
)
from tests.oracles import detection as oracle

IOUS = np.arange(10) * 0.05 + 0.5


def sample(truth, boxes, scores, ignore=None, size_hw=(100, 100)):
    truth = np.array(truth, float).reshape(-1, 4)
    return DetectionSample(
        truth,
        np.zeros(len(truth), bool) if ignore is None else np.array(ignore, bool),
        np.array(boxes, float).reshape(-1, 4),
        np.array(scores, float),
        size_hw,
    )


def test_coco_precision_by_hand():
    """Three faces; found exactly, found at IoU 0.8, missed; and one false alarm in between.

    By falling score: hit, false, hit (up to IoU 0.8). Recalls 1/3 and 2/3 are reached with
    precisions 1 and 2/3, so 34 of the 101 recalls count 1 and 33 count 2/3.
    """
    truth = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]]
    boxes = [[0, 0, 10, 10], [70, 70, 80, 80], [20, 0, 30, 8]]
    (found,) = coco_precision([sample(truth, boxes, [0.9, 0.8, 0.7])], (0.0,))
    loose, strict = (34 + 33 * 2 / 3) / 101, 34 / 101
    assert found.num_faces == 3
    assert found.ap50 == pytest.approx(loose)
    assert found.ap75 == pytest.approx(loose)
    # 0.5 .. 0.75, and 0.8 itself, against the three thresholds above
    assert found.ap == pytest.approx((7 * loose + 3 * strict) / 10)
    assert found.recall == pytest.approx(2 / 3)
    np.testing.assert_allclose(found.precision[[0, 33, 34, 66, 67]], [1, 1, 2 / 3, 2 / 3, 0])


def test_coco_precision_leaves_out_small_and_ignored_faces():
    truth = [[0, 0, 10, 10], [20, 0, 24, 4], [40, 40, 60, 60]]
    boxes = [[0, 0, 10, 10], [20, 0, 24, 4], [42, 42, 50, 50], [80, 80, 82, 82]]
    scene = sample(truth, boxes, [0.6, 0.9, 0.8, 0.7], ignore=[False, False, True])
    everything, large, none = coco_precision([scene], (0.0, 0.05, 0.5))
    assert (everything.num_faces, large.num_faces, none.num_faces) == (2, 1, 0)
    # over all sizes the last box is false, and it outranks one of the two faces
    assert everything.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert (large.ap, large.recall) == pytest.approx((1, 1))
    assert np.isnan(none.ap)


def test_coco_precision_of_perfection_and_of_nothing():
    truth = [[0, 0, 10, 10], [20, 0, 30, 10]]
    (perfect,) = coco_precision([sample(truth, truth, [0.9, 0.1])], (0.0,))
    assert (perfect.ap, perfect.ap50, perfect.ap75, perfect.recall) == (1, 1, 1, 1)
    (blind,) = coco_precision([sample(truth, [], [])], (0.0,))
    assert (blind.ap, blind.recall) == (0, 0)
    (empty,) = coco_precision([sample([], [[0, 0, 9, 9]], [0.9])], (0.0,))
    assert empty.num_faces == 0
    assert np.isnan(empty.ap50)


@settings(max_examples=60)
@given(seed=st.integers(0, 100_000))
def test_coco_precision_agrees_with_oracle(seed):
    random = np.random.default_rng(seed)
    samples, images = [], []
    for _ in range(3):
        size_hw = tuple(random.integers(60, 140, 2).tolist())
        truth = boxes_of(random, random.integers(0, 6))
        jitter = truth + random.uniform(-4, 4, truth.shape)
        boxes = np.concatenate([jitter, boxes_of(random, random.integers(0, 4))])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        ignore = random.random(len(truth)) < 0.2
        scores = random.permutation(np.linspace(0.05, 0.95, len(boxes)))
        samples.append(sample(truth, boxes, scores, ignore, size_hw))
        images.append((truth.tolist(), ignore, boxes.tolist(), scores.tolist(), size_hw))
    for least, found in zip((0.0, 0.1), coco_precision(samples, (0.0, 0.1)), strict=True):
        expected = [oracle.coco_average_precision(images, iou, least) for iou in IOUS]
        if found.num_faces == 0:
            assert np.isnan(found.ap)
            continue
        assert found.ap50 == pytest.approx(expected[0], abs=1e-9)
        assert found.ap75 == pytest.approx(expected[5], abs=1e-9)
        assert found.ap == pytest.approx(np.mean(expected), abs=1e-9)


def boxes_of(random, count):
    low = random.uniform(0, 50, (count, 2))
    return np.concatenate([low, low + random.uniform(4, 30, (count, 2))], axis=1)


def test_match_faces_gives_each_face_once_and_the_best_score_first():
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], float)
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [21, 0, 31, 10], [70, 0, 80, 10]], float)
    assert match_faces(boxes, np.array([0.8, 0.9, 0.7, 0.6]), truth).tolist() == [1, 2, -1]
    assert match_faces(boxes[:0], np.zeros(0), truth).tolist() == [-1, -1, -1]
    assert match_faces(boxes, np.ones(4), truth[:0]).tolist() == []


def test_match_faces_wants_half_of_the_union():
    truth = np.array([[0, 0, 10, 10]], float)
    boxes = np.array([[0, 0, 10, 4.9], [0, 0, 10, 5]], float)
    assert match_faces(boxes[:1], np.ones(1), truth).tolist() == [-1]
    assert match_faces(boxes[1:], np.ones(1), truth).tolist() == [0]


def test_match_faces_takes_the_next_free_face():
    """Two faces that overlap: the second detection prefers the one that is taken."""
    truth = np.array([[0, 0, 10, 10], [3, 0, 13, 10]], float)
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10]], float)
    assert match_faces(boxes, np.array([0.9, 0.8]), truth).tolist() == [0, 1]


def test_iou_matrix_agrees_with_oracle(random):
    low = random.uniform(0, 20, (2, 6, 2))
    a, b = np.concatenate([low, low + random.uniform(1, 15, (2, 6, 2))], axis=2)
    expected = [[oracle.iou(p, q) for q in b] for p in a]
    np.testing.assert_allclose(iou_matrix(a, b), expected)


def test_size_share_is_the_smaller_of_both_sides():
    assert size_share(np.array([[0, 0, 20, 30]]), (100, 400)).tolist() == [0.05]
    assert size_share(np.zeros((0, 4)), (100, 400)).tolist() == []
