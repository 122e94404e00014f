import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.kernels import decode_candidates
from tests.oracles import detection as oracle

ANCHORS = np.array([[13, 17], [44, 56], [138, 172]], np.float32)


def logits(seed, size):
    grid = np.random.default_rng(seed).normal(0, 1.5, (size, size, 15))
    return grid.clip(-5.9, 5.9).astype(np.float32)  # beyond 6, t_wh is bounded


def check(found, expected):
    boxes, scores, index = found
    assert [tuple(i) for i in index.tolist()] == [i for _, _, i in expected]
    np.testing.assert_allclose(scores, [s for s, _, _ in expected], rtol=1e-5)
    reference = np.array([b for _, b, _ in expected]).reshape(-1, 4)
    np.testing.assert_allclose(boxes, reference, rtol=1e-5, atol=1e-3)


@given(
    seed=st.integers(0, 10_000),
    threshold=st.floats(0.01, 0.99),
    size=st.integers(1, 4),
    reach=st.sampled_from([1.0, 1.25, 2.0, 3.0]),
)
def test_decode_agrees_with_oracle(engine, seed, threshold, size, reach):
    grid = logits(seed, size)
    expected = oracle.decode(grid, ANCHORS, 32, threshold, reach)
    found = decode_candidates(grid, ANCHORS, 32, threshold, cell_range=reach, engine=engine)
    check(found, expected)


def test_a_centre_moves_as_far_as_its_cells_range(engine):
    grid = np.zeros((1, 1, 3, 5), np.float32)
    grid[..., 0], grid[..., 1] = -80.0, 80.0  # as far left and down as can be
    for cell_range, low, high in ((1.0, 0.0, 32.0), (2.0, -16.0, 48.0)):
        boxes, _, _ = decode_candidates(
            grid.reshape(1, 1, 15), ANCHORS, 32, 0.5, cell_range=cell_range, engine=engine
        )
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        np.testing.assert_allclose(centres, [[low, high]] * 3, atol=1e-4)


def test_decode_extreme_logits_stay_finite(engine):
    grid = np.full((1, 1, 3, 5), 800.0, np.float32)
    grid[0, 0, 1] = -800.0
    boxes, scores, index = decode_candidates(
        grid.reshape(1, 1, 15), ANCHORS, 32, 0.5, engine=engine
    )
    assert np.isfinite(boxes).all()
    assert scores.tolist() == [1.0, 1.0]
    assert index[:, 2].tolist() == [0, 2]


def test_decode_drops_nan(engine):
    grid = np.zeros((1, 1, 3, 5), np.float32)
    grid[0, 0, 1, 4] = np.nan
    _, _, index = decode_candidates(grid.reshape(1, 1, 15), ANCHORS, 32, 0.2, engine=engine)
    assert index[:, 2].tolist() == [0, 2]


def test_decode_nothing_above_threshold_is_empty(engine):
    boxes, scores, index = decode_candidates(
        np.zeros((2, 2, 15), np.float32), ANCHORS, 32, 0.9, engine=engine
    )
    assert (boxes.shape, scores.shape, index.shape) == ((0, 4), (0,), (0, 3))


def test_decode_threshold_zero_and_one(engine):
    detection = np.zeros((2, 2, 15), np.float32)
    assert len(decode_candidates(detection, ANCHORS, 32, 0.0, engine=engine)[1]) == 12
    assert len(decode_candidates(detection, ANCHORS, 32, 1.0, engine=engine)[1]) == 0
    with pytest.raises(ValueError, match="lies in"):
        decode_candidates(detection, ANCHORS, 32, 1.1)


@pytest.mark.parametrize("shape", [(2, 2, 14), (2, 2, 3, 5), (4,)])
def test_decode_rejects_other_shapes(shape):
    with pytest.raises(ValueError, match="expected detection"):
        decode_candidates(np.zeros(shape, np.float32), ANCHORS, 32, 0.5)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (0, 2)])
def test_decode_rejects_anchors_of_other_shapes(engine, shape):
    with pytest.raises(ValueError, match=r"expected anchors \(A, 2\)"):
        decode_candidates(
            np.zeros((1, 1, 5 * shape[0]), np.float32), np.ones(shape), 32, 0.5, engine=engine
        )
