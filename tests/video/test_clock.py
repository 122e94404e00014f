import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.video.clock import FORWARDS_FILE_S, FORWARDS_S, Clock

STEP = 0.04
WRAP_S = 2**33 / 90000
"""When the clock of an MPEG stream begins anew."""


def times(stamps, forwards_s=FORWARDS_S, **options):
    clock = Clock(STEP, forwards_s, **options)
    return [clock(stamp) for stamp in stamps]


@pytest.mark.parametrize("first", [0.0, -2.5, 1.4, 1.7e9])
def test_time_begins_with_the_first_picture(first):
    stamps = first + np.array([0, 0.04, 0.1, 0.9])
    np.testing.assert_allclose(times(stamps), [0, 0.04, 0.1, 0.9], atol=1e-6)


def test_an_origin_may_lie_elsewhere():
    np.testing.assert_allclose(times([4.9, 5.1], origin_s=5.0), [-0.1, 0.1], atol=1e-9)


def test_stamps_that_are_absent_are_made_up():
    np.testing.assert_allclose(times([None] * 3), [0, STEP, 2 * STEP])
    np.testing.assert_allclose(times([None, 7.0, None, 7.1]), [0, STEP, 2 * STEP, 0.14])


@pytest.mark.parametrize("again", [0.0, -0.02])
def test_stamps_out_of_order_cost_no_time(again):
    got = times([0, 0.04, 0.04 + again, 0.08, 0.12])
    np.testing.assert_allclose(got, [0, 0.04, 0.041, 0.08, 0.12])


def test_a_clock_that_stands_still_is_none():
    """As in files whose writer stamped every picture 0; two pictures of a stamp are disorder."""
    np.testing.assert_allclose(times([0.0] * 5), [0, 0.001, 0.041, 0.081, 0.121])
    np.testing.assert_allclose(times([0, 0, 0, 0.04, 0.08]), [0, 0.001, 0.041, 0.081, 0.121])
    np.testing.assert_allclose(times([0, 0.04, 0.04, 0.08]), [0, 0.04, 0.041, 0.08])


@pytest.mark.parametrize("second", [0.0, 1.4, 500.0, 1.7e9])
def test_joined_parts_follow_each_other(second):
    part = np.arange(10) * STEP
    got = times([*(100 + part), *(second + part)])
    np.testing.assert_allclose(got, np.arange(20) * STEP, atol=1e-6)


def test_a_clock_that_wraps_goes_on():
    stamps = (WRAP_S - 0.1 + np.arange(10) * STEP) % WRAP_S
    np.testing.assert_allclose(times(stamps), np.arange(10) * STEP, atol=1e-6)


def test_one_wild_stamp_costs_one_step():
    np.testing.assert_allclose(times([0, STEP, 9e4, 3 * STEP, 4 * STEP]), np.arange(5) * STEP)


def test_a_long_gap_in_a_file_is_a_gap():
    got = times([0, STEP, 60.0, 3600.0], FORWARDS_FILE_S)
    np.testing.assert_allclose(got, [0, STEP, 60, 3600])


def test_a_camera_that_was_silent_for_a_while_has_not_jumped():
    clock = Clock(STEP, FORWARDS_S)
    clock(0.0)
    assert clock(15.0, waited_s=15.2) == pytest.approx(15.0)
    assert clock(4000.0, waited_s=2.0) == pytest.approx(17.0)


@given(st.lists(st.none() | st.floats(-1e7, 1e7), max_size=40), st.sampled_from([1.0, 1e6]))
def test_time_always_rises(stamps, forwards_s):
    got = times(stamps, forwards_s)
    assert (np.diff(got) > 0).all()
    assert not got or got[0] == 0
