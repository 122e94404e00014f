"""Drawing people, and pages that show them."""

import numpy as np
import pytest

from edgeface.personal.page import FittedFrame, person_page
from edgeface.personal.rendering import draw_surface, portrait, vertex_normals


def test_normals_point_outwards(somebody):
    normals = vertex_normals(somebody.neutral_vertices, somebody.template.triangles)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    # the face looks along z, and the tip of the nose straight at us
    assert normals[:, 2].mean() > 0.4
    assert normals[somebody.neutral_vertices[:, 2].argmax(), 2] > 0.7


def test_a_portrait_is_the_skin_and_its_opposite_turn_the_mirror_image(somebody):
    none = np.zeros(len(somebody.offsets))
    straight = portrait(somebody, none, size=64, engine="numpy")
    assert straight.shape == (64, 64, 3)
    middle = straight[20:44, 24:40].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(middle / middle[0], [1, 0.75, 0.625], atol=0.02)
    left, right = (
        portrait(somebody, none, yaw_deg=yaw, size=64, engine="numpy") for yaw in (40, -40)
    )
    covered, opposite = ((picture != picture[0, 0]).any(axis=2) for picture in (left, right))
    assert (covered == opposite[:, ::-1]).mean() > 0.98
    # looks to its left, the viewer's right: more of its right cheek, left in the picture, is seen
    assert np.nonzero(covered)[1].mean() < 30


def test_what_lies_outside_the_picture_is_not_drawn(somebody):
    background = np.full((20, 30, 3), 7, np.uint8)
    skin = somebody.skin
    far = somebody.neutral_vertices * 5 + [500, 10, 0]
    np.testing.assert_array_equal(draw_surface(somebody, far, skin, background), background)
    near = somebody.neutral_vertices * [400, -400, -400] + [15, 10, 0]
    assert (draw_surface(somebody, near, skin, background) != 7).any()
    assert (background == 7).all()


def test_a_page_shows_every_shape_and_escapes_what_it_is_told(somebody, monkeypatch):
    monkeypatch.setattr("edgeface.personal.page.SHAPE_PX", 16)
    monkeypatch.setattr("edgeface.personal.page.VIEW_PX", 16)
    picture = np.zeros((8, 8, 3), np.uint8)
    page = person_page(somebody, "<me>", [FittedFrame({"frame": picture, "fit": picture})])
    assert "<me>" not in page
    assert "a &lt;b&gt;" in page
    assert page.count('class="unseen"') == 1
    assert page.count("<img") == 2 + 10 + 1 + len(somebody.template.expression_names)
    assert "http" not in page


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_both_engines_draw_the_same(somebody, engine):
    if engine == "numba":
        pytest.importorskip("numba")
    weights = np.zeros(len(somebody.offsets))
    weights[somebody.template.expression_names.index("jawOpen")] = 1
    one = portrait(somebody, weights, size=48, engine=engine)
    np.testing.assert_array_equal(one, portrait(somebody, weights, size=48, engine="numpy"))
