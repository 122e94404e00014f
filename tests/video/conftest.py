"""Tiny videos, and networks whose answers are known."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

from edgeface.boxes import iou_matrix
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.faces import Faces, place
from edgeface.metadata import Metadata
from tests.oracles import morphable

SIZE = (240, 320)


@dataclass(frozen=True)
class Person:
    """Somebody who moves on a straight line; ``hidden`` frames show nothing of them."""

    start: tuple[float, float]
    step: tuple[float, float] = (0.0, 0.0)
    side: float = 60.0
    seed: int = 0
    hidden: frozenset[int] = frozenset()
    score: float = 0.9

    def box(self, frame):
        centre = np.add(self.start, np.multiply(self.step, frame))
        half = np.array([0.4, 0.5]) * self.side
        return np.concatenate([centre - half, centre + half]).astype(np.float32)

    def identity(self):
        values = np.random.default_rng(self.seed).normal(0, 0.5, 50)
        values[0] = 1
        return values.astype(np.float32)


class Scene:
    """A network that knows where its people are; the frame's number is its first pixel."""

    def __init__(self, kind, face_model, people, noise=0.0):
        self.face_model, self.people, self.noise = face_model, people, noise
        self.random = np.random.default_rng(3)
        # a pose under which the mesh's box is the face's box, as that of a trained network
        low, high = face_model.mean.min(axis=0), face_model.mean.max(axis=0)
        high[1] += 0.1 * (high - low)[1]
        self.focal = 1 / (high - low).max()
        self.centre = (-(low + high) / 2 * [1, 1, 0]).astype(np.float32)
        self.calls = 0
        self.metadata = Metadata(
            kind=kind, name="scene", input_size=288, expression_names=EXPRESSION_NAMES,
            face_model_sha256=face_model.sha256, licence="none", stride=32, anchors=((40, 50),),
            score_threshold=0.5, iou_threshold=0.5,
        )  # fmt: skip

    def run(self, image, *, boxes_xyxy=None, score_threshold=None, look_again=None):
        self.calls += 1
        frame = int(image[0, 0, 0])
        scale = image.shape[1] / SIZE[1]
        seen = [p for p in self.people if frame not in p.hidden]
        if boxes_xyxy is None:
            seen = [p for p in seen if p.score >= (score_threshold or 0.5)]
            return self.faces(frame, seen, [p.box(frame) * scale for p in seen])
        nearest = []
        for box in boxes_xyxy:
            overlaps = [iou_matrix(box[None], p.box(frame)[None] * scale)[0, 0] for p in seen]
            best = int(np.argmax(overlaps)) if overlaps and max(overlaps) > 0.2 else None
            nearest.append(None if best is None else seen[best])
        boxes = [
            b if p is None else p.box(frame) * scale
            for p, b in zip(nearest, boxes_xyxy, strict=True)
        ]
        return self.faces(frame, nearest, boxes)

    def refine(self, image, faces):
        looked = self.run(image, boxes_xyxy=faces.boxes_xyxy)
        return replace(looked, scores=faces.scores)

    def hold_up(self, image, faces):
        return np.ones(len(faces), bool)

    def faces(self, frame, people, boxes):
        count = len(people)
        identity = np.zeros((count, 50), np.float32)
        identity[:, 0] = 1
        for row, person in enumerate(people):
            if person is not None:
                identity[row] = person.identity()
        identity[:, 1:] += self.random.normal(0, self.noise, (count, 49))
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        faces = Faces(
            boxes_xyxy=boxes,
            scores=np.array([p.score if p else 1.0 for p in people], np.float32),
            landmarks_3d=np.zeros((count, 68, 3), np.float32),
            identity_coeffs=identity,
            expression_coeffs=np.full((count, 46), 0.02, np.float32),
            rotation=np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
            euler_deg=np.zeros((count, 3), np.float32),
            translation=np.tile(self.centre, (count, 1)),
            focal=np.full(count, self.focal, np.float32),
            expression_names=EXPRESSION_NAMES,
        )
        shapes = [
            morphable.landmarks(self.face_model.reduced, w, e)
            for w, e in zip(identity, faces.expression_coeffs, strict=True)
        ]
        points = place(np.array(shapes, np.float32).reshape(-1, 68, 3), faces)
        faces.landmarks_3d[:] = points
        return faces


def frame_image(index, size=SIZE):
    image = np.zeros((*size, 3), np.uint8)
    image[0, 0] = index
    return image


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
        prepare=lambda encoder: None, muxer=None, encoder_options=None,
    ):  # fmt: skip
        path = tmp_path / name
        with av.open(str(path), "w", options=muxer or {}) as container:
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
