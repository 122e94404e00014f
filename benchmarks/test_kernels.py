"""Kernels against the plain oracle, in one run: the gate is a ratio, never a time."""

import numpy as np
import pytest

from edgeface import kernels
from edgeface.kernels.jit import compiled
from edgeface.kernels.nms import suppress_loops
from tests.oracles import detection as oracle

ANCHORS = np.array([[13, 17], [25, 32], [44, 56], [78, 98], [138, 172]], np.float32)


@pytest.fixture(scope="module")
def detection():
    """Logits with some twenty candidates above one half."""
    random = np.random.default_rng(0)
    grid = random.normal(0, 1, (9, 9, 5, 5)).clip(-5, 5)
    grid[..., 4] -= 1.8
    return grid.reshape(9, 9, 25).astype(np.float32)


def ours(detection):
    boxes, scores, _ = kernels.decode_candidates(detection, ANCHORS, 32, 0.5)
    return boxes[kernels.suppress(boxes, scores, 0.45)]


def theirs(detection):
    found = oracle.decode(detection, ANCHORS, 32, 0.5)
    boxes, scores = [b for _, b, _ in found], [s for s, _, _ in found]
    return [boxes[i] for i in oracle.suppress(boxes, scores, 0.45)]


def test_decode_and_suppress(benchmark, detection):
    np.testing.assert_allclose(ours(detection), theirs(detection), rtol=1e-4, atol=1e-2)
    benchmark(ours, detection)


def test_decode_and_suppress_oracle(benchmark, detection):
    benchmark(theirs, detection)


def test_kernels_are_far_faster_than_the_oracle(detection):
    if compiled(suppress_loops) is None:
        pytest.skip("numba is not installed")
    ours(detection)
    assert best_of(5, ours, detection) * 5 < best_of(5, theirs, detection)


def best_of(rounds, function, *arguments):
    import timeit

    return min(timeit.repeat(lambda: function(*arguments), number=20, repeat=rounds))
