"""What is measured: a model on one thread, planted faces, images; shared by all benchmarks."""

from functools import cache

import numpy as np

from edgeface import kernels
from edgeface.backends import open_backend
from edgeface.bench.planted import PlantedBackend, plant_faces
from edgeface.image import Placement, letterbox
from edgeface.model import ASSETS, Model

PLACEMENT = Placement(np.array([0.45, 0.45]), np.array([0.0, 36.0]))


@cache
def backend():
    return open_backend(ASSETS / "mfn.onnx", 1)


def model(engine, count):
    """An MFN whose every image holds ``count`` faces."""
    planted = PlantedBackend(backend())
    planted.heads = plant_faces(planted.metadata, count)
    return Model(planted, engine)


def heads(count):
    """Raw outputs of one image with so many faces, without the batch axis."""
    return {name: head[0] for name, head in plant_faces(backend().metadata, count).items()}


def run(engine, count, size=(480, 640)):
    one, picture = model(engine, count), image(*size)
    assert len(one.run(picture, look_again=False, detail="fast")) == count
    return lambda: one.run(picture, look_again=False, detail="fast")


def network():
    tensor, _ = letterbox(image(480, 640), backend().metadata.input_size)
    return lambda: backend().infer(tensor[None])


def post_processing(engine, count):
    one, outputs, metadata = model(engine, count), heads(count), backend().metadata
    thresholds = metadata.score_threshold, metadata.iou_threshold
    assert len(one.decode(outputs, PLACEMENT, *thresholds)) == count
    return lambda: one.decode(outputs, PLACEMENT, *thresholds)


def decode_and_suppress(engine, detection):
    metadata = backend().metadata
    anchors = np.array(metadata.anchors, np.float32)

    def both():
        boxes, scores, _ = kernels.decode_candidates(
            detection, anchors, metadata.stride, 0.5, engine=engine
        )
        return kernels.suppress(boxes, scores, 0.45, engine=engine)[1]

    return both


def noisy_detection():
    """Logits with some twenty candidates above one half."""
    metadata = backend().metadata
    cells, _, channels = metadata.output_shape("detection")
    grid = np.random.default_rng(0).normal(0, 1, (cells, cells, channels // 5, 5)).clip(-5, 5)
    grid[..., 4] -= 1.8
    return grid.reshape(cells, cells, channels).astype(np.float32)


def resize(engine, height, width):
    picture, size = image(height, width), backend().metadata.input_size
    return lambda: letterbox(picture, size, engine)[0]


@cache
def full_basis():
    """A multilinear basis of the paper's size; the shipped face model shares its offsets."""
    random = np.random.default_rng(0)
    shapes = random.normal(size=(50, 68, 3)), random.normal(size=(50, 46, 68, 3))
    return kernels.Basis.from_shapes(*(s.astype(np.float32) for s in shapes))


def coefficients(count):
    random = np.random.default_rng(1)
    identity = random.normal(size=(count, 50)).astype(np.float32)
    return identity, random.uniform(0, 1, (count, 46)).astype(np.float32)


def contraction(engine, count):
    identity, expression = coefficients(count)
    return lambda: kernels.contract_shapes(full_basis(), identity, expression, engine=engine)


def tensor_copy():
    source = full_basis().blocks
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


@cache
def image(height, width):
    """Smooth noise: neither flat nor all edges."""
    small = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    out = np.empty((height, width, 3), np.uint8)
    kernels.resize_into(small, out, (0, 0), (height, width))
    return out
