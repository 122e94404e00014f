"""Jitter of landmarks on a photo under noise, and the lag that smoothing adds.

    python -m benchmarks.studies.jitter

What jitter is, ``tests/measures/jitter.py`` says. Lag is the delay that maps the unsmoothed track
best onto the smoothed one while a window moves over the photo.
"""

from __future__ import annotations

import argparse

import numpy as np

import edgeface
from edgeface.video.demo_clip import NUM_FRAMES, DemoClip
from edgeface.video.smoothing import STRENGTHS
from tests.measures.jitter import FPS, jitter_percent

LARGEST_LAG = 6.0


def lag_frames(raw: np.ndarray, smooth: np.ndarray) -> float:
    """Delay of ``smooth`` (T, D) behind ``raw`` (T, D), in frames, by least squares."""
    times = np.arange(len(raw), dtype=float)
    kept = times >= LARGEST_LAG
    lags = np.linspace(0, LARGEST_LAG, 241)
    errors = []
    for lag in lags:
        delayed = np.stack([np.interp(times - lag, times, c) for c in raw.T], axis=1)
        errors.append(np.square(delayed - smooth)[kept].sum())
    return float(lags[np.argmin(errors)])


def moving(tracker: edgeface.Tracker) -> dict[int, dict[int, np.ndarray]]:
    """Landmarks by track and frame while the demo clip moves."""
    found: dict[int, dict[int, np.ndarray]] = {}
    for frame in DemoClip(NUM_FRAMES // 2):
        for face in tracker.update(frame.image, frame.time_s):
            found.setdefault(face.track_id, {})[frame.index] = face.landmarks_2d.ravel()
    return found


def lag_of(
    raw: dict[int, dict[int, np.ndarray]], smooth: dict[int, dict[int, np.ndarray]]
) -> float:
    """Median lag over the tracks that both saw for a second."""
    lags = []
    for track in raw.keys() & smooth.keys():
        frames = sorted(raw[track].keys() & smooth[track].keys())
        if len(frames) >= FPS:
            pairs = [np.array([found[track][f] for f in frames]) for found in (raw, smooth)]
            lags.append(lag_frames(*pairs))
    return float(np.median(lags))


def main() -> None:
    """Print one row for each mode and strength."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    mfn, sfn = edgeface.load("mfn"), edgeface.load("sfn")
    for mode, options in (("detect", {}), ("crops", {"crop_model": sfn, "max_crops": 9})):
        raw = moving(edgeface.Tracker(mfn, smoothing="off", **options))
        for strength in ("off", *STRENGTHS):
            tracker = edgeface.Tracker(mfn, smoothing=strength, **options)
            values = jitter_percent(tracker)
            tracker.reset()
            lag = lag_of(raw, moving(tracker))
            faces = ", ".join(f"{v:.3f}" for v in values.values())
            print(f"{mode} {strength}: jitter {faces} % of face size, lag {lag:.2f} frames")


if __name__ == "__main__":
    main()
