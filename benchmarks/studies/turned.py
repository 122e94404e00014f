"""What becomes of faces that are turned in the image plane.

    python -m benchmarks.studies.turned --data DIR [--photos 120] [--rolls 0 45 180]

Photos of the validation split of 300-W, one face a photo, whose human landmarks are turned along.
Right is a face whose landmarks lie within a fifth of its size of them on average, as most that are
found do by a twentieth; wrong one in the same place whose landmarks do not.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

import edgeface
from edgeface.reference.data.packs import is_validation, open_pack

ROLLS_DEG = (0, 15, 30, 45, 60, 75, 90, 120, 150, 180)
WRONG = 0.2


def turned(image: np.ndarray, points: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """An image turned counter-clockwise about its middle, whole, and its points (68, 2)."""
    picture = Image.fromarray(image)
    result = picture.rotate(
        degrees, Image.Resampling.BILINEAR, expand=True, fillcolor=(128, 128, 128)
    )
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middles = [np.array([p.width, p.height]) / 2 for p in (picture, result)]
    return np.asarray(result), (points - middles[0]) @ turn.T + middles[1]


def verdict(faces: edgeface.Faces, points: np.ndarray) -> str:
    """Whether the face at the points was found "right", "wrong" or is "missing"."""
    size = np.sqrt(np.ptp(points, axis=0).prod())
    centres = faces.landmarks_2d.mean(axis=1)
    near = np.linalg.norm(centres - points.mean(axis=0), axis=1) < size / 2
    if not near.any():
        return "missing"
    errors = np.linalg.norm(faces.landmarks_2d[near] - points, axis=2).mean(axis=1) / size
    return "right" if errors.min() <= WRONG else "wrong"


def main() -> None:
    """Print counts by roll, with and without the second look, and what it costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--rolls", type=float, nargs="+", default=ROLLS_DEG)
    options = parser.parse_args()
    pack = open_pack(options.data, "faces68-300w")
    chosen = np.flatnonzero(is_validation(pack))
    chosen = chosen[np.linspace(0, len(chosen) - 1, options.photos).astype(int)]
    model = edgeface.load("mfn", num_threads=1)
    print("| roll, degrees | right | wrong | missing | right, once | wrong, once | ms | ms, once |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for degrees in options.rolls:
        counts = {
            (again, kind): 0 for again in (True, False) for kind in ("right", "wrong", "missing")
        }
        spent = {True: 0.0, False: 0.0}
        for index, image in pack.images(chosen):
            photo, points = turned(image, pack.labels["landmarks68"][index], degrees)
            for again in (True, False):
                started = time.process_time()
                faces = model.run(photo, look_again=again)
                spent[again] += time.process_time() - started
                counts[again, verdict(faces, points)] += 1
        row = [counts[True, kind] for kind in ("right", "wrong", "missing")]
        costs = [1000 * spent[again] / len(chosen) for again in (True, False)]
        once = [counts[False, kind] for kind in ("right", "wrong")]
        cells = [degrees, *row, *once, *(f"{cost:.1f}" for cost in costs)]
        print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


if __name__ == "__main__":
    main()
