"""Filters from query parameters, and the cursors of lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.times import parse_instant
from sinks.filters import UNRESOLVED, Facets, Filter, FilterError, decode_cursor, encode_cursor, parameters

ONE = Facets("a", 1000, "red", "open", "active", "environment", "env.cod", "sensor", "530102", "S1", False)


def test_parameters_become_a_filter() -> None:
    """Sets take commas and repeats, times take both forms, empty values are none."""
    made = Filter.parse(
        [
            ("from", "2026-01-01T08:00:00+08:00"),
            ("to", "1767225600001"),
            ("severity", "red,orange"),
            ("severity", "blue"),
            ("state", "unresolved"),
            ("region", "53"),
            ("rule", ""),
            ("limit", "1000"),
            ("shadow", "1"),
            ("bucket", "1h"),
        ],
        also=frozenset({"bucket"}),
    )
    assert made == Filter(
        from_ms=parse_instant("2026-01-01T00:00:00Z"),
        to_ms=1_767_225_600_001,
        severity=frozenset({"red", "orange", "blue"}),
        state=UNRESOLVED,
        region="53",
        limit=1000,
        shadow=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "yesterday"),
        ("from", "2026-01-01T08:00:00 08:00"),
        ("from", "9" * 40),
        ("to", "2026-01-01T08:00:00"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "1e3"),
        ("limit", "٣"),
        ("severity", "red,crimson"),
        ("state", "gone"),
        ("shadow", "maybe"),
        ("colour", "red"),
        ("subject", "x" * 513),
        ("subject", "a\0b"),
        ("region", "\ud800"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(name: str, value: str) -> None:
    """One clear error each, for a 400."""
    with pytest.raises(FilterError) as raised:
        Filter.parse({name: value})
    assert raised.value.parameter == name
    assert str(raised.value).startswith(f"{name}: ")


def test_contradictions_are_refused() -> None:
    """A range that holds nothing, and a parameter given twice."""
    with pytest.raises(FilterError, match="earlier"):
        Filter.parse({"from": "2", "to": "2"})
    with pytest.raises(FilterError, match="twice"):
        Filter.parse([("rule", "a"), ("rule", "b")])


@pytest.mark.parametrize(
    ("wanted", "admitted"),
    [
        (Filter(), True),
        (Filter(region="5301"), True),
        (Filter(region="5302"), False),
        (Filter(severity=frozenset({"orange"})), False),
        (Filter(state=UNRESOLVED), True),
        (Filter(domain="market"), False),
        (Filter(rule="env.cod", feed="sensor", subject="S1"), True),
        (Filter(subject="S"), False),
        (Filter(from_ms=1000, to_ms=1001), True),
        (Filter(from_ms=1001), False),
        (Filter(to_ms=1000), False),
    ],
)
def test_a_filter_admits_what_all_its_sides_admit(wanted: Filter, admitted: bool) -> None:
    """from is inclusive, to exclusive, a region a prefix, a subject the whole."""
    assert wanted.admits(ONE) is admitted


def test_shadow_alerts_are_seen_only_when_asked_for() -> None:
    """They are for those who try out a rule."""
    shadow = Facets("a", 1, "red", "open", "active", "e", "r", "f", "", "", True)
    assert not Filter().admits(shadow)
    assert Filter(shadow=True).admits(shadow)
    assert Filter(shadow=True).admits(ONE)


def test_every_parameter_is_documented_by_the_error() -> None:
    """The names that an error offers are those that parse takes."""
    values = {"from": "1", "to": "2", "limit": "3", "severity": "red", "state": "open", "shadow": "0"}
    for name in parameters():
        Filter.parse({name: values.get(name, "x")})


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_comes_back(number: int, text: str) -> None:
    """Whatever place it names."""
    assert decode_cursor("a", encode_cursor("a", number, text), int, str) == (number, text)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_text_as_a_cursor_does_more_than_be_refused(text: str) -> None:
    """Cursors come from outside."""
    with pytest.raises(FilterError):
        decode_cursor("a", text, int, int, str)


def test_a_cursor_of_another_list_is_refused() -> None:
    """As is one with the right name and the wrong contents."""
    with pytest.raises(FilterError):
        decode_cursor("a", encode_cursor("e", 1, 2), int, int)
    with pytest.raises(FilterError):
        decode_cursor("a", encode_cursor("a", 1, "2"), int, int)
    with pytest.raises(FilterError):
        decode_cursor("a", encode_cursor("a", 2**63), int)
