"""Vowels against a solver of scipy, and against what should be heard."""

import numpy as np
import pytest

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.retarget.fit import PoseFit, box_least_squares, metric
from edgeface.retarget.mapping import read_mapping

POSES = read_mapping("vrm0").fit


@pytest.fixture(scope="module")
def fit():
    return PoseFit(POSES)


def test_every_pose_is_found_alone(fit):
    for name, pose in POSES.items():
        expected = dict.fromkeys(POSES, 0.0) | {name: 1.0}
        assert fit(pose) == pytest.approx(expected, abs=2e-3)


def test_it_is_the_least_squares_of_a_box(fit, random):
    """scipy solves the same with the factor of the metric."""
    optimize = pytest.importorskip("scipy.optimize")
    values, vectors = np.linalg.eigh(metric())
    factor = (vectors * np.sqrt(np.maximum(values, 0))).T
    poses = np.array([[p.get(n, 0.0) for n in ARKIT_NAMES] for p in POSES.values()])
    for _ in range(5):
        face = random.uniform(0, 1, 52) * (random.uniform(size=52) < 0.2)
        found = fit(dict(zip(ARKIT_NAMES, face.tolist(), strict=True)))
        oracle = optimize.lsq_linear(factor @ poses.T, factor @ face, (0, 1), tol=1e-12).x
        np.testing.assert_allclose(list(found.values()), oracle, atol=5e-3)


def test_half_a_pose_is_half(fit):
    half = fit({name: v / 2 for name, v in POSES["O"].items()})
    assert half["O"] == pytest.approx(0.5, abs=5e-3)


def test_a_jaw_that_opens_behind_closed_lips_opens_no_mouth(fit):
    spoken, chewed = fit({"jawOpen": 0.5}), fit({"jawOpen": 0.5, "mouthClose": 0.5})
    assert sum(chewed[v] for v in "AEO") < 0.3 * sum(spoken[v] for v in "AEO")


def test_a_smile_is_no_vowel(fit):
    found = fit({"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9})
    assert max(found[v] for v in "AIUEO") < 0.05


def test_nothing_is_nothing(fit):
    assert set(fit({}).values()) == {0.0}
    assert box_least_squares(np.zeros((2, 2)), np.zeros(2)).tolist() == [0, 0]
