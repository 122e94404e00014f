"""Where a detection looks: tiles that cover an image, and what a closer look is asked for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.passes import (
    MARGIN,
    SMALL,
    WORTHWHILE,
    View,
    closer_scales,
    first_view,
    in_any,
    surroundings,
    suspected,
    tiles_of,
    views_with,
)

sides = st.integers(1, 9000)
FILES = [(288, 288), (704, 32)]
"""Tiles, and what their sides are multiples of: of a file of one size, and of one of any."""


def part_of(size_hw):
    return 0, 0, size_hw[1], size_hw[0]


@settings(max_examples=60)
@given(height=sides, width=sides, file=st.sampled_from(FILES), random=st.randoms())
def test_every_small_face_lies_whole_in_a_tile_that_takes_it(height, width, file, random):
    for nominal in closer_scales(max(height, width), 288, file[0]):
        views = tiles_of(part_of((height, width)), nominal, *file)
        scale = max(view.scale for view in views)
        side = random.uniform(0, 0.95) * SMALL * file[0] / scale
        centre = np.array([random.uniform(0, width), random.uniform(0, height)])
        box = np.concatenate([centre - side / 2, centre + side / 2])[None]
        takers = views_with(views, box, (height, width))
        assert takers
        assert in_any(views, box, (height, width)).all()
        for view in takers:  # cut by no inner edge
            left, top, right, bottom = view.part
            assert left == 0 or left <= box[0, 0]
            assert top == 0 or top <= box[0, 1]
            assert right == width or right >= box[0, 2]
            assert bottom == height or bottom >= box[0, 3]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("size_hw", [(3000, 4000), (5500, 7300), (200, 4000), (7, 20_000)])
def test_looks_get_closer_until_the_image_is_seen_as_it_is(size_hw, file):
    scales = list(closer_scales(max(size_hw), 288, file[0]))
    assert all(nearer > 1.5 * scale for scale, nearer in itertools.pairwise(scales))
    assert scales[-1] >= 1 / WORTHWHILE * 0.99
    assert scales[-2] < 1 / WORTHWHILE
    levels = [tiles_of(part_of(size_hw), scale, *file) for scale in scales]
    assert len(levels[0]) == 1 or file[0] == 288
    for views in levels:
        # tiles end at the image's edges, and most of each is new
        assert max(v.part[2] for v in views) == size_hw[1]
        assert max(v.part[3] for v in views) == size_hw[0]
        seen = sum((v.part[2] - v.part[0]) * (v.part[3] - v.part[1]) for v in views)
        assert seen < 2 * size_hw[0] * size_hw[1]


def test_an_image_that_the_first_pass_shows_whole_is_not_looked_at_closer():
    assert list(closer_scales(288, 288, 704)) == []
    assert len(list(closer_scales(416, 288, 704))) == 1


def test_an_input_is_as_large_as_what_it_shows():
    part = 100, 50, 400, 150
    (view,) = tiles_of(part, 1.5, 704, 32)
    assert view.part == part
    assert view.input_hw == (160, 480)  # 150 x 450 in multiples of 32
    assert 1.5 <= view.scale <= 1.6
    (view,) = tiles_of(part, 0.9, 288, 288)
    assert view.input_hw == (288, 288)


@settings(max_examples=60)
@given(width=sides, height=sides, random=st.randoms())
def test_what_is_looked_at_closer_shows_every_box_and_what_is_around_it(width, height, random):
    low = np.array([[random.uniform(-20, width), random.uniform(-20, height)] for _ in range(3)])
    boxes = np.concatenate([low, low + random.uniform(1, 60)], axis=1)
    left, top, right, bottom = surroundings(boxes, (height, width))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    margin = MARGIN * max(height, width)
    assert left <= max(boxes[:, 0].min() - margin, 0)
    assert right >= min(boxes[:, 2].max() + margin, width)
    assert top <= max(boxes[:, 1].min() - margin, 0)
    assert bottom >= min(boxes[:, 3].max() + margin, height)


def test_large_faces_and_those_cut_by_inner_edges_are_left_to_others():
    views = tiles_of((0, 0, 1000, 1000), 1.1, 640, 32)
    assert len(views) == 4
    first = views[0]
    face = np.array([[0.0, 0, 60, 60]])
    taken = [
        first.takes(face + shift, (1000, 1000)).item()
        for shift in (0.0, np.array([first.part[2] - 50, 0] * 2), np.array([-20.0, 0] * 2))
    ]
    assert taken == [True, False, True]  # the image's own edge cuts what no neighbour has
    assert not first.takes(face * 3, (1000, 1000)).any()


def test_what_the_look_before_should_have_seen_must_have_been_suspected():
    before = [first_view((1000, 1000), 250)]  # four image pixels an input pixel
    face = np.array([[100.0, 100, 140, 140]])
    tiny = np.array([[500.0, 500, 525, 525]])
    boxes = np.concatenate([face, face + 200, tiny])
    seen = face + 4
    for score, believed in ((0.03, [True, False, True]), (0.01, [False, False, True])):
        kept = suspected(boxes, seen, np.array([score]), before, (1000, 1000))
        assert kept.tolist() == believed
    corner = [
        View((0, 0, 330, 330), (82, 82), SMALL * 82)
    ]  # where nobody looked, nobody could be suspected
    assert suspected(boxes, seen[:0], np.zeros(0), corner, (1000, 1000)).tolist() == [
        False,
        True,
        True,
    ]
    assert suspected(boxes[:0], seen, np.ones(1), before, (1000, 1000)).shape == (0,)
