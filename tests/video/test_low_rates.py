"""The shipped weights on a face that moves by a third or a half of its width between frames."""

import numpy as np
import pytest

import edgeface
from edgeface.appearance import appearance
from edgeface.video.track import LIKENESS, Track
from tests.measures.ghosts import count_ghosts


@pytest.fixture(scope="module")
def networks():
    return edgeface.load("mfn"), edgeface.load("sfn")


@pytest.mark.parametrize(
    ("fps", "step_px"), [(30, 4), (15, 40), (5, 40), (5, 60), (1, 60), (0.2, 40)]
)
def test_a_face_is_followed_at_any_rate_and_leaves_no_ghost(networks, fps, step_px):
    """40 frames; the face is 125 px wide. Crops alone lost it in up to 36 of them."""
    tracker = edgeface.Tracker(networks[0], crop_model=networks[1], smoothing="off")
    lost, ghosts = count_ghosts(tracker, fps, step_px)
    assert lost <= 2
    assert ghosts == 0


def test_a_face_that_is_gone_leaves_nothing_on_the_wall(networks):
    """It vanishes from one frame to the next, at a rate at which crops are followed."""
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)[90:330, 190:420]
    full = np.full((480, 640, 3), 128, np.uint8)
    full[120:360, 200:430] = photo
    random = np.random.default_rng(0)
    wall = random.integers(100, 140, full.shape).astype(np.uint8)
    tracker = edgeface.Tracker(networks[0], crop_model=networks[1])
    for k in range(6):
        assert len(tracker.update(full, k / 30)) == 1
    found = [len(tracker.update(wall, k / 30)) for k in range(6, 20)]
    assert sum(found) <= 4  # as long as a missed face moves on
    assert found[-1] == 0


def test_faces_look_like_themselves_and_not_like_others(networks, face_model):
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    faces = networks[1].refine(photo, networks[0].run(photo))
    looks = appearance(photo, faces.landmarks_2d)
    beside = appearance(photo, faces.landmarks_2d + np.float32([0.6 * 165, 0]))
    track = Track(face_model.reduced, "off")
    assert track.looks_like(beside[0])  # nothing is known yet
    track.remember_look(looks[0])
    assert track.looks_like(looks[0])
    assert not track.looks_like(beside[0])
    assert float(looks[0] @ beside[0]) < LIKENESS


def test_a_person_of_one_shade_is_not_judged_by_it(face_model):
    flat, other = np.zeros(85, np.float32), np.full(85, 85**-0.5, np.float32)
    track = Track(face_model.reduced, "off")
    track.remember_look(flat)
    assert track.looks_like(other)
