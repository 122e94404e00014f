"""How near each part is to this core's limits: ``python -m benchmarks.profile.roofline``.

The limits are measured: copying 64 MB (bandwidth) and a large float32 matrix product (multiply-adds
a second). A part can't be faster than its multiply-adds at that rate, nor than its bytes at that
bandwidth, whichever takes longer.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import cases
from edgeface.kernels import numba_installed
from edgeface.timing import time_call

MFN_MULTIPLY_ADDS = 619_636_736
"""``edgeface-train cost``."""


def best(function, rounds=40):
    """Seconds of the fastest call and of the median one."""
    timing = time_call(function, rounds, warm_up=0)
    return timing.fastest_ms / 1e3, timing.median_ms / 1e3


def core():
    """Bytes a second that a copy reads and writes, and multiply-adds a second."""
    source = np.ones(64 << 20, np.uint8)
    target = np.empty_like(source)
    bandwidth = 2 * source.nbytes / best(lambda: np.copyto(target, source), 10)[0]
    a = np.ones((1024, 1024), np.float32)
    return bandwidth, 1024**3 / best(lambda: a @ a, 10)[0]


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    bandwidth, rate = core()
    print(f"this core: copy {bandwidth / 1e9:.1f} GB/s, {rate / 1e9:.0f} G multiply-adds/s")
    size = cases.backend().metadata.input_size
    tensor = cases.full_basis().blocks.nbytes
    engines = ["numba", "numpy"] if numba_installed() else ["numpy"]
    # name, function, bytes from memory, multiply-adds
    weights = 4 * 1_489_137
    parts = [("network", cases.network(), weights + 3 * size**2, MFN_MULTIPLY_ADDS)]
    for engine in engines:
        for height, width in ((480, 640), (1080, 1920)):
            pixels = 3 * height * width
            work = pixels * (1 + size / width)  # each pixel once, each shortened line once more
            case = cases.resize(engine, height, width)
            parts.append((f"resize {width} x {height}, {engine}", case, pixels + 3 * size**2, work))
        for count in (1, 20):
            case = cases.post_processing(engine, count)
            work = count * (96 * 204 + 68 * 12)
            parts.append((f"post-processing {count}, {engine}", case, 4 * 9 * 9 * 25, work))
            case = cases.contraction(engine, count)
            work = count * (50 * 47 * 204 + 50 * 204)
            parts.append((f"full contraction {count}, {engine}", case, tensor, work))
        parts.append((f"run 640 x 480, 1 face, {engine}", cases.run(engine, 1), 0, 0))
        parts.append((f"run 640 x 480, 20 faces, {engine}", cases.run(engine, 20), 0, 0))
    print(f"{'':<30}{'best us':>10}{'median us':>11}{'memory us':>11}{'sums us':>9}{'ratio':>7}")
    for name, function, num_bytes, work in parts:
        function()
        fastest, median = best(function)
        memory, sums = num_bytes / bandwidth, work / rate
        ratio = f"{fastest / max(memory, sums):7.1f}" if work else ""
        print(
            f"{name:<30}{1e6 * fastest:>10.1f}{1e6 * median:>11.1f}"
            f"{1e6 * memory:>11.1f}{1e6 * sums:>9.1f}{ratio}"
        )


if __name__ == "__main__":
    main()
