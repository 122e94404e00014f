"""All gates with what they measure now: ``python -m benchmarks.gates``."""

import argparse
import importlib

from benchmarks import cases
from benchmarks.gates import ratios
from benchmarks.gates.limits import LIMITS


def opencv(height, width):
    """OpenCV's INTER_AREA on one thread; None where OpenCV is not installed."""
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError:
        return None
    cv2.setNumThreads(1)
    picture, size = cases.image(height, width), cases.backend().metadata.input_size
    inner = (size, round(height * size / width))
    return lambda: cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    for name, limit in LIMITS.items():
        found = ratios.ratio(*ratios.pair(name), rounds=150)
        print(f"{name:<60}{found:8.3f}  limit {limit}")
    area = opencv(1080, 1920)
    if area is not None:
        for engine in ("numba", "numpy"):
            found = ratios.ratio(cases.resize(engine, 1080, 1920), area, rounds=150)
            print(f"{'resize 1920 x 1080 over OpenCV INTER_AREA, ' + engine:<60}{found:8.3f}")


if __name__ == "__main__":
    main()
