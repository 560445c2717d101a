"""The same (source, id) twice is one event."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dedupe import Dedupe, DedupeError


def frame(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"source": pl.String, "id": pl.String}, orient="row")


def plain(events: list[tuple[str, int]], horizon_ms: int, max_ids: int) -> list[bool]:
    """The rule in so many words: one of the last ``max_ids`` first sightings, no older than the horizon."""
    sightings: list[tuple[str, int]] = []
    out = []
    for id_, at in events:
        known = any(i == id_ and at - seen <= horizon_ms for i, seen in sightings[-max_ids:])
        out.append(not known)
        if not known:
            sightings.append((id_, at))
    return out


def test_in_one_batch_and_in_the_next() -> None:
    """The first is fresh, all others are not; another source's event of that id is another event."""
    dedupe = Dedupe()
    assert dedupe.fresh(frame([("a", "1"), ("a", "1"), ("b", "1")]), 0).tolist() == [True, False, True]
    assert dedupe.fresh(frame([("b", "1"), ("b", "2")]), 5).tolist() == [False, True]
    assert len(dedupe) == 3


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 30)), max_size=60),
    st.integers(1, 40),
    st.integers(1, 8),
    st.data(),
)
def test_any_cut_gives_the_plain_rule(
    drawn: list[tuple[str, int]], horizon_ms: int, max_ids: int, data: st.DataObject
) -> None:
    """Verdicts are those of the plain rule, however the events are cut and wherever the state is stored and taken back."""
    clock = np.cumsum([step for _, step in drawn]).tolist()
    events = [(id_, at) for (id_, _), at in zip(drawn, clock, strict=True)]
    dedupe = Dedupe(horizon_ms=horizon_ms, max_ids=max_ids)
    got: list[bool] = []
    at = 0
    while at < len(events):
        size = data.draw(st.integers(1, 10))
        part = events[at : at + size]
        got += dedupe.fresh(frame([("s", id_) for id_, _ in part]), np.array([t for _, t in part])).tolist()
        at += size
        if data.draw(st.booleans()):
            dedupe = Dedupe.restore(dedupe.snapshot())
    assert got == plain(events, horizon_ms, max_ids)


def test_bounded_and_counted() -> None:
    """Memory is that of max_ids, and what falls out is counted."""
    dedupe = Dedupe(max_ids=10_000)
    for start in range(0, 200_000, 7_000):
        ids = [("s", str(i)) for i in range(start, start + 7_000)]
        assert dedupe.fresh(frame(ids), start).all()
    assert len(dedupe) == 10_000
    assert dedupe.fallen == 29 * 7_000 - 10_000
    assert len(dedupe._table) <= 1 << 16
    assert not dedupe.fresh(frame([("s", "202999")]), 200_000).any()
    assert dedupe.fresh(frame([("s", "100")]), 200_000).all()


def test_time_out_of_the_horizon() -> None:
    """What fell out by time is fresh again, also when its place in memory was used anew."""
    dedupe = Dedupe(horizon_ms=1_000)
    for start in range(0, 100_000, 1_000):
        assert dedupe.fresh(frame([("s", str(i)) for i in range(start, start + 1_000)]), start).all()
    assert dedupe.fresh(frame([("s", str(i)) for i in range(90_000)]), 99_000).all()
    assert len(dedupe._seen_at) < 1 << 18


def test_a_foreign_snapshot_is_refused() -> None:
    """Hashes hold for one version of Polars only; the log is read again then."""
    body = Dedupe().snapshot()
    with pytest.raises(DedupeError, match="hashed by Polars"):
        Dedupe.restore(body.replace(pl.__version__.encode(), b"0" * len(pl.__version__)))
    with pytest.raises(DedupeError, match="no snapshot"):
        Dedupe.restore(b"\x00")
