"""Identity switches, fragmentations and misses on the two real clips.

    python -m benchmarks.studies.tracking --data DIR

The truth is ``tests/video/street_truth.json``, drawn by hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import edgeface
from tests.measures.clear_mot import count, read_truth, track_clip


def main() -> None:
    """Print the counts of both modes on both clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "video"
    mfn, sfn = edgeface.load("mfn"), edgeface.load("sfn")
    for mode, crops in (("detect", None), ("crops", sfn)):
        tracker = edgeface.Tracker(mfn, crop_model=crops, max_crops=8)
        street = track_clip(tracker, folder / "street-several-faces.mp4")
        print(f"street, {mode}: {count(read_truth(), street).summary()}")
        tracker.reset()
        head = track_clip(tracker, folder / "talking-head.mp4")
        ids = {i for boxes in head for i in boxes}
        print(
            f"talking head, {mode}: {len(ids)} ids, {sum(not b for b in head)} of {len(head)} "
            "frames without a face"
        )


if __name__ == "__main__":
    main()
