"""Event time: the clock, each feed's watermark, and which events come too late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from events.feeds import FeedCatalog
from rules.arrays import NEVER, Ints


class Watermarks:
    """``clock`` is the greatest event or tick time so far; a feed's watermark follows from it and the feed's own events.

    watermark(feed) = max(max_seen(feed), clock - idle(feed)) - lateness(feed), and it never moves back.
    """

    def __init__(self, catalog: FeedCatalog) -> None:
        self.catalog = catalog
        self.clock = NEVER
        #: the greatest event time, also where a receipt capped what it did to the clock
        self.greatest = NEVER
        self._seen: dict[str, int] = {}
        self._mark: dict[str, int] = {}

    def advance(self, times: Ints, rows_of: dict[str, Ints | None], kind: type[Movement] | None = None) -> Movement:
        """Take the next records. ``times``: what each moves the clock to (events: no later than their receipt).

        ``rows_of``: feed -> indices of its events in ``times``, None for all of them.
        """
        clock = np.maximum.accumulate(np.maximum(times, self.clock))
        return (kind or Movement)(self, clock, times, rows_of)

    def mark(self, feed: str) -> int:
        """The feed's watermark as it stands."""
        spec = self.catalog.feeds[feed]
        now = max(self._seen.get(feed, NEVER), self.clock - spec.idle_ms) - spec.lateness_ms
        return max(now, self._mark.get(feed, NEVER))

    def marks(self) -> dict[str, int]:
        """The watermark of every feed that has one."""
        return {feed: mark for feed in self.catalog.feeds if (mark := self.mark(feed)) > NEVER // 2}

    def state(self) -> dict[str, Any]:
        return {"clock": self.clock, "greatest": self.greatest, "seen": self._seen, "mark": self._mark}

    def load(self, state: dict[str, Any]) -> None:
        self.clock, self.greatest = state["clock"], state["greatest"]
        self._seen, self._mark = state["seen"], state["mark"]


class Movement:
    """How clock and watermarks move over some records: one value after each record."""

    def __init__(self, marks: Watermarks, clock: Ints, times: Ints, rows_of: dict[str, Ints | None]) -> None:
        self._marks = marks
        self._clock = clock
        self._times = times
        self._rows_of = rows_of
        self._cache: dict[str, Ints] = {}

    def of(self, feed: str) -> Ints:
        """The feed's watermark after each record."""
        made = self._cache.get(feed)
        if made is not None:
            return made
        marks = self._marks
        spec = marks.catalog.feeds[feed]
        # an event needs no idle: where the feed speaks, its own greatest time leads
        wm = self._clock - spec.idle_ms
        seen = marks._seen.get(feed, NEVER)
        if feed in self._rows_of:
            rows = self._rows_of[feed]
            if rows is None:
                own = self._times
            else:
                own = np.full(len(self._times), NEVER, np.int64)
                own[rows] = self._times[rows]
            own = np.maximum.accumulate(np.maximum(own, seen))
            np.maximum(wm, own, out=wm)
        elif seen > NEVER:
            np.maximum(wm, seen, out=wm)
        wm -= spec.lateness_ms
        np.maximum(wm, marks.mark(feed), out=wm)
        self._cache[feed] = wm
        return wm

    def late(self, feed: str, rows: Ints | None, time: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of the feed's events are below its watermark as they arrive."""
        wm = self.of(feed)
        before = np.empty_like(wm)
        before[0] = self._marks.mark(feed)
        before[1:] = wm[:-1]
        return time < (before if rows is None else before[rows])

    def finish(self, feeds: list[str]) -> None:
        """The records are taken: keep where clock and watermarks stand."""
        marks = self._marks
        for feed in feeds:
            marks._mark[feed] = int(self.of(feed)[-1])
        for feed, rows in self._rows_of.items():
            own = self._times if rows is None else self._times[rows]
            if len(own):
                marks._seen[feed] = max(marks._seen.get(feed, NEVER), int(own.max()))
        marks.clock = int(self._clock[-1])


class Halt(Movement):
    """The end of a replay: every watermark moves to the clock, with idle and lateness taken as zero."""

    def of(self, feed: str) -> Ints:
        return np.maximum(self._clock, self._marks.mark(feed))


class UpstreamMarks(Watermarks):
    """Watermarks that were worked out upstream: events move nothing, only what upstream says of them does."""

    def advance(self, times: Ints, rows_of: dict[str, Ints | None], kind: type[Movement] | None = None) -> Movement:
        assert kind is None, "an end, too, comes from upstream"
        return Standing(self, np.full(len(times), self.clock, np.int64), times, rows_of)

    def shift(self, clock_ms: int, marks: Mapping[str, int]) -> Movement:
        """Upstream has come this far."""
        for feed, mark in marks.items():
            self._mark[feed] = max(mark, self._mark.get(feed, NEVER))
        self.clock = max(self.clock, clock_ms)
        self.greatest = max(self.greatest, self.clock)
        one = np.array([self.clock], np.int64)
        return Standing(self, one, one, {})

    def mark(self, feed: str) -> int:
        return self._mark.get(feed, NEVER)


class Standing(Movement):
    """No record moves a watermark while it is looked at."""

    def of(self, feed: str) -> Ints:
        return np.full(len(self._times), self._marks.mark(feed), np.int64)

    def finish(self, feeds: list[str]) -> None:
        """They stand where they stood."""
