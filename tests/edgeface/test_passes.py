"""Where a detection looks: tiles that cover an image, and what a closer look is asked for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.passes import (
    SMALL,
    WORTHWHILE,
    View,
    closer_levels,
    in_any,
    suspected,
    tiles_of,
    views_with,
)

sides = st.integers(1, 9000)


@settings(max_examples=60)
@given(height=sides, width=sides, tile=st.sampled_from([288, 640]), random=st.randoms())
def test_every_small_face_lies_whole_in_a_tile_that_takes_it(height, width, tile, random):
    for views in closer_levels((height, width), 288, tile):
        scale = views[0].scale
        side = random.uniform(0, 0.95) * SMALL * tile / scale
        centre = np.array([random.uniform(0, width), random.uniform(0, height)])
        box = np.concatenate([centre - side / 2, centre + side / 2])[None]
        takers = views_with(views, box, (height, width))
        assert takers
        assert in_any(views, box, (height, width)).all()
        for view in takers:  # cut by no inner edge
            assert view.left == 0 or view.left <= box[0, 0]
            assert view.top == 0 or view.top <= box[0, 1]
            assert view.right == width or view.right >= box[0, 2]
            assert view.bottom == height or view.bottom >= box[0, 3]


@pytest.mark.parametrize("tile", [288, 640])
@pytest.mark.parametrize("size_hw", [(3000, 4000), (5500, 7300), (200, 4000), (7, 20_000)])
def test_looks_get_closer_until_the_image_is_seen_as_it_is(size_hw, tile):
    levels = list(closer_levels(size_hw, 288, tile))
    scales = [views[0].scale for views in levels]
    assert all(nearer > 1.5 * scale for scale, nearer in itertools.pairwise(scales))
    assert scales[-1] >= 1 / WORTHWHILE * 0.99
    assert scales[-2] < 1 / WORTHWHILE
    assert len(levels[0]) == 1 or tile == 288
    for views in levels:
        # tiles end at the image's edges, and most of each is new
        assert {v.size for v in views} == {tile}
        assert max(v.right for v in views) == size_hw[1]
        assert max(v.bottom for v in views) == size_hw[0]
        seen = sum((v.right - v.left) * (v.bottom - v.top) for v in views)
        assert seen < 2 * size_hw[0] * size_hw[1]


def test_an_image_that_the_first_pass_shows_whole_is_not_looked_at_closer():
    assert list(closer_levels((288, 200), 288, 640)) == []
    assert len(list(closer_levels((416, 300), 288, 640))) == 1


def test_large_faces_and_those_cut_by_inner_edges_are_left_to_others():
    views = tiles_of((1000, 1000), 1.1, 640)
    assert len(views) == 4
    first = views[0]
    face = np.array([[0.0, 0, 60, 60]])
    taken = [
        first.takes(face + shift, (1000, 1000)).item()
        for shift in (0.0, np.array([first.right - 50, 0] * 2), np.array([-20.0, 0] * 2))
    ]
    assert taken == [True, False, True]  # the image's own edge cuts what no neighbour has
    assert not first.takes(face * 3, (1000, 1000)).any()


def test_what_the_look_before_should_have_seen_must_have_been_suspected():
    before = [View(0, 0, 1000, 1000, 250)]  # four image pixels an input pixel
    face = np.array([[100.0, 100, 140, 140]])
    tiny = np.array([[500.0, 500, 525, 525]])
    boxes = np.concatenate([face, face + 200, tiny])
    seen = face + 4
    for score, believed in ((0.03, [True, False, True]), (0.01, [False, False, True])):
        kept = suspected(boxes, seen, np.array([score]), before, (1000, 1000))
        assert kept.tolist() == believed
    corner = [View(0, 0, 330, 330, 82)]  # where nobody looked, nobody could be suspected
    assert suspected(boxes, seen[:0], np.zeros(0), corner, (1000, 1000)).tolist() == [
        False,
        True,
        True,
    ]
    assert suspected(boxes[:0], seen, np.ones(1), before, (1000, 1000)).shape == (0,)
