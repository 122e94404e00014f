"""Tiny videos, and the ids that a tracker gives."""

from fractions import Fraction

import numpy as np
import pytest

from tests.fakes import Scene, frame_image


@pytest.fixture
def track_ids(face_model):
    """Ids per frame of a tracker over people: ``track_ids(people, frames, sfn=False)``."""
    from edgeface.video.tracker import Tracker

    def run(people, num_frames, *, sfn=False, **options):
        crops = Scene("sfn", face_model, people) if sfn else None
        tracker = Tracker(Scene("mfn", face_model, people), crop_model=crops, **options)
        return [
            tracker.update(frame_image(i), i / 30).track_ids.tolist() for i in range(num_frames)
        ]

    return run


@pytest.fixture
def make_video(tmp_path):
    """Writes a small clip: ``make_video(name, images, fps=..., times_s=..., sound=...)``.

    ``prepare`` may change the encoder; images that are ``av.VideoFrame`` are encoded as they are.
    """
    av = pytest.importorskip("av")

    def make(
        name, images, *, fps=30, times_s=None, sound=False, codec="libx264", pix_fmt="yuv420p",
        prepare=lambda encoder: None, muxer=None, encoder_options=None, metadata=None,
    ):  # fmt: skip
        path = tmp_path / name
        with av.open(str(path), "w", options=muxer or {}) as container:
            container.metadata.update(metadata or {})
            rate = Fraction(fps).limit_denominator(1000)
            stream = container.add_stream(codec, rate=rate, options=encoder_options or {})
            first = images[0]
            raw = isinstance(first, av.VideoFrame)
            stream.height, stream.width = (first.height, first.width) if raw else first.shape[:2]
            stream.pix_fmt = pix_fmt
            stream.codec_context.time_base = Fraction(1, 1000)
            prepare(stream.codec_context)
            audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
            for i, image in enumerate(images):
                picture = image
                if not raw:
                    picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                time_s = i / fps if times_s is None else times_s[i]
                picture.pts, picture.time_base = round(1000 * time_s), Fraction(1, 1000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
            if audio is not None:
                _add_tone(av, container, audio, len(images) / fps)
        return path

    return make


def _add_tone(av, container, stream, seconds):
    wave = np.sin(np.arange(int(16000 * seconds)) * 0.2).astype(np.float32)[None]
    sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
    sound.rate, sound.pts = 16000, 0
    container.mux(stream.encode(sound))
    container.mux(stream.encode(None))


@pytest.fixture
def ramp():
    """Frames whose red corner at the top left tells how they are turned, grey rising in time."""
    images = []
    for i in range(12):
        image = np.full((64, 96, 3), 60 + 8 * i, np.uint8)
        image[:24, :24] = [255, 0, 0]
        images.append(image)
    return images
