"""Stand-ins for networks: backends whose outputs are fixed, and scenes whose people are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgeface.boxes import iou_matrix
from edgeface.face_arrays import place
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.faces import Faces
from edgeface.kinds import KINDS
from edgeface.metadata import Metadata


def metadata_of(kind, face_model=None, **changes):
    """What a file of a network of this kind says of itself; ``changes`` win."""
    values = {
        "kind": kind,
        "name": "test",
        "expression_names": EXPRESSION_NAMES,
        "face_model_sha256": "0" * 64 if face_model is None else face_model.sha256,
        "licence": "none",
    }
    if KINDS[kind].detects:
        values |= {
            "input_size": 288,
            "stride": 32,
            "anchors": ((10.0, 12.0), (20.0, 24.0)),
            "score_threshold": 0.5,
            "iou_threshold": 0.5,
        }
    else:
        values |= {"input_size": 128, "crop_scale": 1.3}
    return Metadata(**(values | changes))


class FixedBackend:
    """A backend that says the same of every image; ``seen`` is what it was shown last.

    Without ``heads``, all outputs are 0 but for the mean shape and no rotation; tests that want
    other ones change them.
    """

    def __init__(self, face_model, metadata, heads=None):
        self.face_model, self.metadata = face_model, metadata
        self.heads = neutral_heads(metadata) if heads is None else heads
        self.seen = None

    def infer(self, input_tensor):
        self.seen = input_tensor
        count = len(input_tensor)
        return {
            name: head[:count] if len(head) >= count else np.repeat(head[:1], count, axis=0)
            for name, head in self.heads.items()
        }


def neutral_heads(metadata):
    """Outputs (1, ...) of a network with quaternions: the mean face, straight ahead."""
    widths = metadata.outputs
    heads = {n: np.zeros((1, *metadata.output_shape(n)), np.float32) for n in widths}
    for name in ("identity", "pose"):
        heads[name][..., 0 :: widths[name]] = 1.0
    return heads


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
        self.metadata = metadata_of(kind, face_model, anchors=((40.0, 50.0),))

    def run(self, image, *, boxes_xyxy=None, score_threshold=None, look_again=None, detail=None):
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
        shapes = self.face_model.landmarks(identity, faces.expression_coeffs)
        faces.landmarks_3d[:] = place(shapes, faces)
        return faces


def frame_image(index, size=SIZE):
    image = np.zeros((*size, 3), np.uint8)
    image[0, 0] = index
    return image
