"""How long calls take: one clock, turns, quartiles. Everything here that is timed is timed by this.

Machines are noisy. What is compared takes turns, so that what other processes do hits all alike,
and of many calls the quartiles are told rather than the mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Call = Callable[[], object]
Clock = Callable[[], float]
Key = TypeVar("Key")
Result = TypeVar("Result")

WALL: Clock = time.perf_counter
"""Time as it passes."""
PROCESSOR: Clock = time.process_time
"""Processor time of this process and all its threads; other work on the machine disturbs little."""
WARM_UP = 3
FEWEST_ROUNDS, MOST_ROUNDS = 5, 300


@dataclass(frozen=True)
class Timing:
    """The times of one call.

    Attributes
    ----------
    times_ms : of every call that counts, in their order
    waited : the share of the time in which the process had no processor, because others held
        them; above a few per cent the times are not to be trusted. 0 where nobody looked.
    """

    times_ms: tuple[float, ...]
    waited: float = 0.0

    @property
    def rounds(self) -> int:
        """The number of calls that count."""
        return len(self.times_ms)

    @property
    def fastest_ms(self) -> float:
        """The fastest call: what other processes do can make a call slower, never faster."""
        return min(self.times_ms)

    @property
    def slowest_ms(self) -> float:
        """The slowest call."""
        return max(self.times_ms)

    @property
    def median_ms(self) -> float:
        """The middle one."""
        return self.quartiles_ms[1]

    @property
    def quartiles_ms(self) -> tuple[float, float, float]:
        """A quarter, a half and three quarters of the calls took no longer than these."""
        low, median, high = np.percentile(self.times_ms, [25, 50, 75])
        return float(low), float(median), float(high)


def stopwatch(call: Callable[[], Result], clock: Clock = WALL) -> tuple[Result, float]:
    """What a call gives, and the milliseconds that it took."""
    start = clock()
    result = call()
    return result, 1e3 * (clock() - start)


def take_turns(
    calls: Mapping[Key, Call],
    rounds: int,
    *,
    calls_a_turn: int = 1,
    warm_up: int = WARM_UP,
    clock: Clock = WALL,
) -> dict[Key, Timing]:
    """Time several calls, a turn each in every round.

    Parameters
    ----------
    calls : what to time, by any key
    rounds : how many turns of each call count
    calls_a_turn : how often a call runs in its turn. With more than once, it runs once more before
        them without counting: the caches are full of what the others left.
    warm_up : how many rounds go before those that count
    clock : `WALL` or `PROCESSOR`

    Returns
    -------
    dict of `Timing`
        Under the keys of ``calls``, each of ``rounds * calls_a_turn`` times.
    """
    times: dict[Key, list[float]] = {key: [] for key in calls}
    for number in range(warm_up + rounds):
        for key, call in calls.items():
            if calls_a_turn > 1:
                call()
            spent = [stopwatch(call, clock)[1] for _ in range(calls_a_turn)]
            if number >= warm_up:
                times[key] += spent
    return {key: Timing(tuple(spent)) for key, spent in times.items()}


def time_call(call: Call, rounds: int, *, warm_up: int = WARM_UP, clock: Clock = WALL) -> Timing:
    """`take_turns` of a single call."""
    return take_turns({"call": call}, rounds, warm_up=warm_up, clock=clock)["call"]


def time_for(call: Callable[[int], object], budget_s: float) -> Timing:
    """Time a call as often as a budget of seconds allows, at least 5 and at most 300 times.

    The call is given the number of its round.
    """
    for number in range(WARM_UP):
        call(number)
    times: list[float] = []
    begin, worked = WALL(), PROCESSOR()
    end = begin + budget_s
    while len(times) < MOST_ROUNDS and (len(times) < FEWEST_ROUNDS or WALL() < end):
        number = len(times)
        times.append(stopwatch(lambda number=number: call(number))[1])
    share = (PROCESSOR() - worked) / (WALL() - begin)
    return Timing(tuple(times), waited=max(0.0, 1.0 - share))
