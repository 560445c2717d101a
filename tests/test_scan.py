"""The compiled reader of plain lines: what it reads is right to the last bit, and it reads nearly everything."""

from __future__ import annotations

import json
import re
import struct
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events.jit import COMPILED
from events.lines import Lines
from events.scan import FEED, KINDS, OTHER, Field, Scanner

pytestmark = pytest.mark.skipif(not COMPILED, reason="there is no compiler: other ways are taken")

HEAD = b'{"id":"1","feed":"f","source":"s","time":0'


def scanner(*others: str) -> Scanner:
    """Of the feed ``f`` with a number v, an integer n, a text s, a boolean b."""
    fields = {"id": "string", "source": "string", "time": "time", "v": "number", "n": "integer", "s": "string"}
    declared = [Field(name, KINDS[kind], name) for name, kind in {**fields, "b": "boolean"}.items()]
    return Scanner("f", [Field("feed", FEED, ""), *declared, *(Field(name, OTHER, "") for name in others)])


def read(data: bytes, *others: str) -> tuple[list[bool], pl.DataFrame]:
    done, columns = scanner(*others).read(Lines.of(data)[0])
    return done.tolist(), pl.DataFrame(list(columns.values()))


def value(field: str, text: str) -> Any:
    """What the scanner makes of a value's text; ValueError where it leaves the line."""
    done, frame = read(HEAD + b',"' + field.encode() + b'":' + text.encode() + b"}")
    if not done[0]:
        raise ValueError(text)
    return frame[field][0] if field in frame.columns else None


@settings(max_examples=500, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".17g", ".25e", ".3f", ".0f"]))
@example(5e-324, "r")
@example(1.7976931348623157e308, "r")
@example(9007199254740993.0, "r")
def test_numbers_are_read_to_the_last_bit(number: float, form: str) -> None:
    """Every written float comes out as Python reads it, however many digits it has; what is too long is left."""
    text = repr(number) if form == "r" else format(number, form)
    try:
        found = value("v", text)
    except ValueError:
        assert len(text) > 48
    else:
        expected = 0.0 if text == "-0" else float(text)  # an integer has no sign of zero
        assert struct.pack("d", found) == struct.pack("d", expected)


@pytest.mark.parametrize(
    "text", ["-", "01", "1.", ".5", "1e", "1e+", "+1", "1e999", "0x1", "1_0", "NaN", "--1", "1.e5"]
)
def test_what_is_no_number_is_left(text: str) -> None:
    """JSON's grammar, no more; and nothing out of range."""
    for field in ("v", "n"):
        with pytest.raises(ValueError, match=re.escape(text)):
            value(field, text)


def test_integers_are_integers() -> None:
    """-0 is 0 in a number too, 5.0 is for others to judge, and so are numbers of nineteen digits."""
    assert [value("n", text) for text in ("0", "-0", "-7", "123456789012345678")] == [0, 0, -7, 123456789012345678]
    assert str(value("v", "-0")) == "0.0"
    assert str(value("v", "-0.0")) == "-0.0"
    for text in ("5.0", "1e3", "9223372036854775808"):
        with pytest.raises(ValueError, match=text):
            value("n", text)


@settings(max_examples=300, deadline=None)
@given(st.dates(date(1, 1, 2), date(9999, 12, 30)), st.integers(0, 86_399_999), st.integers(-1439, 1439))
def test_times_are_those_of_the_calendar(day: date, ms: int, offset: int) -> None:
    """Every day of ten thousand years, with any offset."""
    local = datetime(day.year, day.month, day.day) + timedelta(milliseconds=ms)
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    text = f"{local.isoformat(timespec='milliseconds')}{sign}{minutes // 60:02}:{minutes % 60:02}"
    moment = local.replace(tzinfo=UTC) - timedelta(minutes=offset)
    data = b'{"id":"1","feed":"f","source":"s","time":"' + text.encode() + b'"}'
    done, frame = read(data)
    assert done == [True]
    assert frame["time"][0] == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_no_such_day_is_left(text: str) -> None:
    """What is not in the calendar, others refuse by name."""
    assert read(b'{"id":"1","feed":"f","source":"s","time":"' + text.encode() + b'"}')[0] == [False]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=14)), min_size=1, max_size=20), st.booleans())
def test_texts_are_views_of_the_bytes(pairs: list[tuple[str, str]], newline: bool) -> None:
    """Texts of any length and script, anywhere in the data; only those with escapes are left."""
    encode = msgspec.json.encode
    lines = [HEAD + b',"s":' + encode(s) + b',"o":' + encode(o) + b"}" for s, o in pairs]
    data = b"\n".join(lines) + (b"\n" if newline else b"")
    done, frame = read(data, "o")
    plain = [b"\\" not in line for line in lines]
    assert done == plain
    if any(plain):
        assert frame.height == sum(plain)
        assert frame["s"].to_list() == [s for (s, _), kept in zip(pairs, plain, strict=True) if kept]


def test_lines_that_are_not_plain_are_left() -> None:
    """A name twice or unknown, a value of another type, another feed, a nested one, an escape, something missing or behind."""
    good = HEAD + b"}"
    odd = [
        HEAD + b',"id":"2"}',
        HEAD + b',"x":1}',
        HEAD + b',"s":5}',
        HEAD + b',"v":"5"}',
        HEAD + b',"b":1}',
        HEAD + b',"o":[]}',
        HEAD + b',"o":{}}',
        HEAD + b',"s":"\\n"}',
        HEAD + b',"s":"\x01"}',
        HEAD + b"}x",
        HEAD + b",}",
        HEAD,
        good.replace(b'"f"', b'"g"'),
        good.replace(b'"1"', b'""'),
        good.replace(b'"1"', b"null"),
        good.replace(b'"id":"1",', b""),
        b"[]",
    ]
    done, frame = read(b"\n".join([good, *odd, good]), "o")
    assert done == [True, *(False for _ in odd), True]
    assert frame.height == 2


def test_what_is_not_there_is_null() -> None:
    """Nulls, and fields in some lines only; a column of nothing is no column."""
    lines = [HEAD + b',"s":null,"v":1.5}', HEAD + b',"b":true}', HEAD + b', "s" : "" , "b" : false }', HEAD + b"}"]
    done, frame = read(b"\n".join(lines))
    assert all(done)
    assert frame.select("s", "v", "b").to_dict(as_series=False) == {
        "s": [None, None, "", None],
        "v": [1.5, None, None, None],
        "b": [None, True, False, None],
    }
    assert "n" not in frame.columns


def test_wrong_bytes_spoil_only_their_line() -> None:
    """Where the data is not UTF-8 as a whole, lines of ASCII are still read."""
    lines = [HEAD + b',"s":"a"}', HEAD + b',"s":"\xff"}', HEAD + ',"s":"甲"}'.encode()]
    assert read(b"\n".join(lines))[0] == [True, False, False]


def test_names_of_any_length_are_told_apart() -> None:
    """Names of seven, eight, nine and many bytes, one the beginning of the other."""
    names = ["a" * length for length in (1, 7, 8, 9, 15, 16, 17, 40)]
    line = HEAD + b"," + b",".join(b'"%s":%d' % (name.encode(), i) for i, name in enumerate(names)) + b"}"
    assert read(line, *names)[0] == [True]
    assert read(line, *names[:-1])[0] == [False]
    assert json.loads(line)["a" * 40] == 7
