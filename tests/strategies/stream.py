"""Streams: events with disorder, late, repeated and keyless ones, ticks, acts, changes of the rules, idle gaps."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.expressions.drawn import weighted
from tests.strategies.world import BASE_MS, ENVELOPE, FEEDS, VERBS

# The first of each is what a case shrinks to.
_SUBJECTS = st.sampled_from(["s1", "s1", "s1", "s1", "s2", "s2", "甲站", None])
_REGIONS = st.sampled_from(["530100", "530100", "530102", None])
_NUMBERS = st.sampled_from([5, 0, 3, 4, 6, 7, 8, 10, None])
_TEXTS = st.sampled_from(["a", "b", "ab", "A", None])
_FLAGS = st.sampled_from([True, False, None])
_GAPS = st.sampled_from([0, 0, 1, 1, 1, 1, 2, 2, 3, 5, 8, 15, 45])
_LAGS = st.sampled_from([0, 0, 0, 0, 0, 1, 2, 4, 5, 6, 12, 50])
_JITTERS_MS = st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1])
#: Ahead of its receipt an event may be stamped, but by no more than five minutes.
_AHEADS_MS = st.sampled_from([0, 0, 0, 0, 2_000, 7_000, 60_000])
_PICKS = st.integers(0, 5)

#: Steps of a stream as drawn, without reference to each other, so that any of them can be left out when a case shrinks.
_EVENT = st.tuples(
    st.just("event"), _GAPS, _PICKS, _LAGS, _JITTERS_MS, _AHEADS_MS, st.sampled_from(["p", "q"]), _SUBJECTS, _REGIONS,
    _NUMBERS, _NUMBERS, _NUMBERS, _TEXTS, _FLAGS, st.booleans(),
)  # fmt: skip
_TICK = st.tuples(st.just("tick"), _GAPS)
_ACT = st.tuples(st.just("act"), _GAPS, st.sampled_from(VERBS), _PICKS)
_AGAIN = st.tuples(st.just("again"), st.just(0), _PICKS)
_CHANGE = st.tuples(st.just("rules"), _GAPS, _PICKS)
#: Nothing at all: to this a step shrinks that the failure does not need.
_PAUSE = st.tuples(st.just("pause"), st.just(0))
_CALM = weighted((1, _PAUSE), (14, _EVENT), (1, _TICK), (2, _ACT), (1, _AGAIN))
_CHANGING = weighted((1, _PAUSE), (13, _EVENT), (1, _TICK), (2, _ACT), (1, _AGAIN), (1, _CHANGE))


def drafts(most: int, *, changing: bool) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    one = _CHANGING if changing else _CALM
    return weighted((1, st.lists(one, max_size=8)), (4, st.lists(one, min_size=most // 3, max_size=most)))


def _event(
    draft: tuple[Any, ...], number: int, now: int, unit: int, feeds: list[str], *, receipts: bool
) -> dict[str, Any]:
    _, _, pick, lag, jitter, ahead, source, subject, region, x, y, num, tag, flag, nulls = draft
    feed = feeds[pick % len(feeds)]
    at = now + (ahead if receipts else 0) - lag * unit + jitter
    event: dict[str, Any] = {"id": f"e{number}", "feed": feed, "source": source, "time": at}
    drawn = {"subject": subject, "region": region, "x": x, "y": y, "num": num, "tag": tag, "flag": flag}
    for name, value in drawn.items():
        if name in ENVELOPE or name in FEEDS[feed]:
            event[name] = float(value) if value is not None and FEEDS[feed].get(name) == "number" else value
    # Null and missing are the same.
    return {name: value for name, value in event.items() if value is not None or nulls} | (
        {"receipt": now} if receipts else {}
    )


def ops(
    steps: list[tuple[Any, ...]], unit: int, feeds: list[str], *, receipts: bool, live: bool, sets: int
) -> list[tuple[Any, ...]]:
    now = BASE_MS
    found: list[tuple[Any, ...]] = [("rules", now, 0)] if live else []
    events: list[dict[str, Any]] = []
    for step in steps:
        now += step[1] * unit
        if step[0] == "pause":
            continue
        # A replay begins with an event: which clock an earlier tick would show, nobody has said.
        if step[0] == "event" or (step[0] == "again" and not events):
            if step[0] == "again":
                continue
            events.append(_event(step, len(events), now, unit, feeds, receipts=receipts))
            found.append(("event", events[-1]))
        elif step[0] == "again":
            # The same event once more; only its receipt is another.
            before = events[-1 - step[2] % len(events)]
            found.append(("event", before | ({"receipt": now} if receipts else {})))
        elif events or live:
            found.append(_control(step, now, sets))
    return found


def _control(step: tuple[Any, ...], now: int, sets: int) -> tuple[Any, ...]:
    if step[0] == "tick":
        return ("tick", now)
    if step[0] == "rules":
        return ("rules", now, step[2] % sets)
    return ("act", step[2], step[3], now)
