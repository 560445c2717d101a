"""Stored history as log records: events in columns, in the order of the log, with time passing as it passed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import polars as pl

from events.decode import Decoder
from events.record import Act, EventBatch, Record
from rules.arrays import NEVER, Ints
from sinks.store.errors import StoreBusy
from sinks.store.history import MAX_SPAN, Outline, Page

#: The first page is small, so that the engine has something to do soon; each later one may be twice as large.
_FIRST_ROWS = 50_000
_FEWEST_ROWS = 200
#: Events a step, as in a replay.
_STEP_EVENTS = 20_000
#: Where the store does not say how far the clock had gone on: ticks come once a second while nothing else does.
_TICK_MS = 1_000


class Source(Protocol):
    """Where stored history is had from: the store itself, or the API of the system that holds it.

    ``page_rows``: events of a page that it can well give.
    """

    @property
    def page_rows(self) -> int: ...

    def outline(self, feeds: Collection[str], from_ms: int, to_ms: int) -> Outline: ...
    def page(
        self, feeds: Collection[str], after: int, *, span: int, rows: int = ..., before_ms: int | None = ...
    ) -> Page: ...
    def openings(self, rules: Collection[str], from_ms: int, to_ms: int) -> pl.DataFrame: ...
    def bundle(self, pos: int) -> str | None: ...


class Playback:
    """Reads pages one ahead, so that the store works while the engine does."""

    def __init__(self, source: Source, feeds: Collection[str], decoder: Decoder) -> None:
        self._source = source
        self._feeds = feeds
        self._decoder = decoder
        self._columns = _columns(decoder, feeds)
        #: where time stands by the records given so far
        self._clock = NEVER
        self._receipt = NEVER
        #: up to where in the log records were given
        self.pos = 0
        self.read = 0
        self.unreadable = 0

    def records(
        self, after: int, upto: int, acts: Sequence[Act] = (), *, before_ms: int | None = None
    ) -> Iterator[Record]:
        """Events at the positions after ``after`` up to ``upto``, and the acts between them. ``before_ms``: only earlier events."""
        waiting = [act for act in sorted(acts, key=lambda act: act.pos) if act.pos > after]
        self.pos = after
        for page in self._pages(after, upto, before_ms):
            for frame in page.frame.iter_slices(_STEP_EVENTS):
                if not len(frame):
                    continue
                while waiting and waiting[0].pos <= frame["pos"][-1]:
                    act = waiting.pop(0)
                    cut = int(frame["pos"].search_sorted(act.pos))
                    if cut:
                        yield self._batch(frame.head(cut))
                        frame = frame.slice(cut)  # what is left of it
                    yield act
                if len(frame):
                    yield self._batch(frame)
            self.pos = page.after
        yield from waiting

    def _pages(self, after: int, upto: int, before_ms: int | None) -> Iterator[Page]:
        most = self._source.page_rows
        span = rows = min(_FIRST_ROWS, most)

        def read(after: int, span: int) -> Page:
            nonlocal rows, most
            while True:
                try:
                    return self._source.page(
                        self._feeds, after, span=min(span, upto - after), rows=rows, before_ms=before_ms
                    )
                except StoreBusy:  # unusually large events, perhaps
                    if rows <= _FEWEST_ROWS:
                        raise
                    rows = most = max(_FEWEST_ROWS, rows // 8)

        if after >= upto:
            return
        with ThreadPoolExecutor(1, "history") as ahead:
            coming, reached = ahead.submit(read, after, span), after
            while True:
                page = coming.result()
                if len(page.frame) >= rows:  # what was looked at beyond them was for nothing
                    span = max(page.after - reached, _FEWEST_ROWS)
                grown = min(rows * 2, most)
                sparse = len(page.frame) * 4 < grown
                span = min(span * 3 if sparse else span * grown // rows, MAX_SPAN)
                rows, reached = grown, page.after
                if page.after >= upto:
                    yield page
                    return
                coming = ahead.submit(read, page.after, span)
                yield page

    def _batch(self, frame: pl.DataFrame) -> EventBatch:
        self.read += len(frame)
        self.pos = int(frame["pos"][-1])
        decoded = self._decoder.decode(frame["raw"].str.join("\n")[0].encode())
        if len(decoded.frame) != len(frame):  # by another catalogue they were events
            self.unreadable += len(frame) - len(decoded.frame)
            frame = frame[np.asarray(decoded.lines) - 1]
        pos, receipt = frame["pos"].to_numpy(), frame["receipt_ms"].to_numpy()
        time = decoded.frame["time"].to_numpy()
        went_to = self._clock_rows(frame["clock_ms"].to_numpy(), np.minimum(time, receipt), receipt)
        at = np.flatnonzero(went_to > NEVER)
        if not len(at):
            return EventBatch(decoded.frame, pl.Series("pos", pos), pl.Series("receipt_ms", receipt))
        events = decoded.frame.select(self._columns)
        # A row without a feed before each event up to which the clock had gone on by itself.
        blank = pl.DataFrame({"time": went_to[at]}).select(
            pl.col("time") if name == "time" else pl.lit(None, kind).alias(name) for name, kind in events.schema.items()
        )
        order = np.insert(np.arange(len(events)), at, np.arange(len(events), len(events) + len(at)))
        return EventBatch(
            pl.concat((events, blank))[order],
            pl.Series("pos", np.insert(pos, at, pos[at] - 1)),
            pl.Series("receipt_ms", np.insert(receipt, at, went_to[at])),
        )

    def _clock_rows(self, stored: Ints, own: Ints, receipt: Ints) -> Ints:
        """To where the clock went on before each event without any event of ours; NEVER where it did not."""
        before = np.concatenate(([self._receipt], receipt[:-1]))
        silent = (stored == 0) & (before > NEVER) & (receipt - before >= 2 * _TICK_MS)
        known = np.where(stored != 0, stored, np.where(silent, receipt - _TICK_MS, NEVER))
        reached = np.maximum.accumulate(np.maximum(own, known))
        earlier = np.maximum(np.concatenate(([NEVER], reached[:-1])), self._clock)
        if len(own):
            self._clock = max(self._clock, int(reached[-1]))
            self._receipt = int(receipt[-1])
        return np.where(known > earlier, known, NEVER)


def _columns(decoder: Decoder, feeds: Collection[str]) -> list[str]:
    """What events of these feeds can hold: the catalogue has many times as many."""
    catalog = decoder.catalog
    wanted = {catalog.column(feed, name) for feed in feeds for name in catalog.field_names(feed)}
    return [name for name in catalog.schema() if name in wanted | {"id", "feed", "source", "time"}]
