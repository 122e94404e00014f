"""One clock, turns and quartiles."""

import itertools

import pytest

from edgeface.timing import Timing, stopwatch, take_turns, time_call, time_for


def clock_of(*readings):
    """A clock that shows the readings, in seconds, again and again."""
    shown = itertools.cycle(readings)
    return lambda: next(shown)


def test_quartiles_and_ends():
    timing = Timing((4.0, 1.0, 2.0, 3.0, 5.0))
    assert timing.quartiles_ms == (2.0, 3.0, 4.0)
    assert (timing.fastest_ms, timing.median_ms, timing.slowest_ms) == (1.0, 3.0, 5.0)
    assert timing.rounds == 5


def test_stopwatch_gives_result_and_milliseconds():
    assert stopwatch(lambda: "done", clock_of(1.0, 1.25)) == ("done", 250.0)


def test_calls_take_turns_and_the_first_rounds_do_not_count():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    readings = [0, 9, 0, 9, 0, 1, 0, 2, 0, 3, 0, 4]  # a and b in turns, one round to warm up
    timings = take_turns(calls, 2, warm_up=1, clock=clock_of(*readings))
    assert order == ["a", "b"] * 3
    assert timings["a"].times_ms == (1000, 3000)
    assert timings["b"].times_ms == (2000, 4000)


def test_a_turn_of_several_calls_starts_with_one_that_does_not_count():
    count = itertools.count()
    timings = take_turns({"a": lambda: next(count)}, 3, calls_a_turn=4, warm_up=0)
    assert timings["a"].rounds == 12
    assert next(count) == 3 * (1 + 4)


def test_time_call_is_a_turn_alone():
    assert time_call(lambda: None, 4, warm_up=0, clock=clock_of(0, 1)).times_ms == (1000,) * 4


@pytest.mark.parametrize(("budget_s", "rounds"), [(0.0, 5), (100.0, 300)])
def test_time_for_keeps_between_its_bounds(budget_s, rounds):
    numbers = []
    timing = time_for(numbers.append, budget_s)
    assert timing.rounds == rounds
    assert numbers[3:] == list(range(rounds))
    assert 0 <= timing.waited <= 1
