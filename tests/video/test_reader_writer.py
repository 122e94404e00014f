"""Real files through PyAV: turned, uneven in time, damaged, odd."""

import struct
import sys

import numpy as np
import pytest

from edgeface import BackendUnavailableError, InvalidInputError
from edgeface.video import VideoWriter, open_video
from edgeface.video import reader as reader_module

av = pytest.importorskip("av")


def frames_of(path):
    with open_video(path) as video:
        return list(video)


def corner(image):
    """Which corner is red: (row, column), 0 or 1."""
    height, width = image.shape[:2]
    spots = {(r, c): image[6 if r == 0 else height - 7, 6 if c == 0 else width - 7].astype(int)
             for r in (0, 1) for c in (0, 1)}  # fmt: skip
    return max(spots, key=lambda k: spots[k][0] - spots[k][1])


def test_frames_come_in_order_with_their_times(make_video, ramp):
    frames = frames_of(make_video("plain.mp4", ramp, fps=25))
    assert [f.index for f in frames] == list(range(12))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(12) / 25, atol=1e-3)
    brightness = [f.image[40, 60].mean() for f in frames]
    np.testing.assert_allclose(brightness, 60 + 8 * np.arange(12), atol=4)


def test_an_open_video_is_not_overwritten_from_another_folder(make_video, ramp, monkeypatch):
    path = make_video("plain.mp4", ramp)
    before = path.read_bytes()
    monkeypatch.chdir(path.parent)
    with open_video("plain.mp4") as video:
        (path.parent / "elsewhere").mkdir()
        monkeypatch.chdir(path.parent / "elsewhere")
        with pytest.raises(InvalidInputError, match="is the input"):
            VideoWriter(path, video)
        assert len(list(video)) == 12
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.mkv"])
def test_uneven_times_are_kept(make_video, ramp, name):
    times = np.cumsum([0, 0.04, 0.1, 0.02, 0.3, 0.04, 0.04, 0.2, 0.033, 0.05, 0.01, 0.9])
    frames = frames_of(make_video(name, ramp, times_s=times))
    np.testing.assert_allclose([f.time_s for f in frames], times, atol=2e-3)


@pytest.mark.parametrize(
    ("turn", "matrix", "place"),
    [(90, (0, 1, -1, 0), (0, 1)), (180, (-1, 0, 0, -1), (1, 1)), (270, (0, -1, 1, 0), (1, 0))],
)
def test_phones_held_upright_are_turned(make_video, ramp, turn, matrix, place):
    """The track header's matrix, as ISO/IEC 14496-12 has it, written by hand."""
    path = make_video("phone.mp4", ramp)
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 4 + 4 + 20 + 16  # version, times and ids, reserved and layer
    a, b, c, d = (v << 16 for v in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    image = frames_of(path)[0].image
    assert image.shape[:2] == ((64, 96) if turn == 180 else (96, 64))
    assert corner(image) == place


def test_ten_bits_become_eight(make_video, ramp):
    frames = frames_of(make_video("deep.mkv", ramp, codec="libx265", pix_fmt="yuv420p10le"))
    assert frames[3].image.dtype == np.uint8
    assert frames[3].image[40, 60].mean() == pytest.approx(84, abs=4)


def test_a_stream_without_times_gets_them(tmp_path, make_video, ramp):
    source = make_video("timed.mp4", ramp)
    path = tmp_path / "raw.h264"
    with av.open(str(source)) as container, av.open(str(path), "w", format="h264") as raw:
        stream = raw.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    times = [f.time_s for f in frames_of(path)]
    assert len(times) == 12
    assert (np.diff(times) > 0).all()


@pytest.fixture
def bad_files(tmp_path, make_video, ramp):
    """A folder of files that are no videos, each for a reason of its own."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all " * 20)
    cut = make_video("cut.mp4", ramp)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        silence.rate = 16000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.mp4", "no such video"),
        ("empty.mp4", "is empty"),
        ("text.mp4", "it is no video"),
        ("cut.mp4", "cut off before its index"),
        ("sound.mp4", "no pictures, only audio"),
        (".", r"is a folder: edgeface run .* looks at its images"),
    ],
)
def test_bad_files_are_named(bad_files, name, message):
    with pytest.raises(InvalidInputError, match=message):
        open_video(bad_files / name)


def frames_before_error(video):
    """What came, and the message of what ended it."""
    frames = []
    try:
        for frame in video:
            frames.append(frame)
    except InvalidInputError as error:
        return frames, str(error)
    return frames, ""


def test_a_file_that_breaks_off_yields_what_came_before(make_video, ramp):
    path = make_video("long.mp4", [np.roll(i, 3 * k, 1) for k in range(8) for i in ramp])
    data = path.read_bytes()
    moov = data.find(b"moov") - 4
    half = (data.find(b"mdat") + 4 + moov) // 2
    path.write_bytes(data[:half] + bytes(moov - half) + data[moov:])
    with open_video(path) as video:
        frames, message = frames_before_error(video)
    assert 10 < len(frames) < 96
    assert f"after {len(frames)} frames" in message


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(InvalidInputError, match="camera:97"):
        open_video("camera:97")


def test_a_camera_pulled_out_is_named(make_video, ramp):
    """A live source never ends by itself: the end of its frames is a loss."""
    container = av.open(str(make_video("plain.mp4", ramp)))
    with reader_module.VideoReader(container, "camera:0", live=True) as live:
        frames, message = frames_before_error(live)
    assert len(frames) == 12
    assert message == "camera:0 stopped after 12 frames"


def test_the_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BackendUnavailableError, match=r"edgeface\[video\]"):
        open_video("any.mp4")


def write_overlay(source, path, stop_after=None):
    with open_video(source) as video:
        writer = VideoWriter(path, video)
        for frame in video:
            writer.write(frame.image, frame.time_s)
            if frame.index == stop_after:
                break
        writer.close()


def sound_seconds(path):
    with av.open(str(path)) as container:
        last = list(container.decode(audio=0))[-1]
        return last.time + last.samples / last.rate


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_overlays_keep_times_and_sound(tmp_path, make_video, ramp, suffix):
    times = np.cumsum([0, *[0.04, 0.12] * 5, 0.1])
    source = make_video("source.mp4", ramp, times_s=times, sound=True)
    write_overlay(source, tmp_path / f"out{suffix}")
    frames = frames_of(tmp_path / f"out{suffix}")
    np.testing.assert_allclose([f.time_s for f in frames], times, atol=2e-3)
    assert sound_seconds(tmp_path / f"out{suffix}") == pytest.approx(0.4, abs=0.1)


def test_sound_stops_with_the_pictures(tmp_path, make_video, ramp):
    source = make_video("source.mp4", ramp * 10, sound=True)
    write_overlay(source, tmp_path / "out.mp4", stop_after=30)
    assert len(frames_of(tmp_path / "out.mp4")) == 31
    assert sound_seconds(tmp_path / "out.mp4") == pytest.approx(1.0, abs=0.1)


def test_sound_is_heard_as_long_as_the_last_frame_is_shown(tmp_path, make_video, ramp):
    source = make_video("source.mp4", ramp[:4], fps=2, sound=True)
    write_overlay(source, tmp_path / "out.mp4")
    assert sound_seconds(tmp_path / "out.mp4") == pytest.approx(2.0, abs=0.1)


def test_overlays_take_odd_and_changing_sizes(tmp_path, make_video, ramp):
    source = make_video("source.mp4", ramp)
    with open_video(source) as video:
        writer = VideoWriter(tmp_path / "out.mp4", video)
        for i, size in enumerate([(63, 95), (63, 95), (120, 40), (64, 96)]):
            writer.write(np.full((*size, 3), 90, np.uint8), i / 30)
        writer.close()
    assert [f.image.shape for f in frames_of(tmp_path / "out.mp4")] == [(62, 94, 3)] * 4


def test_pictures_that_the_encoder_refuses_are_an_error_of_ours(tmp_path, make_video, ramp):
    with open_video(make_video("source.mp4", ramp)) as video:
        writer = VideoWriter(tmp_path / "out.mp4", video)
        with pytest.raises(InvalidInputError, match=r"cannot write .*out\.mp4"):
            writer.write(np.zeros((2, 20_000, 3), np.uint8), 0.0)
        writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


@pytest.mark.parametrize("begun", [False, True])
def test_an_overlay_without_pictures_does_not_replace_an_older_one(
    tmp_path, make_video, ramp, begun
):
    source, old = make_video("source.mp4", ramp), tmp_path / "out.mp4"
    old.write_bytes(b"what was there before")
    with open_video(source) as video:
        writer = VideoWriter(old, video)
        if begun:
            with pytest.raises(InvalidInputError, match="time_s must lie in"):
                writer.write(ramp[0], float("nan"))
        writer.close()
    assert old.read_bytes() == b"what was there before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "source.mp4"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such/folder.mp4", "cannot write"),
        ("out.xyz", "cannot write"),
        ("out.webm", r"ends in \.mp4, \.m4v, \.mov, \.mkv, \.avi$"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, make_video, ramp, name, message):
    source = make_video("source.mp4", ramp, sound=True)
    with open_video(source) as video, pytest.raises(InvalidInputError, match=message):
        VideoWriter(tmp_path / name, video)


@pytest.mark.parametrize(
    ("image", "time_s", "message"),
    [
        (np.zeros((48, 64, 3), np.int64), 1.0, "expected pixels of uint8"),
        (np.zeros((0, 64, 3), np.uint8), 1.0, "the image is empty"),
        ([[1]], 1.0, "expected an array"),
        (np.zeros((48, 64, 3), np.uint8), 0.4, "must not lie before the last one's, 0.5; got 0.4"),
        (np.zeros((48, 64, 3), np.uint8), -1.0, "time_s must lie in"),
        (np.zeros((48, 64, 3), np.uint8), "0", "time_s must lie in"),
    ],
)
def test_a_frame_that_cannot_be_written_costs_none_of_the_others(
    tmp_path, make_video, ramp, image, time_s, message
):
    path = tmp_path / "out.mp4"
    with open_video(make_video("source.mp4", ramp)) as video:
        writer = VideoWriter(path, video)
        writer.write(ramp[0], 0.5)
        with pytest.raises(InvalidInputError, match=message):
            writer.write(image, time_s)
        writer.write(ramp[1][:, :, 0] / 255.0, 0.5)  # grey, and at the same time
        writer.close()
        writer.close()
        with pytest.raises(InvalidInputError, match=r"out\.mp4 is finished"):
            writer.write(ramp[0], 1.0)
    with open_video(path) as written:
        assert len(list(written)) == 2


def test_a_writer_needs_an_open_video(tmp_path):
    with pytest.raises(InvalidInputError, match="must be an open video, got 'clip"):
        VideoWriter(tmp_path / "out.mp4", "clip.mp4")


def test_an_avi_has_the_rate_of_its_source(tmp_path, make_video, ramp):
    path = tmp_path / "out.avi"
    with open_video(make_video("source.mp4", ramp)) as video:
        frames = list(video)
        writer = VideoWriter(path, video)
        for frame in frames:
            writer.write(frame.image, frame.time_s)
        writer.close()
        with open_video(path) as written:
            assert written.fps == pytest.approx(video.fps)
            times = [frame.time_s for frame in written]
    np.testing.assert_allclose(times, [frame.time_s for frame in frames], atol=1e-3)


def test_an_avi_holds_a_picture_an_hour(tmp_path, make_video, ramp):
    source = make_video("source.mp4", ramp[:3], times_s=[0, 3600, 7200])
    write_overlay(source, tmp_path / "out.avi")
    assert [f.time_s for f in frames_of(tmp_path / "out.avi")] == pytest.approx(
        [0, 3600, 7200], abs=2400
    )


def test_a_video_is_read_once(make_video, ramp):
    with open_video(make_video("source.mp4", ramp)) as video:
        assert len(list(video)) == len(ramp)
        with pytest.raises(InvalidInputError, match="was read to its end: open it again"):
            list(video)
    with pytest.raises(InvalidInputError, match="is closed: open it again"):
        list(video)
