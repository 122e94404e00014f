"""What networks that look at one face crop cost on one core: encoder, decoder, dense mesh.

    python -m benchmarks.studies.crop_networks [MODEL...]

Models take turns; medians of processor time, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import edgeface
from edgeface.model import Model
from edgeface.timing import PROCESSOR, take_turns
from tests.fakes import FixedBackend

ROUNDS = 40
COUNTS = (1, 20)
MODELS = ("sfn", "fusion", "sfn-free", "tracknet")


def steps(model: Model, count: int) -> dict[str, Callable[[], object]]:
    """The parts of a run on ``count`` faces, each to be timed alone."""
    size = model.metadata.input_size
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (count, size, size, 3), np.uint8)
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    boxes = np.tile(np.array([[100, 100, 220, 240]], np.float32), (count, 1))
    heads = model.infer(crops)
    # the same outputs again, so that a run is its decoder
    decoding = Model(FixedBackend(model.face_model, model.metadata, heads))
    faces = model.run(photo, boxes_xyxy=boxes)
    return {
        "encoder": lambda: model.infer(crops),
        "crops and decoder": lambda: decoding.run(photo, boxes_xyxy=boxes),
        "dense mesh": faces.vertices,
    }


def main() -> None:
    """Print one line a model, number of faces and part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    names = parser.parse_args().models
    print(f"{'model':<12}{'faces':>6}  {'part':<20}{'ms':>9}")
    for count in COUNTS:
        parts = {name: steps(edgeface.load(name, num_threads=1), count) for name in names}
        calls = {(name, part): call for name, them in parts.items() for part, call in them.items()}
        for (name, part), timing in take_turns(calls, ROUNDS, clock=PROCESSOR).items():
            print(f"{name:<12}{count:>6}  {part:<20}{timing.median_ms:>9.2f}")


if __name__ == "__main__":
    main()
