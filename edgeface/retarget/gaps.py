"""Times in which a person was not seen: short ones are bridged, in long ones the last pose is held.

Programs draw straight lines between the keys of an animation. Over a short gap that is the best
guess. Over a long one it would be a slow drift that nobody made.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeface.recording import Performance
from edgeface.types import FloatArray

BRIDGE_S = 0.5
"""The longest gap that is bridged; a face that is missed for 0.1 s is still reported, and is no
gap."""


def hold_in_gaps(performance: Performance) -> Performance:
    """Hold the last pose in each long gap, by one frame more, just before the person is seen again.

    It lies the take's usual step before the frame in which they are; a gap no longer than that is
    bridged like a short one.

    Examples
    --------
    >>> seen = np.array([0.0, 0.1, 0.2, 2.2, 2.3])
    >>> jaw = [{"jawOpen": value} for value in (0.1, 0.2, 0.3, 0.8, 0.9)]
    >>> turns, shapes, gaps = np.zeros((5, 4)), np.zeros((5, 46)), np.array([[0.2, 2.2]])
    >>> take = Performance(1, seen, np.arange(5), turns, shapes, np.zeros(50), jaw, gaps)
    >>> held = hold_in_gaps(take)
    >>> held.times_s.round(3).tolist(), held.blendshapes[3]
    ([0.0, 0.1, 0.2, 2.1, 2.2, 2.3], {'jawOpen': 0.3})
    """
    times: FloatArray = performance.times_s
    rows = np.arange(len(times))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    gaps: list[tuple[float, float]] = performance.gaps_s.tolist()
    long = [back_s for left_s, back_s in gaps if back_s - left_s > max(BRIDGE_S, step)]
    for back_s in reversed(long):
        after = int(np.searchsorted(times, back_s))
        rows = np.insert(rows, after, after - 1)
        times = np.insert(times, after, back_s - step)
    return replace(
        performance,
        times_s=times,
        frames=performance.frames[rows],
        quaternions_wxyz=performance.quaternions_wxyz[rows],
        expression_coeffs=performance.expression_coeffs[rows],
        blendshapes=[performance.blendshapes[row] for row in rows],
    )
