"""The mesh of the face models that ship: its rim, its mouth and its eyes are its only edges."""

from collections import Counter

import numpy as np
import pytest

from edgeface.reference.face_model.learn import HOLES
from edgeface.reference.face_model.own import read_face_model


@pytest.mark.parametrize("name", ["default", "free"])
def test_no_triangle_joins_one_lip_or_lid_to_the_other(name):
    """An edge of one triangle lies on the contour of a hole or on the rim; a bridge has others."""
    triangles = read_face_model(name).triangles
    sides = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]],
                                    triangles[:, [2, 0]]]), axis=1)  # fmt: skip
    counted = Counter(map(tuple, sides.tolist()))
    assert max(counted.values()) == 2
    open_sides = [side for side, count in counted.items() if count == 1]
    for hole in HOLES:
        assert sum(set(side) <= set(hole) for side in open_sides) == len(hole)
    rim = len(open_sides) - sum(map(len, HOLES))
    # Euler: V - E + T = 1 less a hole each, where 2 E is 3 T and the open sides
    vertices = len(np.unique(triangles))
    assert 2 * vertices - len(open_sides) - 2 + 2 * len(HOLES) == len(triangles)
    assert 30 <= rim <= 40
