"""How far shut eyes are read, on every path a user meets, by marks that were made by hand.

    python -m benchmarks.studies.blinks --data DIR

For each clip, the weakest peak of eyeBlink over the marked events, and the share of frames in which
open eyes are read as shut, over 0.5. Marks are in `tests/retarget/blinks.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import edgeface
from edgeface.gaze import LIDS
from edgeface.retarget import PersonRange, Retargeter, learn_range
from edgeface.types import FloatArray
from edgeface.video import open_video
from edgeface.video.smoothing import Strength

MARKS = json.loads(
    (Path(__file__).parents[2] / "tests" / "retarget" / "blinks.json").read_text(encoding="utf-8")
)
CLIPS = tuple(name for name in MARKS if name != "about")
SHUT = 0.5
BEFORE, AFTER = 2, 4
"""So many frames around an event are neither open nor shut."""
NO_TURN = np.array([1.0, 0.0, 0.0, 0.0])
Shapes = list[dict[str, float]]


def track(clip: Path, smoothing: Strength, num_frames: int | None = None) -> tuple[list, Shapes]:
    """Times and shapes of a clip's one person, as the tracker gives them."""
    tracker = edgeface.Tracker(
        edgeface.load("mfn", num_threads=1),
        crop_model=edgeface.load("sfn", num_threads=1),
        smoothing=smoothing,
    )
    times: list[float] = []
    shapes: Shapes = []
    with open_video(clip) as video:
        for frame in video:
            if frame.index == num_frames:
                break
            (face, *_) = tracker.update(frame.image, frame.time_s)
            times.append(frame.time_s)
            shapes.append(face.blendshapes)
    return times, shapes


def paths(times: list[float], tracked: Shapes) -> dict[str, FloatArray]:
    """What each path makes of the lids, shape (T, 2)."""
    stream, take = Retargeter(), Retargeter()
    streamed: Shapes = []
    for time_s, seen in zip(times, tracked, strict=True):
        stream.watch(time_s, seen)
        take.watch(time_s, seen)
        streamed.append(stream(seen, NO_TURN)[0])
    half = len(times) // 2
    return {
        "tracker": lids(tracked),
        "stream": lids(streamed),
        "take": lids(take(seen, NO_TURN)[0] for seen in tracked),
        "calibrated on the first half": _calibrated(times, tracked, half),
        "calibrated": _calibrated(times, tracked, len(times)),
    }


def _calibrated(times: list[float], tracked: Shapes, count: int) -> FloatArray:
    turns = np.tile(NO_TURN, (count, 1))
    person: PersonRange = learn_range(np.array(times[:count]), tracked[:count], turns)
    retargeter = Retargeter(person=person)
    return lids(retargeter(seen, NO_TURN)[0] for seen in tracked)


def lids(shapes: Iterable[dict[str, float]]) -> FloatArray:
    """Both lids in each of T frames, shape (T, 2)."""
    return np.array([[seen[name] for name in LIDS] for seen in shapes])


def peaks(clip: str, read: FloatArray) -> FloatArray:
    """How far the less shut eye goes in each marked event that a curve (T, 2) reaches."""
    events = [event for event in MARKS[clip]["shut"] if event[1] < len(read)]
    return np.array([read[first - 1 : last + 2].max(axis=0).min() for first, last in events])


def share_read_as_shut(clip: str, read: FloatArray) -> float:
    """The share of the frames with open eyes in which a lid is read over `SHUT`."""
    is_open = np.ones(len(read), bool)
    for first, last in MARKS[clip]["shut"] + MARKS[clip]["unsure"]:
        is_open[max(0, first - BEFORE) : last + AFTER] = False
    return float((read[is_open] > SHUT).mean())


def main() -> None:
    """Print a row for each clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "video"
    for number, clip in enumerate(CLIPS):
        read = {"as read": lids(track(folder / f"{clip}.mp4", "off")[1])}
        read |= paths(*track(folder / f"{clip}.mp4", "light"))
        if number == 0:
            print("| clip | events |", " | ".join(read), "|")
            print("|---|---:|", "---:|" * len(read), sep="")
        cells = [
            f"{peaks(clip, lid).min():.2f}, {100 * share_read_as_shut(clip, lid):.1f} %"
            for lid in read.values()
        ]
        print(f"| {clip} | {len(MARKS[clip]['shut'])} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
