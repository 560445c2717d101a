"""Columns of times: the same instants as one by one, and never one that is none."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events.instants import parse_column
from events.times import MAX_MS, MIN_MS, format_ms, parse_instant

DIGITS = st.text("0123456789", max_size=10)
NEARLY = st.builds(
    "{:04d}-{:02d}-{:02d}{}{:02d}:{:02d}:{:02d}{}{}".format,
    st.sampled_from([0, 1, 1969, 1970, 2000, 2024, 2025, 2026, 2100, 9999]),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from("TTTTTTt _"),
    st.integers(0, 25),
    st.integers(0, 61),
    st.integers(0, 61),
    st.one_of(st.just(""), DIGITS.map(lambda digits: "." + digits)),
    st.one_of(
        st.sampled_from(["Z", "+08:00", "-11:30", "z", "", "+24:00", "-23:59", "+08:60", "+0800", "+08"]),
        st.builds("{}{:02d}:{:02d}".format, st.sampled_from("+-−"), st.integers(0, 25), st.integers(0, 61)),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(NEARLY, NEARLY, NEARLY, st.text(max_size=30)), max_size=12))
@example(["2026-01-01T00:00:00Z", "２０２６-01-01T00Z"])
@example(["2026-01-01T 0:00:00Z", "2026-01-01T00:00:00+0 :00", "2026-01-01T00:00:0:Z"])
@example(["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999-00:01", "9999-12-31T23:59:59.9999Z"])
@example(["2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00.123456789Z"])
def test_what_is_read_is_what_one_by_one_gives(texts: list[str]) -> None:
    """A text that the column knows, the plain parser knows, as the same number; what is left out is rare or wrong."""
    ms, known = parse_column(pl.Series(texts, dtype=pl.String))
    for text, found, is_known in zip(texts, ms.tolist(), known.tolist(), strict=True):
        try:
            plain: int | None = parse_instant(text)
        except ValueError:
            plain = None
        if is_known:
            assert found == plain, text
            assert MIN_MS <= found <= MAX_MS
        elif plain is not None and MIN_MS <= plain <= MAX_MS:
            assert "T" not in text or text.endswith("z"), text


@given(st.lists(st.integers(MIN_MS, MAX_MS), min_size=1, max_size=5))
def test_every_instant_of_the_calendar_is_read(instants: list[int]) -> None:
    """What we write ourselves comes back."""
    ms, known = parse_column(pl.Series([format_ms(one) for one in instants]))
    assert known.all()
    assert ms.tolist() == instants


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_or_none(count: int) -> None:
    """An empty column is no special case for the caller."""
    ms, known = parse_column(pl.Series(["1970-01-01T00:00:00.5+00:00"] * count, dtype=pl.String))
    assert ms.tolist() == [500] * count
    assert known.tolist() == [True] * count
