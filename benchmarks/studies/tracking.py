"""Identity switches, fragmentations and misses on the two real clips, ghosts on a made one.

    python -m benchmarks.studies.tracking --data DIR

The truth is ``tests/video/street_truth.json``, drawn by hand.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import edgeface
from tests.measures.clear_mot import count, read_truth, track_clip
from tests.measures.ghosts import count_ghosts


def main() -> None:
    """Print the counts of both modes on both clips, and at low frame rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "video"
    mfn, sfn = edgeface.load("mfn"), edgeface.load("sfn")
    for mode, crops in (("detect", None), ("crops", sfn)):
        tracker = edgeface.Tracker(mfn, crop_model=crops, max_crops=8)
        for fps, step in ((30, 1), (15, 2), (10, 3), (5, 6), (3, 10)):
            tracker.reset()
            street = track_clip(tracker, folder / "street-several-faces.mp4", step)
            print(
                f"street, {mode}, {fps} a second: {count(read_truth()[::step], street).summary()}"
            )
            tracker.reset()
            started = time.process_time()
            head = track_clip(tracker, folder / "talking-head.mp4", step)
            cost_ms = 1000 * (time.process_time() - started) / len(head)
            ids = {i for boxes in head for i in boxes}
            print(
                f"talking head, {mode}, {fps} a second: {len(ids)} ids, "
                f"{sum(not b for b in head)} of {len(head)} frames without a face, "
                f"{cost_ms:.1f} ms a frame of the processor, reading included"
            )
        for fps, step_px in (
            (30, 4),
            (30, 20),
            (15, 40),
            (5, 40),
            (5, 60),
            (2, 60),
            (1, 60),
            (0.2, 40),
        ):
            tracker = edgeface.Tracker(mfn, crop_model=crops, smoothing="off")
            lost, ghosts = count_ghosts(tracker, fps, step_px)
            print(
                f"a face moving {step_px / 125:.2f} widths a frame, {mode}, {fps} a second: lost "
                f"in {lost}, a ghost in {ghosts} of 40 frames"
            )


if __name__ == "__main__":
    main()
