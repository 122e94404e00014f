"""What int8 costs layer by layer."""

import numpy as np
import pytest

from edgeface.converters import to_onnx
from tests.measures.int8_layers import ALL, int8_ratios

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_layer_harms_what_comes_after_it_only(exported, photo):
    model = exported("onnx")
    pixels = photo[0][1]
    images = np.stack([pixels[100:, 70 * i :][:64, :64] for i in range(6)])
    heads = {"heads.0.3": 0, "heads.1.3": 1, "heads.2.3": 2}  # each makes one output
    weights = {n.name: n.input[1] for n in model.graph.node if n.name in to_onnx.layers(model)}
    rows = dict(int8_ratios(model, images[::2], images[1::2]))
    assert list(rows) == [*weights, ALL]
    for name, ratios in rows.items():
        own = heads.get(weights.get(name, "").removesuffix(".weight"))
        if own is not None:
            # the gaze, which comes last, reads what some of them read, which is rounded with them
            assert [r < 100 for r in ratios[:3]] == [i == own for i in range(3)]
    assert min(rows[ALL]) <= min(min(r) for r in rows.values()) + 3
