import json
import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.recording import RecordingWriter, read_recording
from edgeface.video.tracker import Tracker
from tests.fakes import Person, Scene, frame_image


@pytest.fixture
def recorded(tmp_path, face_model):
    """Two people, one of whom goes."""
    people = [Person((100, 100), (1, 0), seed=1),
              Person((230, 140), seed=2, hidden=frozenset(range(12, 99)))]  # fmt: skip
    scene = Scene("mfn", face_model, people)
    tracker = Tracker(scene)
    writer = RecordingWriter(tmp_path / "take.jsonl", scene.metadata, "</script>clip.mp4", 25.0)
    for i in range(30):
        image = frame_image(i)
        writer.write(i, i / 25, image.shape[:2], tracker.update(image, i / 25))
    writer.close()
    return tmp_path / "take.jsonl"


def test_recordings_come_back(recorded, face_model):
    recording = read_recording(recorded)
    assert recording.num_frames == 30
    assert recording.header["size"] == [240, 320]
    assert recording.header["face_model_sha256"] == face_model.sha256
    first = recording.performance()
    assert first.track_id == 1
    np.testing.assert_allclose(first.times_s, np.arange(30) / 25, atol=1e-6)
    np.testing.assert_allclose(first.quaternions_wxyz, np.tile([1, 0, 0, 0], (30, 1)), atol=1e-5)
    np.testing.assert_allclose(first.identity_coeffs, Person((0, 0), seed=1).identity(), atol=1e-3)
    assert first.blendshapes[0]["jawOpen"] == pytest.approx(0.02)
    # twelve frames in sight, and two more within the time a missed face moves on
    assert recording.performance(2).frames.tolist() == list(range(14))
    with pytest.raises(InvalidInputError, match="nobody has the track id 7; the ids are 1, 2"):
        recording.performance(7)


def test_a_secret_is_not_recorded(tmp_path, face_model):
    scene = Scene("mfn", face_model, [])
    source = "rtsp://admin:s3cret@10.0.0.9/door?token=s3cret"
    writer = RecordingWriter(tmp_path / "take.jsonl", scene.metadata, source, 25.0)
    writer.write(0, 0.0, (240, 320), Tracker(scene).update(frame_image(0), 0.0))
    writer.close()
    header = read_recording(tmp_path / "take.jsonl").header
    assert header["source"] == "rtsp://admin:***@10.0.0.9/door?***"


def test_a_line_that_was_cut_off_costs_only_itself(recorded):
    text = recorded.read_text()
    recorded.write_text(text[: len(text) - 300])
    assert read_recording(recorded).num_frames == 29


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "no edgeface recording"),
        (lambda _: "{}\n", "no edgeface recording"),
        (lambda _: "hello\n", "line 1 is no JSON"),
        (lambda lines: re.sub(r"\[1,\d\]", "[2,0]", lines[0]), "this release reads 1.x"),
        (lambda lines: "\n".join([lines[0], "{]", lines[1]]), "line 2 is no JSON"),
        (lambda lines: lines[0] + '\n{"frame": 0}\n{"frame": 1}\n', "is damaged: it lacks 'faces'"),
        (lambda lines: "\n".join(lines * 2), "line 32 begins another recording"),
    ],
)
def test_what_is_no_recording_is_named(recorded, change, message):
    recorded.write_text(change(recorded.read_text().splitlines()))
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        read_recording(recorded)


def test_an_absent_and_an_empty_recording_are_named(tmp_path, recorded):
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_recording(tmp_path / "absent.jsonl")
    recorded.write_text(recorded.read_text().splitlines()[0])
    with pytest.raises(InvalidInputError, match="nobody was seen"):
        read_recording(recorded).performance()


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("clip.mp4", "a\u2028b\x85c.mp4"),
    ],
)
def test_recordings_that_other_programs_wrote_anew(recorded, rewritten):
    recorded.write_bytes(rewritten(recorded.read_text()).encode())
    assert read_recording(recorded).num_frames == 30


@pytest.mark.parametrize("values", [["1", "0", "0", "0"], [True, False, False, False], "1000"])
def test_texts_and_truths_in_a_recording_are_no_numbers(recorded, values):
    lines = recorded.read_text().splitlines()
    frame = json.loads(lines[1])
    frame["faces"][0]["quaternion_wxyz"] = values
    recorded.write_text("\n".join([lines[0], json.dumps(frame), *lines[2:]]))
    with pytest.raises(InvalidInputError, match=r"is damaged: .*quaternion_wxyz must be numbers"):
        read_recording(recorded)


@pytest.mark.parametrize(("name", "value"), [("frame", "1"), ("frame", 1.5), ("time_s", True)])
def test_numbers_and_times_of_frames_are_numbers(recorded, name, value):
    with pytest.raises(InvalidInputError, match=f"is damaged: .*{name} must"):
        changed(recorded, lambda frames: [*frames[:-1], frames[-1] | {name: value}])


def test_a_line_without_an_end_is_not_read_whole(recorded):
    with recorded.open("r+b") as file:
        file.truncate(1 << 32)  # what lies there takes no place on the disk
    tracemalloc.start()
    with pytest.raises(InvalidInputError, match="line 32 is no frame"):
        read_recording(recorded)
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_a_performance_without_frames_is_none(recorded):
    whole = read_recording(recorded).performance()
    with pytest.raises(InvalidInputError, match="one or more frames"):
        replace(whole, times_s=whole.times_s[:0])
    parts = ("times_s", "frames", "quaternions_wxyz", "expression_coeffs", "blendshapes")
    none = {name: getattr(whole, name)[:0] for name in parts}
    with pytest.raises(InvalidInputError, match="one or more frames"):
        replace(whole, **none)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("times_s", None, "arrays and lists"),
        ("frames", 5, "arrays and lists"),
        ("gaps_s", None, "arrays and lists"),
        ("blendshapes", "a" * 30, "list of dictionaries"),
    ],
)
def test_a_performance_is_made_of_arrays_and_lists(recorded, name, value, message):
    whole = read_recording(recorded).performance()
    with pytest.raises(InvalidInputError, match=message):
        replace(whole, **{name: value})


def changed(recorded, change):
    """Write a recording anew after a change to the list of its frames."""
    header, *frames = map(json.loads, recorded.read_text().splitlines())
    lines = [header, *change(frames)]
    recorded.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return read_recording(recorded)


@pytest.mark.parametrize("begins_s", [120.5, 1.8e9, -3.0])
def test_times_count_from_the_first_frame(recorded, begins_s):
    """Takes of the live page begin in the middle, and programs may take the time of the day."""
    expected = read_recording(recorded).performance(1).times_s
    recording = changed(
        recorded, lambda frames: [f | {"time_s": f["time_s"] + begins_s} for f in frames]
    )
    np.testing.assert_allclose(recording.performance(1).times_s, expected, atol=1e-6)


def test_who_is_in_one_moment_twice_is_there_as_they_were_last(recorded):
    def change(frames):
        frames[1]["time_s"] = frames[0]["time_s"]
        frames[5]["faces"] += [frames[5]["faces"][0] | {"blendshapes": {"jawOpen": 0.75}}]
        return frames

    performance = changed(recorded, change).performance(1)
    assert (np.diff(performance.times_s) > 0).all()
    assert performance.frames.tolist() == [*range(1, 30)]
    assert performance.blendshapes[4] == {"jawOpen": 0.75}
    assert len(performance.gaps_s) == 0


def test_takes_of_hours_fit_into_memory(recorded):
    """Of each line, only what performances are made of is kept."""

    def longer(frames):
        return [f | {"time_s": round(0.04 * i, 3)} for i, f in enumerate(5 * frames)]

    changed(recorded, longer)
    tracemalloc.start()
    read_recording(recorded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * recorded.stat().st_size


def test_times_that_fall_are_damage(recorded):
    with pytest.raises(InvalidInputError, match="time_s must not fall"):
        changed(recorded, lambda frames: [frames[20], *frames[:10]])
