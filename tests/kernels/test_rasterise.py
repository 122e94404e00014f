import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.kernels import rasterise
from tests.oracles import raycast


@settings(max_examples=15)
@given(seed=st.integers(0, 999))
def test_rasterise_shows_what_a_ray_meets_first(engine, seed):
    random = np.random.default_rng(seed)
    points = random.uniform([-3, -3, 0], [12, 10, 5], (9, 3))
    triangles = random.integers(0, 9, (6, 3)).astype(np.int32)
    triangles = triangles[[len(set(t)) == 3 for t in triangles.tolist()]]
    # the same three corners twice lie at one depth, and either may be seen
    triangles = triangles[np.unique(np.sort(triangles, axis=1), axis=0, return_index=True)[1]]
    index, weights = rasterise(points, triangles, (7, 9), engine)
    # a camera so far away that its rays are parallel
    far = 1e5
    seen = np.column_stack([points[:, 0] - 4.5, points[:, 1] - 3.5, points[:, 2] + far])
    expected, shares = raycast.cast(seen, triangles, (7, 9), far)
    agree = index == expected
    assert agree.mean() > 0.97  # centres that lie on a side to within the rays' angle
    np.testing.assert_allclose(weights[agree], shares[agree], atol=2e-3)


def test_rasterise_gives_the_same_by_every_engine(engine):
    random = np.random.default_rng(3)
    points = random.normal(20, 14, (300, 3))
    triangles = random.integers(0, 300, (400, 3)).astype(np.int32)
    for one, other in zip(
        rasterise(points, triangles, (40, 50), engine),
        rasterise(points, triangles, (40, 50)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_rasterise_of_nothing_is_empty(engine):
    index, weights = rasterise(np.zeros((0, 3)), np.zeros((0, 3), np.int32), (2, 3), engine)
    assert (index == -1).all()
    assert not weights.any()


@pytest.mark.parametrize(
    ("points", "triangles", "size"),
    [
        (np.zeros((3, 2)), np.zeros((1, 3), int), (2, 2)),
        (np.full((3, 3), np.nan), np.zeros((1, 3), int), (2, 2)),
        (np.zeros((3, 3)), np.full((1, 3), 3), (2, 2)),
        (np.zeros((3, 3)), np.zeros((1, 4), int), (2, 2)),
        (np.zeros((3, 3)), np.zeros((1, 3), int), (0, 2)),
    ],
)
def test_rasterise_refuses_what_does_not_fit(points, triangles, size):
    with pytest.raises(ValueError, match=r"points|triangles|size"):
        rasterise(points, triangles, size)
