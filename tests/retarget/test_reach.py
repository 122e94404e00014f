"""What is learned of a person's range, on curves that are known and on marked clips."""

import json

import numpy as np
import pytest

from benchmarks.studies import blinks
from edgeface import InvalidInputError
from edgeface.gaze import LOOKS, eye_looks, gaze_from_looks
from edgeface.lids import FIRST_REACH, LidReach, blink_peaks
from edgeface.retarget import PersonRange, Retargeter, calibrate, learn_range, read_range
from edgeface.video.smoothing import STRENGTHS, OneEuro, settings_of

NO_TURN = np.array([1.0, 0, 0, 0])
RATE = 30


def lid_curve(heights, every_s=2.0, open_value=0.05, noise=0.0, random=None):
    """Times and values of a lid that shuts for three frames to each of the heights."""
    times = np.arange(int(RATE * every_s * (len(heights) + 1))) / RATE
    values = np.full(len(times), open_value)
    for k, height in enumerate(heights):
        at = int(RATE * every_s * (k + 0.5))
        values[at : at + 3] = [0.6 * height, height, 0.7 * height]
    if random is not None:
        values = values + noise * random.normal(size=len(values))
    return times, values


def take(values, times=None, name="eyeBlinkLeft"):
    times = np.arange(len(values)) / RATE if times is None else times
    return times, [{name: float(v)} for v in values], np.tile(NO_TURN, (len(values), 1))


def test_blinks_are_found_and_slow_lids_are_none():
    times, values = lid_curve([0.5, 0.7, 0.4])
    np.testing.assert_allclose(blink_peaks(times, values), [0.5, 0.7, 0.4])
    down = 0.3 + 0.3 * np.sin(2 * np.pi * 0.2 * times)
    assert len(blink_peaks(times, down)) == 0


@pytest.mark.parametrize("rate", [15, 24, 60, 120])
def test_blinks_are_found_at_any_rate(rate):
    times = np.arange(4 * rate) / rate
    shut = np.abs(times - 2) < 0.08
    np.testing.assert_allclose(blink_peaks(times, 0.1 + 0.5 * shut), [0.6])


def test_a_calibrated_eye_shuts_and_rests():
    times, values = lid_curve([0.5, 0.55, 0.45])
    learned = learn_range(*take(values, times))
    assert [learned("eyeBlinkLeft", v) for v in (0.05, 0.45, 0.6)] == [0, 1, 1]
    assert learned("jawOpen", 0.3) == 0.3


def test_one_half_blink_does_not_shut_half_open_eyes():
    times, values = lid_curve([0.8, 0.8, 0.8, 0.32])
    assert learn_range(*take(values, times)).reach["eyeBlinkLeft"] == pytest.approx(0.8)


def test_a_shape_that_nobody_moved_keeps_its_scale(random):
    still = 0.1 + 0.01 * random.normal(size=300)
    learned = learn_range(*take(still, name="mouthFrownLeft"))
    assert "mouthFrownLeft" not in learned.reach
    moved = np.concatenate([still, np.full(20, 0.45)])
    learned = learn_range(*take(moved, name="mouthFrownLeft"))
    assert learned.reach["mouthFrownLeft"] == pytest.approx(learned.rest["mouthFrownLeft"] + 0.5)


def test_rest_is_of_the_seconds_that_show_it():
    values = np.r_[np.full(60, 0.2), np.full(240, 0.9)]
    assert learn_range(*take(values, name="jawOpen"), rest_s=1.5).rest["jawOpen"] == 0.2


def test_noise_of_open_eyes_is_never_amplified(random):
    times, values = lid_curve([0.5] * 6, noise=0.03, random=random)
    lid, read = LidReach(), []
    for time_s, value in zip(times, values, strict=True):
        lid.see(time_s, value)
        read.append(lid(value))
    is_open = values < 0.15
    np.testing.assert_allclose(np.array(read)[is_open], np.clip(values[is_open], 0, 1))
    assert max(read[300:360]) > 0.95
    assert lid.reach == pytest.approx(0.5, abs=0.1)


def test_lids_that_half_shut_do_not_lower_the_reach():
    times, values = lid_curve([0.3, 0.8, 0.35, 0.8, 0.3, 0.33, 0.8, 0.3])
    lid = LidReach()
    for time_s, value in zip(times, values, strict=True):
        lid.see(time_s, value)
        assert lid.reach >= FIRST_REACH
    assert lid(0.35) < 0.5


def test_a_person_whose_shut_eye_reads_low_gets_their_own_reach():
    times, values = lid_curve([0.42] * 3)
    assert reach_of(times, values) == pytest.approx(0.42)


@pytest.mark.parametrize("rate", [15, 120])
def test_the_usual_value_is_followed_at_any_rate(rate):
    """Half a minute of open eyes, then looking down for four seconds."""
    times = np.arange(34 * rate) / rate
    lid = LidReach()
    for time_s in times:
        lid.see(time_s, 0.1 if time_s < 30 else 0.5)
    assert lid(0.5) == pytest.approx(0.5)


def test_a_clip_that_begins_again_leaves_lids_as_they_were():
    times, values = lid_curve([0.8] * 3)
    once, again = LidReach(), LidReach()
    for lid, turns in ((once, 1), (again, 3)):
        for _ in range(turns):
            for time_s, value in zip(times, values, strict=True):
                lid.see(time_s, value)
    assert [again(v) for v in (0.05, 0.4, 0.8)] == pytest.approx(
        [once(v) for v in (0.05, 0.4, 0.8)]
    )


def reach_of(times, values):
    lid = LidReach()
    for time_s, value in zip(times, values, strict=True):
        lid.see(time_s, value)
    return lid.reach


def test_before_the_first_blink_a_usual_reach_counts():
    lid = LidReach()
    assert lid.reach == FIRST_REACH
    assert lid(0.0) == 0
    assert lid(FIRST_REACH) == pytest.approx(1)


def test_a_retargeter_learns_only_what_no_calibration_says():
    times, values = lid_curve([0.5, 0.5])
    plain, taught = Retargeter(), Retargeter(person=PersonRange({}, {"eyeBlinkLeft": 0.9}))
    for time_s, value in zip(times, values, strict=True):
        plain.watch(time_s, {"eyeBlinkLeft": value})
        taught.watch(time_s, {"eyeBlinkLeft": value})
    assert plain({"eyeBlinkLeft": 0.5}, NO_TURN)[0]["eyeBlinkLeft"] == pytest.approx(1)
    assert taught({"eyeBlinkLeft": 0.45}, NO_TURN)[0]["eyeBlinkLeft"] == pytest.approx(0.5)
    assert Retargeter()({"eyeBlinkLeft": 0.5}, NO_TURN)[0]["eyeBlinkLeft"] == 0.5


def test_a_range_is_kept_in_a_file(tmp_path):
    learned = PersonRange({"jawOpen": 0.1}, {"jawOpen": 0.8}, (0.96, 0.28, 0.0, 0.0))
    learned.save(tmp_path / "me.json")
    assert read_range(tmp_path / "me.json") == learned


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read the range"),
        ("[]", "no range of a person"),
        ('{"format": "edgeface-range"}', "version is missing"),
        ('{"format": "edgeface-range", "version": [2, 0], "rest": {}, "reach": {}, '
         '"quaternion_wxyz": [1, 0, 0, 0]}', "reads 1.x"),
        ('{"format": "edgeface-range", "version": [1, 0], "rest": {"jaw": 0}, "reach": {}, '
         '"quaternion_wxyz": [1, 0, 0, 0]}', "does not have: jaw"),
        ('{"format": "edgeface-range", "version": [1, 0], "rest": {}, "reach": {}, '
         '"quaternion_wxyz": [0, 0, 0, 0]}', "length 1"),
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path, text, message):
    (tmp_path / "me.json").write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        read_range(tmp_path / "me.json")


def test_nothing_seen_is_said():
    with pytest.raises(InvalidInputError, match="at least one frame"):
        learn_range(np.zeros(0), [], np.zeros((0, 4)))


@pytest.mark.parametrize(
    ("clip", "num_frames"),
    [("talking-head", 300), ("expressive-speaker", 125), ("seated-talker", 200)],
)
def test_marked_eyes_shut_and_open_ones_stay_open(clip, num_frames, data_folder):
    """Peaks of marked events: the weakest is 0.8 without calibration, 0.9 with, on every path."""
    times, tracked = blinks.track(data_folder / "video" / f"{clip}.mp4", "light", num_frames)
    for path, read in blinks.paths(times, tracked).items():
        least = 0.8 if path in ("tracker", "stream") else 0.9
        assert blinks.peaks(clip, read).min() >= least, path
        assert blinks.share_read_as_shut(clip, read) <= 0.01, path


def test_blinks_of_a_clip_stay_at_any_rate(data_folder):
    """Its frames are shown as fast as at 24 to 120 a second, or as often, blended between."""
    clip = "expressive-speaker"
    times, tracked = blinks.track(data_folder / "video" / f"{clip}.mp4", "off")
    raw = blinks.lids(tracked)
    events = blinks.MARKS[clip]["shut"]
    for rate in (24, 30, 60, 120):
        for shown in (np.arange(len(times)) / rate, np.array(times)):
            at = np.arange(0, shown[-1], 1 / rate)
            read = np.stack([np.interp(at, shown, lid) for lid in raw.T], axis=1)
            for strength in STRENGTHS:
                smooth = OneEuro(settings_of(strength).expression)
                out = np.array([smooth(lids[:, None], 1 / rate)[:, 0] for lids in read])
                for first, last in events:
                    frames = (at >= shown[first - 1]) & (at <= shown[last + 1])
                    kept = out[frames].max(axis=0) / read[frames].max(axis=0)
                    assert kept.min() >= 0.85, (rate, strength, first)


def looks(gaze):
    return dict(zip(LOOKS, eye_looks(np.array([gaze]))[0].tolist(), strict=True))


def test_who_looks_at_the_camera_calibrates_the_gaze(tmp_path):
    """The head is turned by 10 degrees, so that the camera is 10 degrees to the other side."""
    half = np.deg2rad(10) / 2
    turned = np.array([np.cos(half), 0, np.sin(half), 0])  # to the own left
    read = looks([[3.0, -4.0], [2.0, -6.0]])  # -10 would be right
    frames = [read] * 30 + [looks([[0.0, 30.0], [0.0, 30.0]])] * 30
    quaternions = np.tile(turned, (60, 1))
    learned = learn_range(np.arange(60) / 10, frames, quaternions, rest_s=2.5)
    np.testing.assert_allclose(learned.gaze_deg, [3, 6, 2, 4], atol=1e-4)
    assert not set(LOOKS) & (set(learned.rest) | set(learned.reach))
    learned.save(tmp_path / "me.json")
    kept = read_range(tmp_path / "me.json")
    np.testing.assert_allclose(kept.gaze_deg, learned.gaze_deg, atol=0.01)
    shapes, _ = Retargeter(person=kept)(read, turned)
    np.testing.assert_allclose(gaze_from_looks(shapes), [[0, -10], [0, -10]], atol=0.05)
    np.testing.assert_allclose(
        Retargeter(person=kept).eyes_deg(read), [[0, -10], [0, -10]], atol=0.05
    )


def test_a_take_that_does_not_begin_at_rest_leaves_the_gaze_its_angles():
    """Eyes that are shapes looked twice as far as eyes that are bones."""
    read = [looks([[2.0, yaw], [2.0, yaw]]) | {"jawOpen": 0.1} for yaw in np.linspace(-19, 19, 60)]
    quaternions = np.tile(NO_TURN, (60, 1))
    learned = learn_range(np.arange(60) / 10, read, quaternions)
    assert not set(LOOKS) & (set(learned.rest) | set(learned.reach))
    older = PersonRange(dict.fromkeys(LOOKS, 0.1), dict.fromkeys(LOOKS, 0.6))
    for person in (learned, older):
        retargeter = Retargeter(person=person)
        shapes, _ = retargeter(read[0], NO_TURN)
        np.testing.assert_allclose(gaze_from_looks(shapes), [[2, -19], [2, -19]], atol=1e-4)
        np.testing.assert_allclose(retargeter.eyes_deg(read[0]), [[2, -19]] * 2, atol=1e-4)


def test_a_file_of_before_has_no_offset(tmp_path):
    PersonRange({"jawOpen": 0.1}).save(tmp_path / "me.json")
    values = json.loads((tmp_path / "me.json").read_text())
    del values["gaze_deg"]
    (tmp_path / "old.json").write_text(json.dumps(values))
    assert read_range(tmp_path / "old.json").gaze_deg == (0, 0, 0, 0)


def test_nobody_is_calibrated_by_what_is_not_seen():
    frames = [{"jawOpen": 0.1, "eyeLookUpLeft": 0.2}] * 30
    learned = learn_range(np.arange(30) / 10, frames, np.tile(NO_TURN, (30, 1)), rest_s=2.5)
    assert learned.gaze_deg == (0, 0, 0, 0)
    assert Retargeter(person=learned).eyes_deg(frames[0]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times_s": [0.0, 0.1]}, "times_s must be 3 times that do not fall"),
        ({"times_s": [0.2, 0.1, 0.0]}, "times_s must be 3 times that do not fall"),
        ({"times_s": [0.0, np.nan, 0.1]}, "times_s must be finite numbers"),
        ({"blendshapes": [{"jawOpen": "x"}] * 3}, "blendshapes must be numbers by name"),
        ({"blendshapes": None}, "blendshapes must be a list"),
        ({"quaternions_wxyz": np.zeros((3, 4))}, "quaternions_wxyz must be 3 of length 1"),
        ({"quaternions_wxyz": [NO_TURN]}, "quaternions_wxyz must be 3 of length 1"),
        ({"quaternions_wxyz": np.full((3, 4), np.nan)}, "quaternions_wxyz must be finite"),
        ({"rest_s": -1.0}, "rest_s must lie in"),
        ({"rest_s": np.nan}, "rest_s must lie in"),
    ],
)
def test_a_take_that_tells_no_range_is_refused(change, message):
    """A rest before the first frame was half a turn of the head."""
    given = {
        "times_s": [0.0, 0.1, 0.2],
        "blendshapes": [{"jawOpen": 0.1}] * 3,
        "quaternions_wxyz": [NO_TURN] * 3,
    }
    learned = learn_range(**given)
    assert learned.rest == {"jawOpen": 0.1}
    assert learned.quaternion_wxyz == tuple(NO_TURN)
    with pytest.raises(InvalidInputError, match=message):
        learn_range(**(given | change))
    if not change.keys() & {"times_s", "rest_s"}:
        with pytest.raises(InvalidInputError, match=message):
            calibrate(*list((given | change).values())[1:])


@pytest.mark.parametrize(
    "rest", [{"jawOpen": np.nan}, {"jawOpen": 5.0}, {"jawsOpen": 0.1}], ids=str
)
def test_no_range_is_written_that_cannot_be_read(tmp_path, rest):
    path = tmp_path / "me.json"
    with pytest.raises(InvalidInputError):
        PersonRange(rest).save(path)
    assert not path.exists()
    PersonRange({"jawOpen": np.float32(0.5)}).save(path)
    assert read_range(path).rest == {"jawOpen": 0.5}
