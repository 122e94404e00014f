"""Scalars of options and files: Python's and numpy's alike, and nothing that is none."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface import InvalidInputError
from edgeface.values import Choice, Flag, Number, Record, Several, Text, Whole, option, shown

NUMBERS = [np.float16, np.float32, np.float64, np.longdouble]
INTEGERS = [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64]
NO_NUMBERS = [None, True, False, np.bool_(True), "1", b"1", [1], (1,), {}, 1j, np.complex64(1),
              np.array([1]), np.datetime64("2000"), Decimal(1), range(1), float, "nan"]  # fmt: skip


@pytest.mark.parametrize("kind", [int, *NUMBERS, *INTEGERS, Fraction])
def test_every_type_of_number_is_taken(kind):
    assert option("x", kind(1), Number(0, 5)) == 1.0
    assert type(option("x", kind(1), Number(0, 5))) is float
    assert option("x", kind(1), Number(0, 1e10)) == 1.0  # without numpy's warning of an overflow


@pytest.mark.parametrize("kind", [int, *INTEGERS])
def test_every_type_of_integer_is_taken(kind):
    assert type(option("x", kind(3), Whole(0, 5))) is int


@pytest.mark.parametrize("value", [*NO_NUMBERS, float("nan"), float("inf"), -0.1, 5.1,
                                   10**400, np.float32("nan"), 10**5000, -(10**5000)],
                         ids=shown)  # fmt: skip
def test_what_is_no_number_of_the_range_is_refused(value):
    with pytest.raises(InvalidInputError, match=r"x must lie in \[0, 5\], got "):
        option("x", value, Number(0, 5))


@pytest.mark.parametrize(
    "value", [*NO_NUMBERS, 1.0, 1.5, np.float64(2), -1, 6, 3, 10**5000], ids=shown
)
def test_what_is_no_integer_of_the_range_is_refused(value):
    with pytest.raises(InvalidInputError, match="from 0 to 5, a multiple of 2, got "):
        option("x", value, Whole(0, 5, 2))


@pytest.mark.parametrize("value", [None, 5, b"a", "", "a\0", "\ud800", "a" * 9, ["a"]])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(InvalidInputError, match="must be text of 1 to 8 characters"):
        option("x", value, Text(8))


@pytest.mark.parametrize("value", [None, 1, [], "b", np.array(["a"])])
def test_what_is_no_choice_is_refused(value):
    with pytest.raises(InvalidInputError, match="must be one of a, c"):
        option("x", value, Choice(("a", "c")))


def test_flags_may_be_those_of_numpy():
    assert option("x", np.bool_(True), Flag()) is True


@pytest.mark.parametrize("value", [None, 1, "yes", np.array(True)])
def test_what_is_no_flag_is_refused(value):
    with pytest.raises(InvalidInputError, match="must be true or false"):
        option("x", value, Flag())


def test_a_record_names_the_entry_inside():
    kind = Record({"rows": Several(Several(Whole(0, 9), 2, 2), 0, 3)})
    with pytest.raises(InvalidInputError, match=r"x\.rows\[1\]\[0\] must be a whole number"):
        option("x", {"rows": [[1, 2], ["3", 4]]}, kind)
    with pytest.raises(InvalidInputError, match=r"entry x\.rows is missing"):
        option("x", {}, kind)
    assert option("x", {"rows": [[1, 2]], "more": 1}, kind) == {"rows": ((1, 2),)}


@given(st.integers() | st.text() | st.lists(st.floats()))
def test_shown_is_short(value):
    assert len(shown(value)) <= 80


def test_shown_survives_what_cannot_be_shown():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert shown(Broken()) == "a value of the type Broken"


def test_shown_is_one_line():
    assert shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
