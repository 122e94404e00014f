"""From how many faces on the MFN is cheaper than the SFN on every face's crop.

    python -m benchmarks.studies.crossover

Whole `Model.run` calls on one thread, decoding and landmarks included, at 640 x 480 and 1920 x
1080; processor time, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import edgeface
from edgeface.timing import PROCESSOR, time_call

ROUNDS = 15
COUNTS = (1, 2, 3, 4, 6, 8)


def milliseconds(call: Callable[[], object]) -> float:
    """Median processor time of a call."""
    return time_call(call, ROUNDS, clock=PROCESSOR).median_ms


def main() -> None:
    """Print the costs, and the number of faces at which they cross."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    mfn, sfn = edgeface.load("mfn", num_threads=1), edgeface.load("sfn", num_threads=1)
    random = np.random.default_rng(1)
    for height, width in ((480, 640), (1080, 1920)):
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        side = 0.2 * height
        corners = random.uniform([0, 0], [width - side, height - side], (max(COUNTS), 2))
        boxes = np.concatenate([corners, corners + side], axis=1)
        whole = milliseconds(lambda image=image: mfn.run(image, look_again=False, detail="fast"))
        print(f"{width} x {height}: mfn {whole:.1f} ms")
        for count in COUNTS:
            cost = milliseconds(lambda i=image, b=boxes[:count]: sfn.run(i, boxes_xyxy=b))
            print(f"  sfn, {count} faces: {cost:.1f} ms, {cost / whole:.2f} of the mfn")


if __name__ == "__main__":
    main()
