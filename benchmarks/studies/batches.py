"""Whether several images at once are faster: `run_batch` and `run_many` over single runs.

    python -m benchmarks.studies.batches mfn mfn.tflite --images 32

The three are timed in turns, so that other work on the machine slows each of them alike; the table
shows how many times faster than single runs the other two are, as medians of the rounds. Where
much other work goes on, ``--cpu --threads 1`` times the processor instead of the clock on the wall.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import edgeface
from edgeface.timing import WALL, stopwatch


def main() -> None:
    """Time every model with arrays, and with files, which must be decoded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cpu", action="store_true", help="the processor's time, of all threads")
    arguments = parser.parse_args()
    demo = edgeface.read_image(edgeface.DEMO_PHOTO)
    arrays = [np.ascontiguousarray(np.roll(demo, 7 * i, axis=1)) for i in range(arguments.images)]
    print(f"| model | input | ms an image, single | run_batch of {len(arrays)} | run_many |")
    print("|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{i}.jpg") for i in range(len(arrays))]
        for array, path in zip(arrays, files, strict=True):
            Image.fromarray(array).save(path, quality=90)
        for name in arguments.models:
            model = edgeface.load(name, num_threads=arguments.threads, detail="fast")
            for kind, images in (("arrays", arrays), ("JPEG", files)):
                print(row(model, Path(name).name, kind, images, arguments), flush=True)


def row(
    model: edgeface.Model, name: str, kind: str, images: list, arguments: argparse.Namespace
) -> str:
    """A line of the table."""
    clock = time.process_time if arguments.cpu else WALL
    ways = {
        "single": lambda: [model.run(image) for image in images],
        "batch": lambda: model.run_batch(images),
        "many": lambda: list(model.run_many(images)),
    }
    counts = {way: [len(faces) for faces in run()] for way, run in ways.items()}
    assert counts["batch"] == counts["many"] == counts["single"]
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way, run in ways.items():
            times[way].append(stopwatch(run, clock)[1])
    each = statistics.median(times["single"]) / len(images)
    batch, many = (
        statistics.median(s / t for s, t in zip(times["single"], times[way], strict=True))
        for way in ("batch", "many")
    )
    return f"| {name} | {kind} | {each:.1f} | {batch:.2f} x | {many:.2f} x |"


if __name__ == "__main__":
    main()
