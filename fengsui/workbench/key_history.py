"""What happened to one key: its events out of all of a rule's feeds, each with whether it came late, and where time stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from events.feeds import FeedCatalog
from events.record import End, EventBatch, Record, Tick
from rules.arrays import Ints
from rules.model import Rule
from streams.watermark import Halt, Movement, Watermarks

#: Events of the key that are kept, the newest; other keys that are remembered, for a hint.
MAX_EVENTS = 200_000
MAX_KEYS = 20_000
LATE, POS, RECEIPT = " late", " pos", " receipt"


@dataclass
class KeyHistory:
    """``rows``: the key's events as the engine takes them, in order of arrival, with LATE, POS and RECEIPT beside them."""

    catalog: FeedCatalog
    rows: pl.DataFrame
    #: events that would be the key's, but for a field of ``by`` that they lack
    keyless: pl.DataFrame
    keys: set[tuple[Any, ...]]
    #: each feed's watermark at the end
    marks: Mapping[str, int]
    #: events of the rule's feeds in all, and their first and last times
    total: int = 0
    oldest_ms: int | None = None
    newest_ms: int | None = None
    cut: bool = False

    def events(self, frame: pl.DataFrame | None = None) -> list[dict[str, Any]]:
        """Events by the names of their fields."""
        out = []
        for row in (self.rows if frame is None else frame).iter_rows(named=True):
            feed = row["feed"]
            event = {name: row[self.catalog.column(feed, name)] for name in self.catalog.field_names(feed)}
            kept = {name: given for name, given in event.items() if given is not None}
            out.append({**kept, LATE: row[LATE], POS: row[POS], RECEIPT: row[RECEIPT]})
        return out


@dataclass(frozen=True)
class Until:
    """How far to read: beyond an instant, and up to the last event that may belong before it, however late it came."""

    at_ms: int
    pos: int = 0


@dataclass
class Gatherer:
    """Takes records and keeps what concerns the key."""

    catalog: FeedCatalog
    rule: Rule
    key: Mapping[str, Any]
    _marks: Watermarks = field(init=False)
    _kept: list[pl.DataFrame] = field(default_factory=list)
    _keyless: list[pl.DataFrame] = field(default_factory=list)
    _keys: set[tuple[Any, ...]] = field(default_factory=set)
    _total: int = 0
    _oldest: int | None = None
    _newest: int | None = None
    #: of the last event that was taken
    pos: int = 0

    def __post_init__(self) -> None:
        self._marks = Watermarks(self.catalog)
        self._feeds = sorted(self.rule.feeds & self.catalog.feeds.keys())

    def take(self, record: Record) -> None:
        match record:
            case EventBatch():
                self._events(record)
            case Tick(_, at_ms):
                self._pass(at_ms, Movement)
            case End(_, at_ms):
                self._pass(self._marks.greatest if at_ms is None else at_ms, Halt)
            case _:
                pass

    def reached(self, at_ms: int) -> bool:
        """Has every feed's watermark gone beyond?"""
        return all(self._marks.mark(feed) > at_ms for feed in self._feeds)

    def history(self) -> KeyHistory:
        schema = {**self.catalog.schema(), LATE: pl.Boolean(), POS: pl.Int64(), RECEIPT: pl.Int64()}
        rows = pl.concat(self._kept, how="diagonal") if self._kept else pl.DataFrame(schema=schema)
        keyless = pl.concat(self._keyless, how="diagonal") if self._keyless else pl.DataFrame(schema=schema)
        return KeyHistory(
            catalog=self.catalog,
            rows=_whole(rows.tail(MAX_EVENTS), schema),
            keyless=_whole(keyless.tail(MAX_EVENTS), schema),
            keys=self._keys,
            marks={feed: self._marks.mark(feed) for feed in self._feeds},
            total=self._total,
            oldest_ms=self._oldest,
            newest_ms=self._newest,
            cut=len(rows) > MAX_EVENTS,
        )

    def _pass(self, at_ms: int, kind: type[Movement]) -> None:
        movement = self._marks.advance(np.array([at_ms], np.int64), {}, kind)
        movement.finish(self._feeds)

    def _events(self, batch: EventBatch) -> None:
        frame = batch.frame
        if not len(frame):
            return
        self.pos = int(batch.pos[-1])
        time = frame["time"].to_numpy()
        receipt = None if batch.receipt_ms is None else batch.receipt_ms.to_numpy()
        times = time if receipt is None else np.minimum(time, receipt)
        feeds = frame["feed"]
        rows_of: dict[str, Ints | None] = {
            feed: (feeds == feed).fill_null(value=False).arg_true().to_numpy().astype(np.int64)
            for feed in sorted(feeds.drop_nulls().unique().to_list())
        }
        movement = self._marks.advance(times, rows_of)
        self._marks.greatest = max(self._marks.greatest, int(time.max()))
        for feed in self._feeds:
            rows = rows_of.get(feed)
            if rows is not None and len(rows):
                self._take(batch, feed, rows, movement.late(feed, rows, time[rows]))
        movement.finish([*self._feeds, *(feed for feed in rows_of if feed not in self._feeds)])

    def _take(self, batch: EventBatch, feed: str, rows: Ints, late: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        receipt = pl.lit(None, pl.Int64) if batch.receipt_ms is None else batch.receipt_ms[rows].alias(RECEIPT)
        some = batch.frame[rows].with_columns(pl.Series(LATE, late), batch.pos[rows].alias(POS), receipt.alias(RECEIPT))
        self._total += len(some)
        first, last = int(some["time"].min()), int(some["time"].max())  # type: ignore[arg-type]
        self._oldest = first if self._oldest is None else min(self._oldest, first)
        self._newest = last if self._newest is None else max(self._newest, last)
        columns = {name: self.catalog.column(feed, name) for name in self.rule.by}
        same = [pl.col(columns[name]) == given for name, given in self.key.items() if name in columns]
        lacking = pl.any_horizontal(*(pl.col(column).is_null() for column in columns.values()))
        whole = some.filter(*same) if same else some
        self._kept += _some(whole)
        if len(columns) > 1 or not same:
            alike = [
                (pl.col(columns[name]) == given) | pl.col(columns[name]).is_null()
                for name, given in self.key.items()
                if name in columns
            ]
            named = pl.any_horizontal(*same) if same else pl.lit(value=True)
            self._keyless += _some(some.filter(lacking, *alike, named))
        else:
            self._keyless += _some(some.filter(lacking))
        if len(self._keys) < MAX_KEYS:
            self._keys.update(some.select(columns.values()).drop_nulls().unique().head(MAX_KEYS).rows())


def _some(frame: pl.DataFrame) -> list[pl.DataFrame]:
    return [frame] if len(frame) else []


def _whole(frame: pl.DataFrame, schema: Mapping[str, Any]) -> pl.DataFrame:
    """With every column of the catalogue; what is not there is null."""
    return frame.select(
        pl.col(name) if name in frame.columns else pl.lit(None, dtype).alias(name) for name, dtype in schema.items()
    )


def gathered(records: Iterable[Record], gatherer: Gatherer, until: Until) -> KeyHistory:
    """Everything up to where nothing more can matter."""
    for record in records:
        gatherer.take(record)
        if gatherer.pos >= until.pos and gatherer.reached(until.at_ms):
            break
    return gatherer.history()
