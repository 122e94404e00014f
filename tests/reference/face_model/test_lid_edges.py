from itertools import pairwise

import numpy as np
import pytest

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.face_model.landmark_map import RIGHT_LOWER_LID, RIGHT_UPPER_LID
from edgeface.reference.face_model.lid_edges import RIGHT_PAIRS, lids_on_edges, shares, shutting
from edgeface.reference.face_model.own import read_face_model
from edgeface.reference.geometry.alignment import LANDMARK_MIRROR, mirror_permutation
from edgeface.reference.geometry.lids import BLINKS, lid_opening

UPPER, LOWER = list(RIGHT_UPPER_LID), list(RIGHT_LOWER_LID)


@pytest.fixture(scope="module")
def model():
    return read_face_model("free")


@pytest.fixture(scope="module")
def mean(model):
    return model.mean.astype(np.float64)


@pytest.fixture(scope="module")
def permutation(mean):
    return mirror_permutation(mean)[0]


def placed(shape, edge, share):
    """The place on an edge of a shape, walked step by step from the outer corner."""
    left = share * sum(np.linalg.norm(shape[b] - shape[a]) for a, b in pairwise(edge))
    for a, b in pairwise(edge):
        step = np.linalg.norm(shape[b] - shape[a])
        if left <= step:
            return shape[a] + left / step * (shape[b] - shape[a])
        left -= step
    raise AssertionError("a share beyond the edge")


def mapped(found, shape):
    return np.einsum("lkc,lk->lc", shape[found[0]], found[1])


@pytest.fixture(scope="module")
def labelled(mean, permutation):
    """Twenty faces whose lids people placed at known shares of their edges, with some scatter."""
    random = np.random.default_rng(3)
    wanted = {37: 0.40, 38: 0.70, 41: 0.36, 40: 0.66}
    landmarks = np.zeros((20, 68, 2))
    for face in landmarks:
        for landmark, share in wanted.items():
            edge = UPPER if landmark < 40 else LOWER
            at = placed(mean, edge, share + random.uniform(-0.02, 0.02))[:2]
            face[landmark], face[LANDMARK_MIRROR[landmark]] = at, at * [-1, 1]
    return np.broadcast_to(mean, (20, *mean.shape)), landmarks, wanted


def test_lids_on_edges_lie_where_people_put_them(model, mean, permutation, labelled):
    meshes, landmarks, wanted = labelled
    learned = model.landmark_vertices, model.landmark_weights
    found = lids_on_edges(learned, meshes, landmarks, mean, mean, permutation)
    lids = mapped(found, mean)
    for landmark in (37, 38):
        at = placed(mean, UPPER, wanted[landmark])
        np.testing.assert_allclose(lids[landmark], at, atol=0.004)
        np.testing.assert_allclose(lids[LANDMARK_MIRROR[landmark]], at * [-1, 1, 1], atol=0.004)
    # an eye that shuts straight down: halfway between people's place and below the upper one
    for upper, lower in RIGHT_PAIRS:
        people, above = placed(mean, LOWER, wanted[lower]), lids[upper]
        assert lids[lower][0] == pytest.approx((people[0] + above[0]) / 2, abs=0.006)


def test_lids_on_edges_are_of_two_neighbours_and_leave_the_rest(model, mean, permutation, labelled):
    meshes, landmarks, _ = labelled
    learned = model.landmark_vertices, model.landmark_weights
    vertices, weights = lids_on_edges(learned, meshes, landmarks, mean, mean, permutation)
    others = np.setdiff1d(np.arange(68), [*range(37, 42), *range(43, 48)])
    np.testing.assert_array_equal(vertices[others], learned[0][others])
    np.testing.assert_array_equal(weights[others], learned[1][others])
    check_neighbours(vertices, weights, permutation)
    assert all(len(set(row)) == len(row) for row in vertices.tolist())


def check_neighbours(vertices, weights, permutation):
    for pair in RIGHT_PAIRS:
        for landmark, edge in zip(pair, (UPPER, LOWER), strict=True):
            for at, chain in (
                (landmark, edge), (LANDMARK_MIRROR[landmark], permutation[edge].tolist()),
            ):  # fmt: skip
                two = [chain.index(v) for v in vertices[at][weights[at] > 0]]
                assert len(two) == 2
                assert abs(two[0] - two[1]) == 1
                assert weights[at].sum() == pytest.approx(1)


def test_shutting_brings_edges_together_that_gape_and_cross(model, mean, permutation):
    """Whatever the blink does to single vertices, the edges of both eyes coincide in the end."""
    random = np.random.default_rng(4)
    shapes = model.expression.astype(np.float64)
    right = shapes[BLINKS[0]].copy()
    right[UPPER[1:-1], 1] += random.normal(0, 0.03, len(UPPER) - 2)
    shapes[BLINKS[0]], shapes[BLINKS[1]] = right, right[permutation] * [-1, 1, 1]

    def landmarks_of(shape):
        return mapped((model.landmark_vertices, model.landmark_weights), shape)

    found = shutting(shapes, mean, permutation, landmarks_of)
    assert np.abs(gaps(mean + shapes[BLINKS[0]])).max() > 0.03
    np.testing.assert_allclose(gaps(mean + found[BLINKS[0]]), 0, atol=1e-9)
    left = (mean + found[BLINKS[1]])[permutation] * [-1, 1, 1]
    np.testing.assert_allclose(gaps(left), 0, atol=1e-9)
    others = np.setdiff1d(np.arange(46), BLINKS)
    np.testing.assert_array_equal(found[others], shapes[others])


def gaps(shape):
    """How far each vertex of the right upper lid is above the lower one, eye widths."""
    below = np.interp(shape[UPPER, 0], shape[LOWER, 0], shape[LOWER, 1])
    return (shape[UPPER, 1] - below) / np.linalg.norm(shape[33] - shape[133])


def test_the_free_models_lids_open_as_its_edges_do_and_meet(model, mean, permutation):
    check_neighbours(model.landmark_vertices, model.landmark_weights, permutation)
    neutral = np.eye(50)[0]
    width = np.linalg.norm(mean[33] - mean[133])
    edge = np.mean([mean[u, 1] - mean[v, 1] for u, v in ((160, 144), (158, 153))]) / width
    opened = lid_opening(model.landmarks(neutral, np.zeros(46))[:, :2])
    np.testing.assert_allclose(opened, edge, atol=0.03)
    for eye, blink in enumerate(BLINKS):
        shut = model.landmarks(neutral, np.eye(46)[blink])
        assert lid_opening(shut[:, :2])[eye] < 0.03
    shape = mean + model.expression[EXPRESSION_NAMES.index("eyeBlinkRight")]
    np.testing.assert_allclose(gaps(shape), 0, atol=0.005)


def test_shares_go_from_corner_to_corner(mean):
    along = shares(mean, RIGHT_UPPER_LID)
    assert along[0] == 0
    assert along[-1] == pytest.approx(1)
    np.testing.assert_allclose(placed(mean, UPPER, float(along[3])), mean[UPPER[3]])
