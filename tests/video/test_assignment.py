import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from edgeface.video.assignment import FORBIDDEN, assign


@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 2**32 - 1), st.booleans())
def test_assign_costs_what_scipy_finds(rows, columns, seed, ties):
    random = np.random.default_rng(seed)
    cost = random.integers(0, 4, (rows, columns)) if ties else random.random((rows, columns))
    pairs = assign(cost.astype(float))
    assert len(pairs) == min(rows, columns)
    assert len({c for _, c in pairs}) == len(pairs)
    best = cost[linear_sum_assignment(cost)].sum()
    assert abs(sum(cost[pair] for pair in pairs) - best) < 1e-9


def test_assign_never_makes_a_forbidden_pair():
    cost = np.array([[FORBIDDEN, 1.0], [FORBIDDEN, 0.5]])
    assert assign(cost) == [(1, 1)]
    assert assign(np.full((3, 2), FORBIDDEN)) == []
    assert assign(np.zeros((0, 3))) == []


def test_assign_prefers_more_pairs_to_a_cheaper_one():
    assert assign(np.array([[0.0, 1.0], [0.9, FORBIDDEN]])) == [(0, 1), (1, 0)]
