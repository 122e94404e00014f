"""JSON of strangers: what is refused, and that the rest means what it says."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface import strict_json
from edgeface.retarget import PersonRange, read_mapping, read_range

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs", "Cc"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN, st.booleans())
def test_what_is_sound_is_read_as_ever(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert strict_json.parse(text) == value
    assert strict_json.parse(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property"),
        ("{} {}", "Extra data"),
        ('{"a": 1, "a": 2}', "a key twice"),
        ('[{"b": {"a": 1, "a": 2}}]', "a key twice"),
        ("NaN", "holds NaN"),
        ("[-Infinity]", "holds -Infinity"),
        ("1e999", "no finite number"),
        ("1" * 5000, "5000 digits"),
        ("1" * 400, "400 digits"),
        ("9" * 19, "19 digits"),  # more than 64 bits
        ("-" + "9" * 19, "19 digits"),
        ("[" * 200_000, "nested deeper than 16"),
        ('{"a":' * 17 + "1" + "}" * 17, "nested deeper than 16"),
        (r'"\u001b[2J"', "control characters"),
        (r'{"\u0000": 1}', "control characters"),
        ('"\x9b2J"', "control characters"),
        (r'"\ud800"', "half a character"),
        ('"\x01"', "control characters"),
        (b"\xff\xfe{\x00}\x00", "can't decode"),
        (b'"\xed\xa0\x80"', "can't decode"),
        ("\ufeff{}", "BOM"),
        ('"' + "a" * (1 << 22) + '"', "longer than 4 MiB"),
    ],
)
def test_what_is_unsound_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        strict_json.parse(text)


def test_brackets_in_text_are_no_depth():
    assert strict_json.parse(json.dumps("[" * 99 + '\\"{' * 99)) == "[" * 99 + '\\"{' * 99
    assert strict_json.parse(r'"\ud83d\ude00"') == "\U0001f600"


def test_depth_does_not_depend_on_the_stack(monkeypatch):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        with pytest.raises(ValueError, match="nested deeper"):
            strict_json.parse("[" * 1_000_000)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_of_takes_what_editors_write(encoding):
    assert strict_json.text_of("Gr\u00fc\u00dfe".encode(encoding)) == "Gr\u00fc\u00dfe"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_text_of_names_the_encoding_that_is_wanted(encoding):
    with pytest.raises(ValueError, match="save it as UTF-8"):
        strict_json.text_of("Gr\u00fc\u00dfe".encode(encoding))


def test_files_that_people_edit_may_begin_with_a_mark(tmp_path):
    path = tmp_path / "mine.json"
    PersonRange({"jawOpen": 0.1}).save(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_range(path).rest == {"jawOpen": 0.1}
    path.write_bytes(b"\xef\xbb\xbf" + b'{"format": "edgeface-mapping", "version": [1, 0]}')
    assert read_mapping(path).mirror is False
