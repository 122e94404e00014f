"""One line that says how far a run is."""

from __future__ import annotations

import time
from typing import TextIO

from edgeface.faces import Faces

REDRAW_S = 0.2


class Progress:
    """Frames, speed, faces and time left, redrawn in place on a terminal and silent elsewhere."""

    def __init__(self, num_frames: int, stream: TextIO) -> None:
        self._total, self._stream = num_frames, stream
        self._started = self._drawn = time.perf_counter()
        self._shown = stream.isatty()
        self.num_frames = self.num_faces = 0
        self.ids: set[int] = set()

    def step(self, faces: Faces) -> None:
        """Count a frame."""
        self.num_frames += 1
        self.num_faces += len(faces)
        if faces.track_ids is not None:
            self.ids.update(faces.track_ids.tolist())
        now = time.perf_counter()
        if self._shown and now - self._drawn >= REDRAW_S:
            self._drawn = now
            self._stream.write("\r\x1b[K" + self._line(now, len(faces)))
            self._stream.flush()

    def _line(self, now: float, num_faces: int) -> str:
        fps = self.num_frames / max(now - self._started, 1e-6)
        plural = "face" if num_faces == 1 else "faces"
        if not self._total:
            return f"frame {self.num_frames}  {fps:.1f} fps  {num_faces} {plural}"
        done = min(1.0, self.num_frames / self._total)
        left = round(max(0, self._total - self.num_frames) / fps)
        return (
            f"[{'#' * round(20 * done):<20}] {self.num_frames}/{self._total}  {fps:.1f} fps  "
            f"{num_faces} {plural}  {left // 60}:{left % 60:02d} left"
        )

    def close(self) -> None:
        """Clear the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def summary(self) -> str:
        """A line about the whole run."""
        seconds = time.perf_counter() - self._started
        people = "person" if len(self.ids) == 1 else "people"
        return (
            f"{self.num_frames} frames in {seconds:.1f} s "
            f"({self.num_frames / max(seconds, 1e-6):.1f} fps), {len(self.ids)} {people}, "
            f"{self.num_faces / max(1, self.num_frames):.1f} faces a frame"
        )
