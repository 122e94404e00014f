import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.kernels import decode_candidates
from edgeface.kernels.decode import decode_loops, decode_numpy
from edgeface.kernels.jit import compiled
from tests.oracles import detection as oracle

ANCHORS = np.array([[13, 17], [44, 56], [138, 172]], np.float32)


def loops(kernel, grid, stride, limit):
    count = grid[..., 0].size
    boxes, scores = np.empty((count, 4), np.float32), np.empty(count, np.float32)
    index = np.empty((count, 3), np.int64)
    found = kernel(grid, ANCHORS, stride, limit, boxes, scores, index)
    return boxes[:found], scores[:found], index[:found]


def implementations(grid, stride, limit):
    """numpy, plain loops (what numba sees with its compiler off), compiled loops."""
    yield decode_numpy(grid, ANCHORS, stride, limit)
    yield loops(decode_loops, grid, stride, limit)
    kernel = compiled(decode_loops)
    if kernel is not None:
        yield loops(kernel, grid, stride, limit)


@given(seed=st.integers(0, 10_000), threshold=st.floats(0.01, 0.99), size=st.integers(1, 4))
def test_decode_agrees_with_oracle(seed, threshold, size):
    grid = np.random.default_rng(seed).normal(0, 1.5, (size, size, 3, 5))
    grid = grid.clip(-5.9, 5.9).astype(np.float32)  # beyond 6, t_wh is bounded
    expected = oracle.decode(grid.reshape(size, size, 15), ANCHORS, 32, threshold)
    limit = float(np.log(threshold / (1 - threshold)))
    for boxes, scores, index in implementations(grid, 32.0, limit):
        assert [tuple(i) for i in index.tolist()] == [i for _, _, i in expected]
        np.testing.assert_allclose(scores, [s for s, _, _ in expected], rtol=1e-5)
        reference = np.array([b for _, b, _ in expected]).reshape(-1, 4)
        np.testing.assert_allclose(boxes, reference, rtol=1e-5, atol=1e-3)


def test_decode_extreme_logits_stay_finite():
    grid = np.full((1, 1, 3, 5), 80.0, np.float32)
    grid[0, 0, 1] = -80.0
    for boxes, scores, index in implementations(grid, 32.0, 0.0):
        assert np.isfinite(boxes).all()
        assert scores.tolist() == [1.0, 1.0]
        assert index[:, 2].tolist() == [0, 2]


def test_decode_drops_nan():
    grid = np.zeros((1, 1, 3, 5), np.float32)
    grid[0, 0, 1, 4] = np.nan
    for _, _, index in implementations(grid, 32.0, -1.0):
        assert index[:, 2].tolist() == [0, 2]


def test_decode_nothing_above_threshold_is_empty():
    boxes, scores, index = decode_candidates(np.zeros((2, 2, 15), np.float32), ANCHORS, 32, 0.9)
    assert (boxes.shape, scores.shape, index.shape) == ((0, 4), (0,), (0, 3))


def test_decode_threshold_zero_and_one():
    detection = np.zeros((2, 2, 15), np.float32)
    assert len(decode_candidates(detection, ANCHORS, 32, 0.0)[1]) == 12
    assert len(decode_candidates(detection, ANCHORS, 32, 1.0)[1]) == 0


@pytest.mark.parametrize("shape", [(2, 2, 14), (2, 2, 3, 5), (4,)])
def test_decode_rejects_other_shapes(shape):
    with pytest.raises(ValueError, match="expected detection"):
        decode_candidates(np.zeros(shape, np.float32), ANCHORS, 32, 0.5)


def test_decode_compiles_once_for_every_call():
    kernel = compiled(decode_loops)
    if kernel is None:
        pytest.skip("numba is not installed")
    for size in (1, 3, 9):
        decode_candidates(np.zeros((size, size, 15), np.float32), ANCHORS, 32, 0.5)
        decode_candidates(np.zeros((size, size, 15), np.float64)[::1], ANCHORS, 16, 0.1)
    assert len(kernel.signatures) == 1
