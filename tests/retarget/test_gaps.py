"""Lost faces, uneven frames and timecode, in every export of a take."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.recording import Performance, RecordingWriter, read_recording
from edgeface.retarget import FORMATS, ExportOptions, export
from edgeface.retarget.gaps import BRIDGE_S, hold_in_gaps
from edgeface.timecode import Timecode, timecode_text
from tests.fakes import Person, Scene
from tests.retarget.test_formats import read_accessor

pygltflib = pytest.importorskip("pygltflib")

STARTS_S = 0.4
SHORT, LONG = (20, 24), (40, 70)
"""Frames, first and last but one, in which the face is lost."""


@pytest.fixture
def recorded(tmp_path, face_model):
    """100 frames at uneven times; a face that comes late, opens its mouth, and is lost twice."""
    scene = Scene("mfn", face_model, [Person((100, 100))])
    times = np.cumsum(np.where(np.arange(100) % 3, 1 / 60, 1 / 20))
    times -= times[0]
    writer = RecordingWriter(
        tmp_path / "take.jsonl", scene.metadata, "clip.mov", 30.0, "01:00:10:15"
    )
    for number, time_s in enumerate(times):
        seen = scene.faces(number, [Person((100, 100))], [Person((100, 100)).box(0)])
        faces = replace(seen, track_ids=np.array([1]))
        faces.expression_coeffs[:, list(faces.expression_names).index("jawOpen")] = number / 100
        lost = any(first <= number < last for first, last in (SHORT, LONG))
        if time_s < STARTS_S or lost:
            faces = faces.select(np.zeros(0, int))
        writer.write(number, float(time_s), (240, 320), faces)
    writer.close()
    return tmp_path / "take.jsonl", times


def exported(recorded, name):
    path = recorded[0].with_suffix(FORMATS[name].suffix)

    export(recorded[0], path, name, ExportOptions())
    return path


def seen_times(times):
    return [
        t
        for k, t in enumerate(times)
        if t >= STARTS_S and not any(first <= k < last for first, last in (SHORT, LONG))
    ]


def test_gaps_are_told_by_frames_without_the_person(recorded):
    path, times = recorded
    (performance,) = read_recording(path).performances.values()
    np.testing.assert_allclose(performance.times_s, seen_times(times), atol=1e-6)
    expected = [[times[first - 1], times[last]] for first, last in (SHORT, LONG)]
    np.testing.assert_allclose(performance.gaps_s, expected, atol=1e-6)
    assert np.diff(expected)[0, 0] < BRIDGE_S < np.diff(expected)[1, 0]


def test_a_short_gap_is_bridged_and_in_a_long_one_the_pose_is_held(recorded):
    (performance,) = read_recording(recorded[0]).performances.values()
    held = hold_in_gaps(performance)
    jaw = [shapes["jawOpen"] for shapes in held.blendshapes]
    left_s, back_s = performance.gaps_s[1]
    assert len(jaw) == len(performance.times_s) + 1
    assert (np.diff(held.times_s) > 0).all()

    def played(time_s):
        """What a program shows that draws straight lines between keys."""
        return np.interp(time_s, held.times_s, jaw)

    assert played((left_s + back_s) / 2) == pytest.approx(0.39)
    assert played(back_s - 0.02) == pytest.approx(0.39, abs=0.01)
    assert played(back_s) == pytest.approx(0.70)
    assert played(np.mean(performance.gaps_s[0])) == pytest.approx(0.215)


def test_of_uneven_takes_no_time_comes_twice():
    """A gap of 2 s where frames are 3 s apart."""
    seen, turns = np.array([0.0, 3.0, 6.0, 8.0]), np.zeros((4, 4))
    shapes, gaps = np.zeros((4, 46)), np.array([[6.0, 8.0]])
    take = Performance(1, seen, np.arange(4), turns, shapes, np.zeros(50), [{}] * 4, gaps)
    assert hold_in_gaps(take).times_s.tolist() == seen.tolist()


def test_gltf_keeps_times_and_tells_gaps(recorded):
    times = recorded[1]
    gltf = pygltflib.GLTF2().load(str(exported(recorded, "gltf")))
    (animation,) = gltf.animations
    keys = read_accessor(gltf, animation.samplers[0].input)[:, 0]
    assert set(np.round(seen_times(times), 4)) <= set(np.round(keys.astype(float), 4))
    told = animation.extras["edgeface"]
    assert (told["source"], told["fps"], told["timecode"]) == ("clip.mov", 30.0, "01:00:10:15")
    np.testing.assert_allclose(told["gaps_s"][1], [times[LONG[0] - 1], times[LONG[1]]], atol=1e-3)


def test_live_link_counts_on_from_the_clips_timecode(recorded):
    with exported(recorded, "livelink").open(newline="") as file:
        rows = list(csv.DictReader(file))
    hours, minutes, seconds, frames = np.array(
        [[float(part) for part in row["Timecode"].split(":")] for row in rows]
    ).T
    clock = 3600 * hours + 60 * minutes + seconds + frames / 60 - (3600 + 10.5)
    performance = read_recording(recorded[0]).performance()
    np.testing.assert_allclose(clock, hold_in_gaps(performance).times_s, atol=1e-4)


def test_the_report_holds_gaps_and_timecode(recorded):
    page = exported(recorded, "html").read_text()
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert data["timecode"] == "01:00:10:15"
    assert np.shape(data["people"][0]["gaps"]) == (2, 2)


def test_a_damaged_timecode_is_named(recorded):
    path = recorded[0]
    path.write_text(path.read_text().replace("01:00:10:15", "noon"))
    with pytest.raises(InvalidInputError, match="expected a timecode"):
        read_recording(path)


@pytest.mark.parametrize("given", [("noon", 24.0), (None, 24.0), ("01:00:00:00", np.nan),
                                   ("01:00:00:00", None), ("01:00:00:00", 0)])  # fmt: skip
def test_a_timecode_that_is_none_is_an_error(given):
    with pytest.raises(InvalidInputError):
        Timecode(*given)


@pytest.mark.parametrize(("counted", "dropped"), [(30, 2), (60, 4)])
def test_timecode_that_drops_numbers_names_every_frame_as_cameras_do(counted, dropped):
    named = (
        (minute, second, frame)
        for minute in range(8, 22)
        for second in range(60)
        for frame in range(counted)
        if second or frame >= dropped or minute % 10 == 0
    )
    begun = Timecode(f"00:08:00;{dropped:02d}", counted / 1.001)
    for number, (minute, second, frame) in enumerate(named):
        if second in (0, 59):
            clock = timecode_text(begun.at(number * 1.001 / counted), counted)
            assert clock == f"00:{minute:02d}:{second:02d}:{frame:02d}.000"


def test_timecode_that_drops_numbers_keeps_up_with_real_seconds():
    assert Timecode("01:00:00;00", 30 / 1.001).at(1001.0) == 4601.0
    assert Timecode("01:00:00:00", 30 / 1.001).at(1001.0) == pytest.approx(4600.0)
