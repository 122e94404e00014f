"""What a tracker makes of a face that moves far between two frames."""

from __future__ import annotations

import numpy as np

import edgeface


def count_ghosts(tracker: edgeface.Tracker, fps: float, step_px: int) -> tuple[int, int]:
    """Frames of 40 without the demo photo's first face where it is, and with one where it is not.

    The face, 125 px wide, moves by ``step_px`` a frame over grey, and turns back at the edges.
    """
    face = edgeface.read_image(edgeface.DEMO_PHOTO)[90:330, 190:420]
    place, direction, lost, ghosts = 50, 1, 0, 0
    reference = None
    for index in range(40):
        image = np.full((480, 1280, 3), 128, np.uint8)
        image[120:360, place : place + 230] = face
        found = tracker.update(image, index / fps).landmarks_2d - [place, 0]
        if reference is None:
            reference = found[0]
        size = np.sqrt(np.ptp(reference, axis=0).prod())
        errors = np.linalg.norm(found - reference, axis=2).mean(axis=1) / size
        lost += errors.min(initial=9.0) > 0.1
        ghosts += int((errors > 0.5).any())
        if not 20 < place + direction * step_px < 1000:
            direction = -direction
        place += direction * step_px
    return lost, ghosts
