import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.kernels import suppress
from tests.oracles import detection as oracle

METHODS = ["greedy", "soft", "weighted"]
seeds, counts = st.integers(0, 10_000), st.integers(0, 25)


def draw(seed, count):
    random = np.random.default_rng(seed)
    low = random.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + random.uniform(1, 40, (count, 2))], axis=1)
    scores = random.choice([0.2, 0.5, 0.5, 0.9], count)  # ties on purpose
    return boxes.astype(np.float32), scores.astype(np.float32)


@given(seed=seeds, count=counts, threshold=st.floats(0.05, 0.95))
def test_suppress_agrees_with_oracle(engine, seed, count, threshold):
    boxes, scores = draw(seed, count)
    expected = oracle.suppress(boxes.astype(float).tolist(), scores.tolist(), threshold)
    kept, kept_boxes, kept_scores = suppress(boxes, scores, threshold, engine=engine)
    assert kept.tolist() == expected
    np.testing.assert_array_equal(kept_boxes, boxes[kept])
    np.testing.assert_array_equal(kept_scores, scores[kept])


@given(seed=seeds, count=counts, floor=st.floats(0.0, 0.4))
def test_suppress_soft_agrees_with_oracle(engine, seed, count, floor):
    boxes, _ = draw(seed, count)
    scores = np.random.default_rng(seed).uniform(0.4, 1, count).astype(np.float32)
    expected = oracle.suppress_soft(boxes.astype(float).tolist(), scores.tolist(), 0.3, floor)
    kept, _, kept_scores = suppress(
        boxes, scores, 0.3, method="soft", score_threshold=floor, engine=engine
    )
    assert kept.tolist() == [i for i, _ in expected]
    np.testing.assert_allclose(kept_scores, [s for _, s in expected], rtol=1e-5)


@given(seed=seeds, count=counts)
def test_suppress_weighted_agrees_with_oracle(engine, seed, count):
    boxes, scores = draw(seed, count)
    expected = oracle.suppress_weighted(boxes.astype(float).tolist(), scores.tolist(), 0.3, 0.1)
    kept, kept_boxes, _ = suppress(
        boxes, scores, 0.3, method="weighted", score_threshold=0.1, engine=engine
    )
    assert kept.tolist() == [i for i, _, _ in expected]
    means = [oracle.weighted_mean(boxes[members], weights) for _, members, weights in expected]
    np.testing.assert_allclose(kept_boxes, np.reshape(means, (-1, 4)), rtol=1e-5)


def test_suppress_weighted_does_not_jump_where_a_candidate_comes_or_goes(engine):
    def moved(score, x):
        boxes = np.array([[0, 0, 10, 10], [x, 0, 10 + x, 10]], np.float32)
        scores = np.array([0.9, score], np.float32)
        chosen = scores >= 0.5
        arguments = {"method": "weighted", "score_threshold": 0.5, "engine": engine}
        return suppress(boxes[chosen], scores[chosen], 0.4, **arguments)[1][0]

    at_40_percent = 30 / 7
    assert moved(0.8, 2.0)[0] > 0.3
    np.testing.assert_allclose(moved(0.5001, 2.0), moved(0.4999, 2.0), atol=1e-3)
    np.testing.assert_allclose(
        moved(0.8, at_40_percent - 1e-3), moved(0.8, at_40_percent + 1e-3), atol=1e-2
    )


@pytest.mark.parametrize("score", [0.0, 0.5])
def test_suppress_weighted_at_the_threshold_is_the_box(engine, score):
    box = np.array([[1, 2, 3, 4]], np.float32)
    _, boxes, _ = suppress(
        box, np.array([score], np.float32), 0.4, method="weighted", score_threshold=score,
        engine=engine,
    )  # fmt: skip
    np.testing.assert_array_equal(boxes, box)


@given(seed=seeds, count=counts)
def test_suppress_is_idempotent(engine, seed, count):
    boxes, scores = draw(seed, count)
    kept = suppress(boxes, scores, 0.4, engine=engine)[0]
    again = suppress(boxes[kept], scores[kept], 0.4, engine=engine)[0]
    assert again.tolist() == list(range(len(kept)))


@pytest.mark.parametrize("method", METHODS)
@given(seed=seeds, count=st.integers(1, 25))
def test_suppress_ignores_order_of_distinct_scores(engine, method, seed, count):
    boxes, _ = draw(seed, count)
    random = np.random.default_rng(seed + 1)
    scores = random.permutation(np.linspace(0.1, 0.9, count)).astype(np.float32)
    shuffle = random.permutation(count)
    shuffled = suppress(boxes[shuffle], scores[shuffle], 0.4, method=method, engine=engine)
    straight = suppress(boxes, scores, 0.4, method=method, engine=engine)
    assert shuffle[shuffled[0]].tolist() == straight[0].tolist()
    np.testing.assert_allclose(shuffled[1], straight[1], rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@given(seed=seeds, count=counts, limit=st.integers(0, 6))
def test_suppress_max_faces_keeps_the_best(engine, method, seed, count, limit):
    boxes, scores = draw(seed, count)
    every = suppress(boxes, scores, 0.4, method=method, engine=engine)
    best = suppress(boxes, scores, 0.4, method=method, max_faces=limit, engine=engine)
    for some, full in zip(best, every, strict=True):
        np.testing.assert_array_equal(some, full[:limit])


def test_suppress_leaves_its_arguments_alone(engine):
    boxes, scores = draw(1, 20)
    before = boxes.copy(), scores.copy()
    suppress(boxes, scores, 0.2, method="soft", engine=engine)
    np.testing.assert_array_equal(boxes, before[0])
    np.testing.assert_array_equal(scores, before[1])


def test_suppress_keeps_touching_boxes(engine):
    boxes = np.array([[0, 0, 10, 10], [10, 0, 20, 10]], np.float32)
    scores = np.array([0.5, 0.6], np.float32)
    assert suppress(boxes, scores, 0.0, engine=engine)[0].tolist() == [1, 0]


def test_suppress_keeps_boxes_exactly_at_the_threshold(engine):
    boxes = np.array([[0, 0, 2, 1], [1, 0, 2, 1]], np.float32)  # IoU is one half
    assert len(suppress(boxes, np.array([0.9, 0.8], np.float32), 0.5, engine=engine)[0]) == 2


def test_suppress_rejects():
    boxes, scores = draw(0, 3)
    with pytest.raises(ValueError, match="expected"):
        suppress(np.zeros((3, 5), np.float32), scores, 0.5)
    with pytest.raises(ValueError, match="method must be one of greedy, soft, weighted"):
        suppress(boxes, scores, 0.5, method="hard")
    with pytest.raises(ValueError, match="must not be negative"):
        suppress(boxes, scores, 0.5, max_faces=-1)


@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_score_is_no_candidate(engine, method):
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10]], np.float32)
    scores = np.array([np.nan, 0.7, 0.9], np.float32)
    kept, kept_boxes, _ = suppress(boxes, scores, 0.5, method=method, engine=engine)
    assert kept.tolist() == [2, 1]
    np.testing.assert_array_equal(kept_boxes, boxes[kept])


@pytest.mark.parametrize(("score", "edge"), [(-0.5, 0), (np.nan, 0), (np.inf, 0), (0.9, -np.inf)])
def test_suppress_leaves_out_what_has_no_score_or_place(engine, score, edge):
    boxes = np.array([[0, edge, 9, 9], [20, 0, 29, 9]], np.float32)
    kept, _, scores = suppress(boxes, np.array([score, 0.4], np.float32), 0.5, engine=engine)
    assert kept.tolist() == [1]
    np.testing.assert_array_equal(scores, np.float32([0.4]))
