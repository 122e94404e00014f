"""Whom a stream follows."""

from dataclasses import replace

import numpy as np
import pytest

from edgeface.retarget.avatar import WAIT_S, Avatar
from edgeface.retarget.options import ExportOptions
from edgeface.rotations import angle_between, rotation_from_quaternion
from tests.fakes import Person, Scene

LEFT, RIGHT = (np.array([np.cos(a), 0, np.sin(a), 0]) for a in (0.1, -0.1))


class Sender:
    """A stream that keeps what it was told last."""

    def __init__(self, host, port, retargeter):
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
        turns = [rotation_from_quaternion((LEFT, RIGHT)[i - 1]) for i in heights]
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
