"""The mean skin's texels that few portraits show."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra: edgeface[train]")

from edgeface.personal.template import default_template
from edgeface.reference.personal.learn_skin import learn_skin, spread_colours


def test_unknown_texels_take_their_colour_from_around_them():
    skin = np.zeros((32, 32, 3), np.float32)
    skin[:, :16], skin[:, 16:] = (0.8, 0.6, 0.5), (0.4, 0.3, 0.25)
    known = np.zeros((32, 32), bool)
    known[8:24, 4:28] = True
    spoilt = np.where(known[..., None], skin, 0.0).astype(np.float32)
    filled = spread_colours(spoilt, known)
    np.testing.assert_array_equal(filled[known], skin[known])
    np.testing.assert_allclose(filled[:, 0], np.tile([0.8, 0.6, 0.5], (32, 1)), atol=0.03)
    np.testing.assert_allclose(filled[:, -1], np.tile([0.4, 0.3, 0.25], (32, 1)), atol=0.03)


def test_a_skin_is_learned_from_portraits_and_is_symmetric(data_folder):
    skin = learn_skin(default_template(), data_folder, limit=2)
    assert skin.shape == (128, 128, 3)
    assert np.abs(skin.astype(int) - skin[:, ::-1]).max() <= 1
