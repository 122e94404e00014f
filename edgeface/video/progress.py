"""What a run over a video came to, and how far it is."""

from __future__ import annotations

from typing import TextIO

from edgeface.faces import Faces
from edgeface.progress import ProgressLine


class Progress:
    """Counts frames, faces and people, and shows a `ProgressLine`."""

    def __init__(self, num_frames: int, stream: TextIO) -> None:
        self._line = ProgressLine(num_frames, "frames", stream)
        self.num_faces = 0
        self.ids: set[int] = set()

    @property
    def num_frames(self) -> int:
        """Frames that were counted."""
        return self._line.count

    def step(self, faces: Faces) -> None:
        """Count a frame."""
        self.num_faces += len(faces)
        if faces.track_ids is not None:
            self.ids.update(faces.track_ids.tolist())
        self._line.step(f"{len(faces)} {'face' if len(faces) == 1 else 'faces'}")

    def close(self) -> None:
        """Clear the line."""
        self._line.close()

    def summary(self) -> str:
        """A line about the whole run."""
        people = "person" if len(self.ids) == 1 else "people"
        line, mean = self._line, self.num_faces / max(1, self.num_frames)
        return (
            f"{line.count} frames in {line.seconds:.1f} s ({line.rate:.1f} fps), "
            f"{len(self.ids)} {people}, {mean:.1f} faces a frame"
        )
