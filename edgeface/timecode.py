"""Timecode: the clock of a shoot, by which takes of several devices are laid beside each other.

A timecode names a frame as hours, minutes, seconds and frames. At 29.97 and 23.976 frames a second
it counts as if there were 30 and 24, so that its seconds are longer than real ones by a thousandth.
One that drops numbers, written with a semicolon, keeps up with real seconds: each minute but the
tenth begins with the number 2 at 29.97 frames a second (4 at 59.94).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from edgeface.errors import InvalidInputError
from edgeface.values import SECONDS, Number, option, shown

_PATTERN = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})")
DROP_MARKS = ";."


def is_timecode(text: str) -> bool:
    """Whether a text has the form of a timecode."""
    return _PATTERN.fullmatch(text) is not None


@dataclass(frozen=True)
class Timecode:
    """The timecode of a clip's first frame.

    Attributes
    ----------
    text : the timecode as the clip has it, ``HH:MM:SS:FF``, or ``HH:MM:SS;FF`` if it drops numbers
    fps : the clip's frames a second

    Raises
    ------
    InvalidInputError
        If the text is no timecode, or the rate is no number above 0.
    """

    text: str
    fps: float

    def __post_init__(self) -> None:
        if not (isinstance(cast(object, self.text), str) and is_timecode(self.text)):
            raise InvalidInputError(f"expected a timecode, HH:MM:SS:FF, got {shown(self.text)}")
        option("fps", self.fps, Number(0, 1e6, above=True))

    def at(self, time_s: float) -> float:
        """What the timecode's clock says, in its seconds, ``time_s`` after the first frame.

        Examples
        --------
        >>> Timecode("01:00:00:12", 24.0).at(2.0)
        3602.5
        >>> round(Timecode("00:00:00:00", 30 / 1.001).at(1001.0), 3)
        1000.0
        >>> timecode_text(Timecode("00:00:59;29", 30 / 1.001).at(1.001 / 30), 30)
        '00:01:00:02.000'
        """
        time_s, match = option("time_s", time_s, SECONDS), _PATTERN.fullmatch(self.text)
        assert match is not None
        hours, minutes, seconds, mark, frames = match.groups()
        counted = max(round(self.fps), 1)
        dropped = counted // 15 if mark in DROP_MARKS and counted % 30 == 0 else 0
        minute = 60 * int(hours) + int(minutes)
        first = (60 * minute + int(seconds)) * counted + int(frames)
        first -= dropped * (minute - minute // 10)
        rate = counted / 1.001 if dropped else self.fps
        now = round(first + time_s * rate, 4)  # else a frame that is due may count as the last
        tens, rest = divmod(now, 600 * counted - 9 * dropped)
        minutes_begun = max((rest - dropped) // (60 * counted - dropped), 0)
        return (now + dropped * (9 * tens + minutes_begun)) / counted


def timecode_text(seconds: float, fps: int) -> str:
    """Tell seconds in hours, minutes, seconds, frames and thousandths of a frame.

    At midnight it begins again from zero, as clocks do.

    Examples
    --------
    >>> timecode_text(3661.508, 60)
    '01:01:01:30.480'
    >>> timecode_text(24 * 3600.0, 60)
    '00:00:00:00.000'
    """
    thousandths = round(seconds * fps * 1000)
    frames, thousandths = divmod(thousandths, 1000)
    whole, frame = divmod(frames, fps)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour % 24:02d}:{minute:02d}:{second:02d}:{frame:02d}.{thousandths:03d}"
