"""Whom a stream follows."""

from dataclasses import replace

import numpy as np
import pytest

from edgeface.lids import FIRST_REACH
from edgeface.retarget.avatar import Avatar
from edgeface.retarget.casting import WAIT_S, Casting
from edgeface.retarget.options import ExportOptions
from edgeface.rotations import angle_between, rotation_from_quaternion
from tests.fakes import Person, Scene

LEFT, RIGHT = (np.array([np.cos(a), 0, np.sin(a), 0]) for a in (0.1, -0.1))


class Sender:
    """A stream that keeps what it was told last."""

    def __init__(self, host, port, retargeter, name):
        self.retargeter, self.sent = retargeter, None

    def send(self, time_s, blendshapes, quaternion_wxyz):
        self.sent = quaternion_wxyz


def follow(**options):
    """``(show, sender)``: show a frame and get who moves the avatar, 1, 2 or None."""
    senders = []

    def connect(*address):
        senders.append(Sender(*address))
        return senders[0]

    made = Avatar(connect, "127.0.0.1:39539", ExportOptions(**options))
    (sender,) = senders

    def show(time_s, faces):
        sender.sent = None
        made.show(time_s, faces)
        return None if sender.sent is None else 1 + (angle_between(sender.sent, LEFT) > 0.1)

    return show, sender


@pytest.fixture
def avatar():
    return follow()


@pytest.fixture
def people(face_model):
    """Faces of persons 1 and 2, who look to different sides, of the heights given."""

    def make(heights):
        scene = [Person((80 * i, 100), side=heights[i], seed=i) for i in heights]
        boxes = [p.box(0) for p in scene]
        faces = Scene("mfn", face_model, scene).faces(0, scene, boxes)
        turns = [rotation_from_quaternion((LEFT, RIGHT)[(i - 1) % 2]) for i in heights]
        return replace(
            faces,
            track_ids=np.array(list(heights), np.int64),
            rotation=np.array(turns, np.float32).reshape(-1, 3, 3),
        )

    return make


def test_who_is_followed_stays_however_large_others_look(avatar, people):
    show, _ = avatar
    assert [show(k / 30, people({1: 60, 2: 50 + k})) for k in range(40)] == [1] * 40


@pytest.mark.parametrize(("away_s", "then"), [(WAIT_S - 0.1, 1), (WAIT_S + 0.2, 2)])
def test_another_is_next_once_they_are_gone(avatar, people, away_s, then):
    show, _ = avatar
    assert show(0.0, people({1: 60, 2: 50})) == 1
    assert show(away_s / 2, people({2: 50})) is None
    assert show(away_s, people({1: 60, 2: 50} if then == 1 else {2: 50})) == then


def test_a_person_asked_for_is_waited_for(people):
    show, _ = follow(track_id=2)
    assert show(0.0, people({1: 90})) is None
    assert show(9.0, people({1: 90, 2: 40})) == 2
    assert show(99.0, people({1: 90})) is None


def test_nobody_moves_nothing(avatar, people):
    show, _ = avatar
    assert show(0.0, people({})) is None


def test_the_next_person_is_calibrated_anew(people):
    show, sender = follow(calibrate_s=0.5)
    for k in range(30):
        show(k / 30, people({1: 60}))
    assert angle_between(np.array(sender.retargeter.person.quaternion_wxyz), LEFT) < 1e-3
    for k in range(90, 120):
        show(k / 30, people({2: 60}))
    assert angle_between(np.array(sender.retargeter.person.quaternion_wxyz), RIGHT) < 1e-3


def test_the_lids_of_the_next_person_are_learned_anew(people):
    show, sender = follow()
    for k in (*range(30), *range(90, 120)):
        faces = people({1 if k < 30 else 2: 60})
        lid = list(faces.expression_names).index("eyeBlinkLeft")
        faces.expression_coeffs[:, lid] = 0.9 if k == 15 else 0.1  # one shuts their eyes
        show(k / 30, faces)
    shapes, _ = sender.retargeter({"eyeBlinkLeft": FIRST_REACH}, RIGHT)
    assert shapes["eyeBlinkLeft"] == pytest.approx(1.0)


def test_each_role_has_a_person_of_its_own(people):
    casting = Casting()

    def roles(time_s, heights):
        faces = people(heights)
        found = [casting.face(role, time_s, faces) for role in (0, 1)]
        return [None if face is None else face.track_id for face in found]

    assert roles(0.0, {1: 50, 2: 90}) == [2, 1]
    assert roles(0.1, {1: 90, 2: 50}) == [2, 1]
    assert roles(0.2, {1: 90}) == [None, 1]
    assert roles(WAIT_S + 0.3, {1: 90}) == [None, 1]
    assert roles(WAIT_S + 0.4, {1: 90, 3: 20}) == [3, 1]


def test_nobody_else_plays_the_role_of_whom_is_waited_for(people):
    casting = Casting(first=2)
    faces = people({1: 90, 2: 50})
    assert casting.face(1, 0.0, faces).track_id == 1
    assert casting.face(0, 0.0, faces).track_id == 2
