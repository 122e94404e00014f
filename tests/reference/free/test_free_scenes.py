"""Scenes without people: things that look like faces, and pieces of portraits."""

import numpy as np
import pytest

from edgeface.reference.free import clutter
from edgeface.reference.free.clutter import draw_thing, scatter
from edgeface.reference.free.packing import face_box
from edgeface.reference.free.scraps import LEAST_SIDE, MARGIN, scraps_of


@pytest.mark.parametrize("kind", [*clutter.KINDS, *clutter.LARGE_KINDS])
def test_things_are_drawn_and_differ(kind, monkeypatch):
    monkeypatch.setattr(clutter, "KINDS", (kind,))
    monkeypatch.setattr(clutter, "LARGE_KINDS", ())
    random = np.random.default_rng(2)
    things = [np.asarray(draw_thing(48, random).resize((48, 48))) for _ in range(2)]
    for thing in things:
        assert thing.shape == (48, 48, 4)
        assert (thing[..., 3] > 0).mean() > 0.02
    assert (things[0] != things[1]).any()


def test_what_looks_like_a_face_far_away_is_not_drawn_small(random, monkeypatch):
    drawn: list[int] = []
    monkeypatch.setattr(clutter, "LARGE_KINDS", (lambda pen, _: drawn.append(pen.side),) * 99)
    for _ in range(20):
        draw_thing(clutter.LIKE_A_FACE - 1, random)
    assert not drawn
    for _ in range(20):
        draw_thing(clutter.LIKE_A_FACE, random)
    assert drawn


def test_scatter_draws_in_place_and_anew_from_the_same_seed():
    canvases = [np.full((90, 120, 3), 200, np.uint8) for _ in range(2)]
    for canvas in canvases:
        scatter(canvas, 12, np.random.default_rng(4))
    np.testing.assert_array_equal(canvases[0], canvases[1])
    assert (canvases[0] != 200).any(axis=2).mean() > 0.05


def test_scraps_show_nothing_of_the_face(random):
    pixels = random.integers(0, 200, (256, 256, 3)).astype(np.uint8)
    box = np.array([80.0, 60.0, 170.0, 180.0])
    pixels[60:180, 80:170] = 255
    pieces = scraps_of(pixels, box)
    assert [piece.shape[:2] for piece in pieces] == [(48, 256), (64, 256), (256, 68), (256, 74)]
    assert max(piece.max() for piece in pieces) < 255
    assert MARGIN * 120 == 12
    assert not scraps_of(pixels, np.array([5.0, 5.0, 250.0, 250.0]))
    assert min(min(piece.shape[:2]) for piece in pieces) >= LEAST_SIDE


def test_face_box_adds_a_forehead():
    mesh = np.zeros((478, 3))
    mesh[0, :2], mesh[1, :2] = [10, 20], [50, 120]
    mesh[2:, :2] = [30, 60]
    np.testing.assert_allclose(face_box(mesh), [10, 10, 50, 120])
