"""Sound of overlays: what a container cannot hold, what nobody knows, and what is damaged."""

from fractions import Fraction

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.video import VideoWriter, open_video, sound
from edgeface.video.source import sound_of

av = pytest.importorskip("av", reason="needs the extra: edgeface[video]")


def clip(path, pictures, code, *, video="mpeg4"):
    """Write a clip of grey pictures with noise as sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        audio = container.add_stream(code, rate=48000, layout="stereo")
        for image in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
        samples = np.random.default_rng(0).integers(-999, 999, (1, 2 * 1920 * len(pictures)))
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16), format="s16", layout="stereo")
        frame.rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        fitting = av.AudioResampler(audio.format, audio.layout, audio.rate, audio.frame_size or 960)
        for part in (*fitting.resample(frame), *fitting.resample(None), None):
            container.mux(audio.encode(part))
    return path


def overlay(source, target):
    with open_video(source) as video:
        writer = VideoWriter(target, video)
        try:
            for frame in video:
                writer.write(frame.image, frame.time_s)
        finally:
            writer.close()


@pytest.mark.parametrize(
    ("name", "video", "code", "target"),
    [
        ("a.webm", "libvpx", "libopus", "out.mov"),
        ("a.mxf", "mpeg2video", "pcm_s16le", "out.mp4"),
    ],
)
def test_sound_that_a_header_cannot_hold_is_refused_at_once(
    tmp_path, ramp, name, video, code, target
):
    source = clip(tmp_path / name, ramp, code, video=video)
    with open_video(source) as reader, pytest.raises(InvalidInputError, match="cannot hold the"):
        VideoWriter(tmp_path / target, reader)
    overlay(source, tmp_path / "out.mkv")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_header_that_failed_is_not_tried_again(tmp_path, ramp, monkeypatch):
    """The second try ends the program, for some kinds of sound."""
    source = clip(tmp_path / "a.webm", ramp, "libopus", video="libvpx")
    monkeypatch.setattr(sound, "_is_held", lambda *_: True)
    with open_video(source) as video:
        writer = VideoWriter(tmp_path / "out.mov", video)
        with pytest.raises(InvalidInputError, match="cannot write"):
            writer.write(next(iter(video)).image, 0.0)
        writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.webm"]


def test_sound_in_an_unknown_code_is_left_out(tmp_path, ramp):
    source = clip(tmp_path / "a.mov", ramp, "pcm_s16le")
    source.write_bytes(source.read_bytes().replace(b"sowt", b"what"))
    with open_video(source) as video:
        assert not video.has_sound
    overlay(source, tmp_path / "out.mkv")
    with open_video(tmp_path / "out.mkv") as video:
        assert len(list(video)) == len(ramp)


def test_of_several_sounds_the_one_that_players_choose_is_kept(tmp_path, ramp):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        sounds = [container.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(2)]
        sounds[0].disposition = av.stream.Disposition(0)
        sounds[1].disposition = av.stream.Disposition.default
        for image in ramp:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for value, spoken in enumerate(sounds):
            samples = np.full((1, 4000), value, np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
            container.mux(spoken.encode(frame))
    overlay(path, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert all((f.to_ndarray() == 1).all() for f in container.decode(audio=0))


@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
def test_sound_of_broadcasts_is_kept_as_it_is(tmp_path, ramp, name):
    source = clip(tmp_path / "a.ts", ramp, "aac", video="mpeg2video")
    overlay(source, tmp_path / name)
    before, after = (
        [bytes(packet) for packet in av.open(str(path)).demux(audio=0) if packet.size]
        for path in (source, tmp_path / name)
    )
    bare = [packet[7:] for packet in before]
    first = bare.index(after[0])  # what sounds before the first picture is left out
    assert after == bare[first : first + len(after)]
    assert len(after) > len(before) / 2
    assert len([*av.open(str(tmp_path / name)).decode(audio=0)]) == len(after)


def test_sound_of_broadcasts_that_does_not_say_its_channels_is_refused(tmp_path, ramp):
    source = clip(tmp_path / "a.ts", ramp, "aac", video="mpeg2video")
    source.write_bytes(source.read_bytes().replace(b"\xff\xf1\x4c\x80", b"\xff\xf1\x4c\x00"))
    with open_video(source) as reader, pytest.raises(InvalidInputError, match=r"packs it.*mkv"):
        VideoWriter(tmp_path / "out.mp4", reader)


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4"])
def test_damaged_sound_costs_no_pictures(tmp_path, ramp, name):
    source = clip(tmp_path / "a.ts", ramp * 3, "aac", video="mpeg2video")
    parts = source.read_bytes().split(b"\xff\xf1")  # how a packet of sound begins
    assert len(parts) > 8
    source.write_bytes(b"\xff\xf1".join(parts[:4]) + b"\0\0" + b"\xff\xf1".join(parts[4:]))
    overlay(source, tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        assert sound_of(container) is not None
        assert sum(1 for _ in container.decode(video=0)) == 3 * len(ramp)
