"""One line that says how far a run is."""

from __future__ import annotations

import time
from typing import TextIO

REDRAW_S = 0.2


class ProgressLine:
    """Count, speed and time left, redrawn in place on a terminal, silent elsewhere.

    Parameters
    ----------
    total : how many steps there are; 0 where nobody knows
    unit : what is counted, as "images"
    stream : where the line is written, as stderr; None where that was closed
    """

    def __init__(self, total: int, unit: str, stream: TextIO | None) -> None:
        self._total, self._unit = total, unit
        self._started = self._drawn = time.perf_counter()
        self._stream = stream if stream is not None and stream.isatty() else None
        self.count = 0

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._started

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.count / max(self.seconds, 1e-6)

    def step(self, note: str = "", steps: int = 1) -> None:
        """Count one, or so many; the note stands behind the speed."""
        self.count += steps
        now = time.perf_counter()
        if self._stream is not None and now - self._drawn >= REDRAW_S:
            self._drawn = now
            self._stream.write("\r\x1b[K" + self._line(note))
            self._stream.flush()

    def _line(self, note: str) -> str:
        speed = f"{self.rate:.1f} {self._unit}/s  {note}"
        if not self._total:
            return f"{self.count}  {speed}"
        done = min(1.0, self.count / self._total)
        left = round(max(0, self._total - self.count) / self.rate)
        return (
            f"[{'#' * round(20 * done):<20}] {self.count}/{self._total}  {speed}  "
            f"{left // 60}:{left % 60:02d} left"
        )

    def close(self) -> None:
        """Clear the line."""
        if self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
