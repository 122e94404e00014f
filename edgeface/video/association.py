"""Finding which detections continue which tracks."""

from __future__ import annotations

import numpy as np

from edgeface.boxes import iou_matrix
from edgeface.faces import Faces
from edgeface.types import BoolArray, FloatArray
from edgeface.video.assignment import FORBIDDEN, assign
from edgeface.video.track import Track

REACH = 0.6
"""How far, in face sizes, a face may lie from where it is expected in the next frame."""
REACH_PER_S, MAX_REACH = 3.0, 1.5
"""How fast that distance grows while a face is not seen, and its largest value."""
MAX_SIZE_RATIO = 1.7
"""The largest ratio of sizes between two sights of one face."""
WEAK_S, MAX_WEAK_S = 0.2, 1.0
"""A weak detection continues only a track that was seen so many seconds before, or in the last
frame if that is no longer ago than the second value."""
UNSEEN_COST = 0.5
"""The cost of each second that a track has not been seen."""
IDENTITY_COST = 0.2
"""The cost of each standard deviation between a face's identity and the track's mean."""


def match(
    tracks: list[Track], faces: Faces, strong: BoolArray, now: float, frame_s: float = 0.0
) -> dict[int, Track]:
    """Find the track that each face continues, by the number of the face.

    Parameters
    ----------
    tracks : all tracks that are remembered
    faces : N detections
    strong : bool, shape (N,), whether a detection may continue any track; others continue only
        those that were seen just before
    now : the time of the frame, seconds
    frame_s : the time since the last frame, seconds
    """
    if not tracks or not len(faces):
        return {}
    weak_s = max(WEAK_S, min(frame_s + 1e-6, MAX_WEAK_S))
    cost = np.stack([_costs(track, faces, strong, now, weak_s) for track in tracks])
    return {column: tracks[row] for row, column in assign(cost)}


def _costs(track: Track, faces: Faces, strong: BoolArray, now: float, weak_s: float) -> FloatArray:
    """The costs (N,): 1 - IoU, mean landmark distance in face sizes, identity, and the gates."""
    shift = track.shift_at(now)
    unseen = now - track.seen_s
    box = track.face.boxes_xyxy + np.tile(shift, 2)
    size, sizes = _sizes(box)[0], _sizes(faces.boxes_xyxy)
    scale = np.sqrt(size * sizes)
    landmarks = track.face.landmarks_2d[0] + shift
    apart = np.linalg.norm(faces.landmarks_2d - landmarks, axis=2).mean(axis=1) / scale
    centres = [b.reshape(-1, 2, 2).mean(axis=1) for b in (box, faces.boxes_xyxy)]
    stray = np.linalg.norm(centres[1] - centres[0], axis=1) / scale
    ratio = np.maximum(size / sizes, sizes / size)
    unlike = np.linalg.norm(faces.identity_coeffs - track.face.identity_coeffs, axis=1)
    cost = 1 - iou_matrix(box, faces.boxes_xyxy)[0] + apart
    cost = cost + UNSEEN_COST * unseen + IDENTITY_COST * unlike
    possible = (
        (stray <= min(REACH + REACH_PER_S * unseen, MAX_REACH))
        & (ratio <= MAX_SIZE_RATIO)
        & (strong & track.is_like(faces) | (unseen <= weak_s))
    )
    return np.where(possible, cost, FORBIDDEN)


def _sizes(boxes: FloatArray) -> FloatArray:
    return np.maximum(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)), 1e-6)
