"""Pictures that enrolment cannot use: what it says of them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra: edgeface[train]")

from edgeface.errors import InvalidInputError
from edgeface.personal.template import default_template
from edgeface.reference.personal import enrol, look
from tests.fakes import Person, Scene, frame_image

MIDDLE = (160, 120)


def seen(face_model, people, count=10, change=lambda image: image, **scene):
    """What is found in pictures of a scene."""
    network = Scene("mfn", face_model, people, **scene)
    pictures = [(change(frame_image(i)), count) for i in range(count)]
    return look.look(default_template(), pictures, network, network)


def test_usable_pictures_are_cut_to_frames(face_model):
    looked = seen(face_model, [Person(MIDDLE, side=90)])
    assert len(looked.faces) == len(looked.frames) == looked.num_pictures == 10
    assert looked.refused == {}
    assert looked.frames[0].images.shape == (1, 112, 112, 3)


def test_no_pictures_are_an_error():
    with pytest.raises(InvalidInputError, match="no picture"):
        look.look(default_template(), [], None, None)


def test_no_face_is_an_error(face_model):
    with pytest.raises(InvalidInputError, match="no face is found in any of 10 pictures"):
        seen(face_model, [])


def test_two_people_are_an_error(face_model):
    with pytest.raises(InvalidInputError, match="10 of 10 pictures show several people"):
        seen(face_model, [Person((90, 120), side=90), Person((230, 120), side=90)])


def test_a_camera_is_an_error_since_it_has_no_end(monkeypatch):
    camera = SimpleNamespace(live=True, source="camera")
    monkeypatch.setattr(look, "open_video", lambda _: contextlib.nullcontext(camera))
    with pytest.raises(InvalidInputError, match="camera is live and has no end: give a clip"):
        next(look.pictures_of("camera"))


def test_a_passer_by_costs_one_picture(face_model):
    others = frozenset(range(20)) - {4}
    looked = seen(
        face_model, [Person((90, 120), side=90), Person((230, 120), side=90, hidden=others)], 20
    )
    assert looked.refused == {"several people": 1}


def test_a_cut_to_somebody_else_is_an_error(face_model):
    first, second = frozenset(range(5)), frozenset(range(5, 10))
    people = [Person(MIDDLE, side=90, hidden=second), Person(MIDDLE, side=90, seed=1, hidden=first)]
    with pytest.raises(InvalidInputError, match="one after another"):
        seen(face_model, people)


@pytest.mark.parametrize("split", [3, 12, 21])
def test_a_cut_shows_in_mean_identities(random, split):
    """Pictures of one person differ by 1.7 here, two people by 2.2: less than some of one's own."""
    one = random.normal(0, 0.17, (24, 50))
    two = one.copy()
    two[split:, 0] += 2.2
    assert look.largest_change(one) < look.OTHER_MEAN < look.largest_change(two)
    assert look.largest_change(one[:5]) == 0.0


def test_a_short_shot_of_somebody_else_is_left_out(face_model):
    people = [
        Person(MIDDLE, side=90, hidden=frozenset({3})),
        Person(MIDDLE, side=90, seed=1, hidden=frozenset(range(10)) - {3}),
    ]
    looked = seen(face_model, people)
    assert looked.refused == {"somebody else": 1}
    assert len(looked.frames) == 9


@pytest.mark.parametrize(
    ("side", "change", "reason"),
    [
        (50, lambda image: image, "face under 60 px"),
        (90, lambda image: np.maximum(image, 253), "over-exposed"),
    ],
)
def test_pictures_of_no_use_are_counted(face_model, side, change, reason):
    assert seen(face_model, [Person(MIDDLE, side=side)], 3, change).refused == {reason: 3}


def test_faces_that_look_away_are_left_out(face_model):
    class Turned(Scene):
        def refine(self, image, faces):
            looked = super().refine(image, faces)
            return replace(looked, euler_deg=np.array([[0, 55, 0]], np.float32))

    network = Turned("mfn", face_model, [Person(MIDDLE, side=90)])
    looked = look.look(default_template(), [(frame_image(0), 1)], network, network)
    assert looked.refused == {"turned away by more than 40 degrees": 1}


def test_pictures_that_are_all_alike_are_an_error(face_model, monkeypatch):
    scene = Scene("mfn", face_model, [Person(MIDDLE, side=90)])
    monkeypatch.setattr(enrol, "load", lambda name, **options: contextlib.nullcontext(scene))
    with pytest.raises(InvalidInputError, match=r"that differ in .*: 1; a"):
        enrol.enrol([frame_image(i) for i in range(8)], num_frames=20)


def test_too_few_frames_are_an_error():
    with pytest.raises(InvalidInputError, match="from 5 to 10000, got 4"):
        enrol.enrol([], num_frames=4)


def test_no_frames_are_chosen_of_none():
    assert look.choose_frames([], 5) == []
