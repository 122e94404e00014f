import numpy as np
import pytest

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.data.targets import boxes_only
from edgeface.reference.training.views.masks import masked
from edgeface.reference.training.views.rarity import OFTEN, RARE, draw_shares
from tests.reference.conftest import random_faces


def test_masked_covers_the_mouth_and_leaves_the_eyes(face_model, random):
    fit, _ = random_faces(face_model, 5, random, 128.0, 88.0)
    for points in fit.landmarks(face_model):
        plain = random.integers(60, 120, (256, 256, 3), np.uint8)
        worn = masked(plain, points, random)
        changed = (worn != plain).any(axis=2)
        x, y = points[48:].mean(axis=0).astype(int)
        assert changed[y - 3 : y + 4, x - 3 : x + 4].mean() > 0.9
        for eye in (points[36:42], points[42:48]):
            x, y = eye.mean(axis=0).astype(int)
            assert not changed[y - 3 : y + 4, x - 3 : x + 4].any()


def test_masked_of_a_face_outside_changes_nothing_it_should_not(random):
    plain = random.integers(60, 120, (64, 64, 3), np.uint8)
    far = random.uniform(200, 260, (68, 2))
    np.testing.assert_array_equal(masked(plain, far, random), plain)


@pytest.mark.parametrize("name", RARE)
def test_draw_shares_prefer_shut_eyes_and_wide_mouths(name):
    targets = boxes_only(np.zeros((4, 4)), np.zeros(4, bool))
    targets.expression[2, EXPRESSION_NAMES.index(name)] = 0.9
    pack = np.full(4, "faces68-video")
    shares = draw_shares(targets, EXPRESSION_NAMES, pack)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares / shares[0], [1, 1, OFTEN, 1])
    others = tuple(f"shape{k}" for k in range(46))  # of which nobody knows what is rare
    np.testing.assert_allclose(draw_shares(targets, others, pack), 0.25)


def test_draw_shares_prefer_the_packs_that_teach_most():
    targets = boxes_only(np.zeros((4, 4)), np.zeros(4, bool))
    pack = np.array(["faces68-300w", "faces-lfw", "turned", "faces-free"])
    shares = draw_shares(targets, EXPRESSION_NAMES, pack)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares / shares[1], [2.5, 1, 1, 2.5])
