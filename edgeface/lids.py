"""How far a person's lids go, learned while they are seen.

A blink is a fast event, a peak that stands `PROMINENCE` above what was read within `BLINK_S` before
and after it. Looking down shuts the lids slowly and not quite, and is no blink.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from edgeface.types import Float64Array, FloatArray

BLINK_S, PROMINENCE = 0.3, 0.25
WEAKEST, USUAL_PEAK = 0.6, 0.7
"""Peaks lower than this share of the usual one are lids that half shut: they do not tell how far
lids go. The usual one is the 70 % quantile, since lively people half shut them often."""
QUIET = 0.15
"""How far an uncalibrated lid may be over its usual value and still be passed on as it is, so that
noise is not made larger."""
USUAL_SPEED = 0.15
"""How fast the usual value of a lid follows, a second."""
MAX_STEP_S = 0.1
"""A frame's share of that is at most what so much time makes, however long nobody was seen."""
FIRST_REACH = 0.75
"""The value that counts as shut until a blink was seen."""
MAX_BLINKS = 30


def blink_peaks(times_s: FloatArray, values: FloatArray) -> Float64Array:
    """Find the heights of the blinks in a lid's curve (T,), in turn."""
    lids = LidReach()
    for time_s, value in zip(times_s.tolist(), values.tolist(), strict=True):
        lids.see(time_s, value)
    return np.array(lids.peaks, np.float64)


def full_blinks(peaks: Float64Array, *known: float) -> Float64Array:
    """The blinks that shut the eye, of peaks (K,); ``known`` are told to be of such."""
    return peaks[peaks >= WEAKEST * np.quantile([*peaks, *known], USUAL_PEAK)]


class LidReach:
    """How far a lid goes, learned while it is seen.

    Up to `QUIET` over the usual value, which is the running median, values are passed on as they
    are; from there to the reach they rise to 1. So noise of open eyes is never made larger. The
    reach is the 10 % quantile of the last blinks that shut the eye, or the weakest of up to ten.
    Those are told by `WEAKEST`, where `FIRST_REACH` counts as a peak, too: a lid that half shuts
    before the first blink is none.
    """

    def __init__(self) -> None:
        self.peaks: deque[float] = deque(maxlen=MAX_BLINKS)
        self.reach = FIRST_REACH
        """The value that counts as shut."""
        self._usual: float | None = None
        self._window: deque[tuple[float, float]] = deque()
        self._next = 0  # the first of the window that was not judged

    def see(self, time_s: float, value: float) -> None:
        """Take the next value of a lid; a blink counts once `BLINK_S` have passed since.

        A time before the last is that of a clip that begins again.
        """
        window = self._window
        if window and time_s < window[-1][0]:
            window.clear()
            self._next = 0
        if self._usual is None:
            self._usual = value
        elif window:
            step = USUAL_SPEED * min(time_s - window[-1][0], MAX_STEP_S)
            self._usual += min(max(value - self._usual, -step), step)
        window.append((time_s, value))
        while time_s - window[self._next][0] >= BLINK_S:
            self._judge(*window[self._next])
            self._next += 1
        while window[self._next][0] - window[0][0] > BLINK_S:
            window.popleft()
            self._next -= 1

    def _judge(self, time_s: float, value: float) -> None:
        """Note a value if it is the peak of a blink."""
        before = [v for t, v in self._window if t < time_s]
        after = [v for t, v in self._window if time_s < t <= time_s + BLINK_S]
        if not before or value < max(before) or value <= max(after, default=value):
            return
        if value - max(min(before), min(after)) >= PROMINENCE:
            self.peaks.append(value)
            full = full_blinks(np.array(self.peaks), FIRST_REACH)
            self.reach = float(np.quantile(full, 0.1, method="lower")) if len(full) else FIRST_REACH

    def __call__(self, value: float) -> float:
        """Put a value on the scale from open, 0, to shut, 1."""
        quiet = QUIET + (self._usual or 0.0)
        if value <= quiet or quiet >= self.reach:
            return min(1.0, max(value, 0.0))
        return min(1.0, quiet + (1.0 - quiet) * (value - quiet) / (self.reach - quiet))
