"""Whether memory grows with runs and frames, and whether threads give what one thread gives.

``python -m benchmarks.studies.endurance`` makes 50,000 runs, 20,000 frames and ten minutes of eight
threads; ``--runs``, ``--frames`` and ``--minutes`` make fewer. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np

import edgeface
from edgeface.image import read_image

GROWTH_MB = 8.0
"""What the allocator's own caches may add after the warm-up."""
NUM_THREADS = 8
COMPARED = ("boxes_xyxy", "scores", "landmarks_3d", "expression_coeffs", "rotation")


def memory_mb():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def growth(name, step, count, warm_up):
    """MB that ``count`` steps add to the process after ``warm_up`` ones."""
    for number in range(warm_up):
        step(number)
    before, start = memory_mb(), time.perf_counter()
    for number in range(count):
        step(number)
    grown = memory_mb() - before
    seconds = time.perf_counter() - start
    print(f"{name}: {count:,} in {seconds:,.0f} s, {before:.1f} MB and {grown:+.1f}", flush=True)
    return grown


def run_growth(images, count):
    model = edgeface.load("mfn", num_threads=1)
    return growth("runs", lambda i: model.run(images[i % len(images)]), count, min(400, count))


def frame_growth(images, count):
    tracker = edgeface.Tracker(
        edgeface.load("mfn", num_threads=1), crop_model=edgeface.load("sfn", num_threads=1)
    )
    return growth("frames", lambda i: tracker.update(images[i % 2]), count, min(400, count))


def thread_differences(images, minutes, kernels):
    """Runs of eight threads, and how many of them differ from the serial ones in any bit."""
    model = edgeface.load("mfn", num_threads=1, kernels=kernels)
    expected = [model.run(image) for image in images]
    end, counts, different = time.monotonic() + 60 * minutes, [0] * NUM_THREADS, []

    def work(thread):
        while time.monotonic() < end:
            row = (counts[thread] * 7 + thread) % len(images)
            faces = model.run(images[row])
            counts[thread] += 1
            if any(
                not np.array_equal(getattr(faces, n), getattr(expected[row], n)) for n in COMPARED
            ):
                different.append((thread, counts[thread]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(NUM_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{NUM_THREADS} threads, {kernels}: {sum(counts):,} runs, {len(different)} differ")
    return len(different)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.endurance", description=__doc__
    )
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="of eight threads")
    arguments = parser.parse_args()
    photo = read_image(edgeface.DEMO_PHOTO)
    images = [np.ascontiguousarray(photo[: 400 + 30 * i, 50 * i :]) for i in range(8)]
    grown = max(run_growth(images, arguments.runs), frame_growth(images, arguments.frames))
    differ = sum(
        thread_differences(images, arguments.minutes / 2, kernels) for kernels in ("numpy", "numba")
    )
    return int(grown > GROWTH_MB or differ > 0)


if __name__ == "__main__":
    sys.exit(main())
