from dataclasses import replace

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.rotations import angle_between, quaternion_from_rotation, slerp
from edgeface.video.smoothing import (
    STRENGTHS,
    FaceSmoother,
    OneEuro,
    OneEuroRotation,
    settings_of,
)
from tests.fakes import Person, Scene

EACH = pytest.mark.parametrize("strength", sorted(STRENGTHS))


@EACH
@pytest.mark.parametrize("fps", [25, 30])
@pytest.mark.parametrize("blink", [[0.9, 0.9, 0.9], [0.5, 1.0, 0.5]])
def test_a_blink_of_three_frames_keeps_80_percent(strength, fps, blink):
    smooth = OneEuro(settings_of(strength).expression)
    noise = np.random.default_rng(1).normal(0, 0.01, 60)
    values = np.concatenate([np.zeros(40), blink, np.zeros(17)]) + noise
    out = [float(smooth(np.array([[v]]), 1 / fps)[0, 0]) for v in values]
    assert max(out[40:46]) >= 0.8 * max(blink)


@EACH
@pytest.mark.parametrize("fps", [24, 30, 60, 120])
@pytest.mark.parametrize("height", [0.5, 1.0])
def test_an_event_of_one_frame_stays_at_any_rate(strength, fps, height):
    smooth = OneEuro(settings_of(strength).expression)
    values = 0.02 * np.random.default_rng(1).normal(size=2 * fps)
    values[fps] = height
    out = np.array([float(smooth(np.array([[v]]), 1 / fps)[0, 0]) for v in values])
    assert out[fps] >= 0.8 * height
    assert out[fps + 1] <= 0.15  # and is over in the next
    assert out[fps // 2 : fps].std() < 0.8 * values[fps // 2 : fps].std()


@EACH
def test_rest_is_smoothed_and_speed_followed(strength, random):
    group = settings_of(strength).points
    noise = random.normal(0, 0.002, (300, 68, 2))
    smooth = OneEuro(group)
    out = np.array([smooth(n, 1 / 30) for n in noise])[60:]
    assert out.std() < 0.4 * noise.std()
    smooth = OneEuro(group)
    moving = np.arange(60)[:, None] * [0.1, 0.0]  # three face sizes a second
    out = np.array([smooth(m[None], 1 / 30)[0] for m in moving])
    assert (moving - out)[-1, 0] < 0.1  # less than a frame behind


@EACH
def test_speed_counts_in_face_sizes(strength, random):
    small, large = OneEuro(settings_of(strength).points), OneEuro(settings_of(strength).points)
    for value in random.normal(0, 0.1, (20, 68, 3)):
        a, b = small(value, 1 / 30, size=1.0), large(100 * value, 1 / 30, size=100.0)
    np.testing.assert_allclose(100 * a, b)


@EACH
def test_rotation_filter_stays_on_the_manifold_and_ignores_signs(strength, random):
    a = np.array([1.0, 0, 0, 0])
    b = np.array([np.cos(0.5), np.sin(0.5), 0, 0])
    plain, flipped = (OneEuroRotation(settings_of(strength).rotation) for _ in range(2))
    for t in range(40):
        q = slerp(a, b, t / 40)
        p, f = plain(q, 1 / 30), flipped(q if t % 2 else -q, 1 / 30)
        assert np.linalg.norm(p) == pytest.approx(1, abs=1e-9)
        assert angle_between(p, f) < 1e-6
    assert angle_between(p, q) < 0.1


def test_the_whole_face_is_smoothed_and_off_changes_nothing(face_model):
    still = Scene("mfn", face_model, []).faces(0, [Person((9, 9))], [Person((90, 90)).box(0)])
    moved = Scene("mfn", face_model, []).faces(0, [Person((9, 9))], [Person((93, 90)).box(0)])
    off, light = FaceSmoother("off"), FaceSmoother("light")
    for smooth in (off, light):
        smooth(still, 1 / 30)
    assert off(moved, 1 / 30) is moved
    out = light(moved, 1 / 30)
    assert 90 < out.boxes_xyxy.reshape(2, 2)[:, 0].mean() < 93
    assert (out.landmarks_2d < moved.landmarks_2d + 1e-3).all()
    light.reset()
    np.testing.assert_array_equal(light(moved, 1 / 30).landmarks_3d, moved.landmarks_3d)
    np.testing.assert_allclose(quaternion_from_rotation(out.rotation), [[1, 0, 0, 0]], atol=1e-6)


def test_an_unknown_strength_is_named():
    with pytest.raises(InvalidInputError, match="'medium'"):
        FaceSmoother("medium")


def test_gaze_is_smoothed_and_held_while_an_eye_is_shut(face_model, random):
    scene = Scene("mfn", face_model, [Person((100, 100))])
    face = scene.run(np.zeros((240, 320, 3), np.uint8))
    assert FaceSmoother("light")(face, 1 / 30).gaze_deg is None
    blink = face.expression_names.index("eyeBlinkRight")
    smooth, out = FaceSmoother("light"), []
    for t in range(90):
        gaze = np.array([[[0.0, 10.0], [0.0, 10.0]]]) + random.normal(0, 1, (1, 2, 2))
        expression = face.expression_coeffs.copy()
        expression[:, blink] = 0.9 if t >= 80 else 0.0
        if t >= 80:
            gaze[0, 0] = [40.0, -40.0]  # what is read of a shut eye
        seen = replace(face, gaze_deg=gaze.astype(np.float32), expression_coeffs=expression)
        out.append(smooth(seen, 1 / 30).gaze_deg[0])
    out = np.array(out)
    assert out[30:80].std(axis=0).max() < 0.7
    np.testing.assert_allclose(out[30:].mean(axis=0), [[0, 10], [0, 10]], atol=1)
    assert np.abs(out[80:, 0] - [0, 10]).max() < 3
    unknown = replace(face, gaze_deg=np.full((1, 2, 2), np.nan, np.float32))
    assert np.isnan(FaceSmoother("light")(unknown, 1 / 30).gaze_deg).all()


@pytest.mark.parametrize("count", [0, 2])
def test_a_smoother_takes_one_face(face_model, count):
    people = [Person((100, 100)), Person((200, 100))]
    scene = Scene("mfn", face_model, people)
    faces = scene.faces(0, people, [person.box(0) for person in people])
    with pytest.raises(InvalidInputError, match="takes Faces with N = 1"):
        FaceSmoother("light")(faces[:count], 0.1)
    with pytest.raises(InvalidInputError, match="takes Faces with N = 1"):
        FaceSmoother("off")(faces[0], 0.1)


@pytest.mark.parametrize("name", ["boxes_xyxy", "landmarks_3d", "rotation", "focal"])
def test_a_smoother_takes_finite_numbers(face_model, name):
    person = Person((100, 100))
    face = Scene("mfn", face_model, [person]).faces(0, [person], [person.box(0)])
    unknown = replace(face, **{name: np.full_like(getattr(face, name), np.nan)})
    with pytest.raises(InvalidInputError, match=f"finite numbers, and {name} has others"):
        FaceSmoother("light")(unknown, 0.1)


@pytest.mark.parametrize("dt_s", [0.0, -1.0, float("nan"), "0.1", None])
def test_time_passes_between_two_sights_of_a_face(face_model, dt_s):
    person = Person((100, 100))
    face = Scene("mfn", face_model, [person]).faces(0, [person], [person.box(0)])
    with pytest.raises(InvalidInputError, match="dt_s must lie in"):
        FaceSmoother("light")(face, dt_s)
