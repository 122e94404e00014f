"""Files as careless programs and unlucky users make them."""

from fractions import Fraction

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.video import VideoWriter, open_video

av = pytest.importorskip("av")


def read(path):
    """Frames, and the message of what ended them."""
    frames = []
    with open_video(path) as video:
        try:
            for frame in video:
                frames.append(frame)
        except InvalidInputError as error:
            return frames, str(error)
    return frames, ""


def copied(source, target, change, options=None):
    """A file with the same coded pictures; ``change`` may alter each, or drop it: None."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options or {}) as new:
        stream = old.streams.video[0]
        written = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.dts is not None and change(packet) is not None:
                packet.stream = written
                new.mux(packet)
    return target


@pytest.fixture
def gop(make_video, ramp):
    """60 frames at 30 a second, a picture that stands alone every 12."""

    def prepare(encoder):
        encoder.gop_size, encoder.max_b_frames = 12, 0

    return make_video("full.mp4", ramp * 5, prepare=prepare)


@pytest.mark.parametrize("first", [12, 20, 59])
def test_a_file_that_hides_its_beginning_is_whole(gop, tmp_path, first):
    """What cutting without coding anew leaves: an edit list, and pictures only for decoding."""

    def shift(packet):
        ticks = int(Fraction(first, 30) / packet.time_base)
        packet.pts -= ticks
        packet.dts -= ticks
        return packet

    options = {"use_editlist": "1", "avoid_negative_ts": "disabled"}
    path = copied(gop, tmp_path / "cut.mp4", shift, options)
    with open_video(path) as video:
        promised = video.num_frames
    frames, message = read(path)
    assert (len(frames), message) == (60 - first, "")
    assert promised == 60 - first
    assert frames[-1].time_s == pytest.approx((59 - first) / 30, abs=2e-3)


def test_an_index_that_promises_more_than_there_is(gop, tmp_path):
    path = copied(gop, tmp_path / "front.mp4", lambda p: p, {"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - (len(data) - data.find(b"mdat")) // 3])
    frames, message = read(path)
    assert 0 < len(frames) < 60
    assert f"after {len(frames)} frames" in message


def test_an_index_without_any_picture_promises_them(gop, tmp_path):
    path = copied(gop, tmp_path / "front.mp4", lambda p: p, {"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"mdat") + 4])
    frames, message = read(path)
    assert frames == []
    assert message.endswith("after 0 frames; its index promises 60")


def test_a_matroska_file_that_is_shorter_than_it_states(make_video):
    random = np.random.default_rng(0)
    images = list(random.integers(0, 255, (60, 64, 96, 3), np.uint8))
    path = make_video("cut.mkv", images)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, message = read(path)
    assert 0 < len(frames) < 60
    assert "its header promises 2.0" in message


@pytest.fixture(scope="module")
def noise():
    return list(np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8))


def container_of(make_video, noise, name):
    """A film in a container that does not state its length where FFmpeg looks for it."""
    if name == "film.avi":
        path = make_video(name, noise, codec="mjpeg", pix_fmt="yuvj420p")
        return path, path.read_bytes()
    film = make_video("film.mp4", noise)
    options = {
        "parts.mp4": {"movflags": "frag_keyframe+empty_moov"},
        "film.m2ts": {"mpegts_m2ts_mode": "1"},
    }
    path = copied(film, film.with_name(name), lambda packet: packet, options.get(name))
    return path, path.read_bytes()


@pytest.mark.parametrize("name", ["film.ts", "film.m2ts", "film.flv", "film.avi", "parts.mp4"])
def test_a_file_that_was_cut_in_a_part_is_named(make_video, noise, name):
    path, data = container_of(make_video, noise, name)
    frames, message = read(path)
    assert (len(frames), message) == (60, "")
    middle = len(data) // 2 // 192 * 192
    for length in (middle + 1, middle + 100):
        path.write_bytes(data[:length])
        frames, message = read(path)
        assert 0 < len(frames) < 60
        assert message.endswith(f"after {len(frames)} frames, where it was cut off")


@pytest.mark.parametrize("junk", [b"\0", b"junk" * 300])
def test_what_follows_a_whole_file_is_no_cut(make_video, noise, junk):
    path, data = container_of(make_video, noise, "parts.mp4")
    path.write_bytes(data + junk)
    frames, message = read(path)
    assert (len(frames), message) == (60, "")


def test_damage_in_the_middle_costs_only_what_is_damaged(make_video):
    random = np.random.default_rng(0)
    images = list(random.integers(0, 255, (40, 64, 96, 3), np.uint8))
    path = make_video("damaged.avi", images, codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    at, size = places[20]
    data[at + 8 : at + 8 + size] = bytes(size)
    path.write_bytes(data)
    frames, message = read(path)
    assert len(frames) == 39
    assert "1 of its 40 parts are damaged" in message


def joined(*paths):
    """MPEG streams one after another, as ``cat`` joins them."""
    target = paths[0].with_name("joined.ts")
    target.write_bytes(b"".join(path.read_bytes() for path in paths))
    return target


@pytest.mark.parametrize("start", [0, 500])
def test_joined_streams_play_one_after_the_other(make_video, ramp, start):
    times = np.arange(12) / 30
    first = make_video("a.ts", ramp, times_s=times + 100)
    second = make_video("b.ts", ramp, times_s=times + start, muxer={"mpegts_copyts": "1"})
    frames, message = read(joined(first, second))
    assert message == ""
    assert len(frames) == 24
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(24) / 30, atol=0.04)


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_sound_of_joined_streams_stays_with_the_pictures(make_video, ramp, tmp_path, name):
    first, second = (make_video(n, ramp * 2, sound=True) for n in ("a.ts", "b.ts"))
    path = joined(first, second)
    with open_video(path) as video:
        writer = VideoWriter(tmp_path / name, video)
        for frame in video:
            writer.write(frame.image, frame.time_s)
        writer.close()
    with av.open(str(tmp_path / name)) as container:
        pictures = [f.time for f in container.decode(video=0)]
    with av.open(str(tmp_path / name)) as container:
        last = list(container.decode(audio=0))[-1]
    assert len(pictures) == 48
    assert last.time + last.samples / last.rate == pytest.approx(pictures[-1], abs=0.25)


def test_a_clock_that_wraps_is_followed(make_video, ramp):
    wrap = 2**33 / 90000
    times = wrap - 0.2 + np.arange(12) / 30
    path = make_video("wrap.ts", ramp, times_s=times, muxer={"mpegts_copyts": "1"})
    frames, message = read(path)
    assert message == ""
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(12) / 30, atol=0.04)


def test_a_long_still_in_a_file_keeps_its_length(make_video, ramp):
    times = [*np.arange(6) / 30, *(120 + np.arange(6) / 30)]
    for name in ("still.mp4", "still.mkv"):
        frames, message = read(make_video(name, ramp, times_s=times))
        assert message == ""
        np.testing.assert_allclose([f.time_s for f in frames], times, atol=2e-3)


def test_a_size_that_changes_in_the_middle(make_video, ramp, tmp_path):
    small = make_video("a.ts", ramp)
    large = make_video("b.ts", [np.repeat(np.repeat(i, 2, 0), 2, 1) for i in ramp])
    path = joined(small, large)
    frames, message = read(path)
    assert message == ""
    assert [f.image.shape[:2] for f in frames] == [(64, 96)] * 12 + [(128, 192)] * 12
    with open_video(path) as video:
        writer = VideoWriter(tmp_path / "out.mp4", video)
        for frame in frames:
            writer.write(frame.image, frame.time_s)
        writer.close()
    assert {f.image.shape for f in read(tmp_path / "out.mp4")[0]} == {(64, 96, 3)}


def test_a_stream_that_begins_in_the_middle(make_video, ramp, tmp_path):
    """A recording that was switched on between two pictures that stand alone."""

    def prepare(encoder):
        encoder.gop_size, encoder.max_b_frames = 12, 0

    path = make_video("full.ts", ramp * 4, prepare=prepare)
    data = path.read_bytes()
    late = tmp_path / "late.ts"
    late.write_bytes(data[188 * (len(data) // 188 // 3) :])
    frames, message = read(late)
    assert 12 <= len(frames) < 48
    assert message == ""
    assert frames[0].time_s == 0


@pytest.mark.parametrize("name", ["none.mp4", "none.mkv"])
def test_a_video_without_any_picture_is_named(tmp_path, name):
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(
        InvalidInputError, match=r"no frame that can be decoded|cannot open|has no pictures"
    ):
        list(open_video(tmp_path / name))


def test_a_cover_is_no_video(make_video, ramp, tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        audio = container.add_stream("aac", rate=16000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(ramp[0], format="rgb24")
        container.mux(cover.encode(picture.reformat(format="yuvj420p")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        silence.rate = 16000
        container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
        container.mux(cover.encode(None))
    with pytest.raises(InvalidInputError, match="only a cover and audio"):
        open_video(path)


@pytest.mark.parametrize("stated", ["01:02:03:04", "10:00:00;02", None])
def test_the_timecode_of_the_first_frame_is_read(make_video, ramp, stated):
    rate = 30000 / 1001 if ";" in (stated or "") else 25
    metadata = {} if stated is None else {"timecode": stated}
    with open_video(make_video("clip.mov", ramp, fps=rate, metadata=metadata)) as video:
        assert video.timecode == stated


def test_a_title_in_an_old_code_is_no_reason_to_refuse(make_video, ramp):
    path = make_video("old.avi", ramp, metadata={"title": "T#tulo"})
    path.write_bytes(path.read_bytes().replace(b"T#tulo", "Título".encode("latin-1")))
    frames, message = read(path)
    assert (len(frames), message) == (12, "")


def test_a_rate_that_is_a_time_base_is_not_believed(make_video, ramp):
    with open_video(make_video("plain.mkv", ramp)) as video:
        assert video.fps == pytest.approx(30)
    with open_video(make_video("fast.nut", ramp, fps=900)) as video:
        assert video.fps is None or video.fps <= 1000


@pytest.mark.parametrize("num_before", [0, 2])
def test_pictures_of_an_avi_come_at_its_rate(make_video, ramp, num_before):
    """However many are coded before the one that is shown before them."""

    def prepare(encoder):
        encoder.max_b_frames = num_before

    path = make_video("a.avi", ramp, fps=25, prepare=prepare)
    with open_video(path) as video:
        times = [frame.time_s for frame in video]
        assert video.start_s == 0
    np.testing.assert_allclose(times, np.arange(len(ramp)) / 25, atol=1e-9)
