"""HTML reports that show a person's own head."""

import base64
import json
import re

import numpy as np

from edgeface.face_model import EXPRESSION_NAMES
from edgeface.retarget.viewer import fill, page_values


def test_a_page_shows_the_persons_head_with_the_projects_coefficients(somebody, face_model):
    page = fill(page_values(face_model, "clip.mp4", personal=somebody))
    mesh = json.loads(re.search(r'application/json">(.*?)</script>', page, re.S)[1])["mesh"]

    def array(name, dtype):
        return np.frombuffer(base64.b64decode(mesh[name]), dtype)

    neutral = array("neutral", "<f4").reshape(-1, 3)
    eyes = neutral[somebody.template.landmark_vertices[[36, 45]]]
    scale = np.linalg.norm(
        np.diff(somebody.neutral_vertices[somebody.template.landmark_vertices[[36, 45]]], axis=0)
    )
    np.testing.assert_allclose(np.linalg.norm(eyes[1] - eyes[0]), 1, atol=1e-4)
    offsets = array("offsets", "<i2").reshape(46, -1, 3) * mesh["offset_unit"]
    jaw = somebody.shape({"jawOpen": 1.0}) - somebody.neutral_vertices
    np.testing.assert_allclose(
        offsets[EXPRESSION_NAMES.index("jawOpen")], jaw / scale, atol=mesh["offset_unit"]
    )
    assert array("uv", "<f4").size == 2 * len(neutral)
    assert mesh["skin"].startswith("data:image/png;base64,")
