"""Entries as Kafka records: what goes in comes out, and what is not ours is told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cluster.errors import ForeignRecord, NewerRecord
from streams.cluster.passed import Passed, decode_passed, encode_passed
from streams.cluster.record import Stamped, entry_of, first_position, headers_of, offset_of


@given(
    st.integers(0, 2**40),
    st.lists(st.integers(1, 2**40), min_size=1, max_size=50),
    st.binary(max_size=100),
    st.sampled_from(["", "events-3", "wide-0:region,类别"]),
)
def test_an_entry_comes_back_as_it_was(offset: int, gaps: list[int], payload: bytes, origin: str) -> None:
    """With the stamps of its events, wherever they lie apart."""
    stamps = np.cumsum(np.array(gaps, np.int64)) + (1_780_000_000_000 << 20)
    entry = Stamped("events", len(stamps), 1_780_000_000_000, payload, stamps, origin, 7)
    found = entry_of(offset, headers_of(entry), payload)
    assert (found.kind, found.count, found.at_ms, found.payload) == ("events", len(stamps), 1_780_000_000_000, payload)
    assert (found.origin, found.ordinal) == (origin, 7)
    assert found.stamps.tolist() == stamps.tolist()
    assert found.first == first_position(offset)
    assert offset_of(found.pos) == offset


def test_stamps_that_follow_one_on_another_need_no_list() -> None:
    """A record of one partition's cluster is no larger for them."""
    entry = Stamped("events", 3, 5, b"", np.arange(100, 103))
    assert "gaps" not in dict(headers_of(entry))
    assert entry_of(0, headers_of(entry), b"").stamps.tolist() == [100, 101, 102]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("kind", b"events")],
        [("v", b"1"), ("kind", b"events"), ("count", b"0"), ("at", b"1"), ("stamp", b"1")],
        [("v", b"one"), ("kind", b"events"), ("count", b"1"), ("at", b"1"), ("stamp", b"1")],
        [("v", b"1"), ("kind", b"\xff"), ("count", b"1"), ("at", b"1"), ("stamp", b"1")],
        [("v", b"1"), ("kind", b"events"), ("count", b"2097152"), ("at", b"1"), ("stamp", b"1")],
    ],
)
def test_a_record_that_is_not_ours_is_told_apart(headers: list[tuple[str, bytes]]) -> None:
    """Whatever another program writes: its value is never looked at."""
    with pytest.raises(ForeignRecord, match="record 9 is none of Fengsui's"):
        entry_of(9, headers, b"\x00")


def test_a_record_of_a_newer_version_says_what_to_do() -> None:
    """It is not guessed at."""
    with pytest.raises(NewerRecord, match="install that version"):
        entry_of(9, [("v", b"2"), ("kind", b"events")], b"")


def test_what_is_passed_on_comes_back_as_it_was() -> None:
    """Events with their positions, stamps and which were late."""
    one = Passed(
        3, "region", np.array([5, 9]), np.array([1 << 40, 1 << 41]), np.array([False, True]), [b"{}", b'{"a":"\xe4"}']
    )
    found = decode_passed(encode_passed(one))
    assert (found.partition, found.group, found.lines) == (3, "region", one.lines)
    assert found.pos.tolist() == [5, 9]
    assert found.stamps.tolist() == [1 << 40, 1 << 41]
    assert found.late.tolist() == [False, True]
