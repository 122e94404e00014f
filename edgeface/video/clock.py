"""Telling the times of pictures and sound, whatever their stream's own clock does."""

from __future__ import annotations

BACKWARDS_S = 0.1
"""A stamp so long before the last one is that of another clock, not of disorder."""
FORWARDS_S = 10.0
"""So is a stamp so long after the last one, in streams that may be joined of several."""
FORWARDS_FILE_S = 30 * 3600.0
"""The same in files whose format has one clock, where a long gap is a long gap."""
LEAST_STEP_S = 1e-3
"""The time between two pictures whose stamps do not rise."""


class Clock:
    """Seconds since a stream began, strictly rising.

    Parameters
    ----------
    step_s : the usual time between two pictures, for those without a stamp or after a jump
    forwards_s : how far a stamp may lie ahead without being a jump
    origin_s : the stamp of time zero; None for the first stamp that comes

    Notes
    -----
    The limits are those of FFmpeg's own program (``dts_delta_threshold``,
    ``dts_error_threshold``). After a jump, time goes on a step after the last picture: parts that
    were joined follow each other without a gap. So it does from the third time on that a stamp is
    the same, as in files whose writer gave every picture the stamp of the first.

    Examples
    --------
    >>> clock = Clock(0.1, FORWARDS_S)
    >>> [round(clock(stamp), 3) for stamp in (5.0, 5.1, 5.1, 0.0, 0.1, None)]
    [0.0, 0.1, 0.101, 0.201, 0.301, 0.401]
    """

    def __init__(self, step_s: float, forwards_s: float, origin_s: float | None = None) -> None:
        self._step_s, self._forwards_s = step_s, forwards_s
        self.origin_s = origin_s
        self._last_s: float | None = None
        self._last_stamp_s, self._num_same = float("nan"), 0

    def __call__(self, stamp_s: float | None, waited_s: float = 0.0) -> float:
        """The time of the next picture, which came ``waited_s`` after the last one."""
        last = self._last_s
        due = 0.0 if last is None else last + self._step_s
        if stamp_s is None:
            time_s = due
        else:
            if self.origin_s is None:
                self.origin_s = stamp_s - due
            time_s = stamp_s - self.origin_s
            if last is not None:
                advance = time_s - last
                self._num_same = self._num_same + 1 if stamp_s == self._last_stamp_s else 0
                if self._num_same > 1:
                    time_s = due
                    self.origin_s = stamp_s - time_s
                elif not -BACKWARDS_S <= advance <= self._forwards_s + waited_s:
                    time_s = last + max(self._step_s, waited_s)
                    self.origin_s = stamp_s - time_s
                elif advance <= 0:
                    time_s = last + min(self._step_s, LEAST_STEP_S)
            self._last_stamp_s = stamp_s
        self._last_s = time_s
        return time_s
