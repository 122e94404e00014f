import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.kernels import suppress
from edgeface.kernels.jit import compiled
from edgeface.kernels.nms import suppress_loops, suppress_numpy
from tests.oracles import detection as oracle


def draw(seed, count):
    random = np.random.default_rng(seed)
    low = random.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + random.uniform(1, 40, (count, 2))], axis=1)
    scores = random.choice([0.2, 0.5, 0.5, 0.9], count)  # ties on purpose
    return boxes.astype(np.float32), scores.astype(np.float32)


def implementations(boxes, scores, threshold):
    order = np.argsort(-scores, kind="stable")
    yield suppress_numpy(boxes, order, threshold)
    for kernel in (suppress_loops, compiled(suppress_loops)):
        if kernel is not None:
            kept = np.empty(len(order), np.int64)
            yield kept[: kernel(boxes, order, threshold, kept)]


@given(seed=st.integers(0, 10_000), count=st.integers(0, 25), threshold=st.floats(0.05, 0.95))
def test_suppress_agrees_with_oracle(seed, count, threshold):
    boxes, scores = draw(seed, count)
    expected = oracle.suppress(boxes.astype(float).tolist(), scores.tolist(), threshold)
    for kept in implementations(boxes, scores, threshold):
        assert kept.tolist() == expected


@given(seed=st.integers(0, 10_000), count=st.integers(0, 25))
def test_suppress_is_idempotent(seed, count):
    boxes, scores = draw(seed, count)
    kept = suppress(boxes, scores, 0.4)
    again = suppress(boxes[kept], scores[kept], 0.4)
    assert again.tolist() == list(range(len(kept)))


@given(seed=st.integers(0, 10_000), count=st.integers(1, 25))
def test_suppress_ignores_order_of_distinct_scores(seed, count):
    boxes, _ = draw(seed, count)
    random = np.random.default_rng(seed + 1)
    scores = random.permutation(np.linspace(0.1, 0.9, count)).astype(np.float32)
    shuffle = random.permutation(count)
    shuffled = suppress(boxes[shuffle], scores[shuffle], 0.4)
    assert shuffle[shuffled].tolist() == suppress(boxes, scores, 0.4).tolist()


def test_suppress_keeps_touching_boxes():
    boxes = np.array([[0, 0, 10, 10], [10, 0, 20, 10]], np.float32)
    assert suppress(boxes, np.array([0.5, 0.6], np.float32), 0.0).tolist() == [1, 0]


def test_suppress_keeps_boxes_exactly_at_the_threshold():
    boxes = np.array([[0, 0, 2, 1], [1, 0, 2, 1]], np.float32)  # IoU is one half
    assert len(suppress(boxes, np.array([0.9, 0.8], np.float32), 0.5)) == 2


def test_suppress_rejects_other_shapes():
    with pytest.raises(ValueError, match="expected"):
        suppress(np.zeros((3, 5), np.float32), np.zeros(3, np.float32), 0.5)
