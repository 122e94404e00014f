"""Timing calls, by one clock, in turns, with quartiles.

Machines are noisy. Calls that are compared take turns, so that other processes disturb all of them
alike, and quartiles of many calls are told rather than their mean.
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
"""The time that passes."""
PROCESSOR: Clock = time.process_time
"""The processor time of this process and its threads, which other processes disturb little."""
WARM_UP = 3
FEWEST_ROUNDS, MOST_ROUNDS = 5, 300


@dataclass(frozen=True)
class Timing:
    """The times of one call.

    Attributes
    ----------
    times_ms : the time of every call that counts, in their order
    waited : the share of the time in which the process had no processor, because others held
        them. Above a few per cent, the times cannot be trusted. It is 0 if nobody looked.
    """

    times_ms: tuple[float, ...]
    waited: float = 0.0

    @property
    def rounds(self) -> int:
        """The number of calls that count."""
        return len(self.times_ms)

    @property
    def fastest_ms(self) -> float:
        """The time of the fastest call; other processes can make a call slower, never faster."""
        return min(self.times_ms)

    @property
    def slowest_ms(self) -> float:
        """The time of the slowest call."""
        return max(self.times_ms)

    @property
    def median_ms(self) -> float:
        """The median time."""
        return self.quartiles_ms[1]

    @property
    def quartiles_ms(self) -> tuple[float, float, float]:
        """The quartiles of the times."""
        low, median, high = np.percentile(self.times_ms, [25, 50, 75])
        return float(low), float(median), float(high)


def stopwatch(call: Callable[[], Result], clock: Clock = WALL) -> tuple[Result, float]:
    """Run a call; returns its result and the milliseconds that it took."""
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
    calls : the calls to time, by any key
    rounds : the number of turns of each call that count
    calls_a_turn : how often a call runs in its turn. If it is more than once, it runs once more
        before them without counting, since the caches are full of what the others left.
    warm_up : the number of rounds before those that count
    clock : the clock to time by, `WALL` or `PROCESSOR`

    Returns
    -------
    dict of `Timing`
        They have the keys of ``calls``, and ``rounds * calls_a_turn`` times each.
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
    """Time a single call as `take_turns` does."""
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
