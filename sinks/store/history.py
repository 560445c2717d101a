"""What a backtest reads: events in the order of the log with the log's clock, control records, and what did open.

Everything comes in columns and in bounded pages over the connection for reports, so that neither the board's questions nor the
inserts wait for it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec
import polars as pl

from events.transition import RANK
from sinks.store.conditions import Value, Where, between
from sinks.store.connections import Connections
from sinks.store.errors import StoreFailed

#: Rows of a page at most: about 100 MB of usual events. The table lies by hour and subject, so that each page of an hour reads
#: all of it: few large pages are faster where there are many events an hour.
MAX_PAGE_ROWS = 400_000
#: Positions of the log that one page may look over.
MAX_SPAN = 50_000_000
MAX_ACTS = 200_000
MAX_ACTIVATIONS = 10_000
#: A page whose events are unusually large is refused (StoreBusy): ask for fewer rows.
_PAGE_SETTINGS = {
    "max_result_bytes": 400_000_000,
    "output_format_arrow_string_as_string": 1,
    # within one machine packing costs more than it saves
    "output_format_arrow_compression_method": "none",
}
_SEVERITY = {rank: severity for severity, rank in RANK.items()}

PAGE_SCHEMA = {"pos": pl.Int64, "receipt_ms": pl.Int64, "clock_ms": pl.Int64, "raw": pl.String}
OPENING_SCHEMA = {
    "alert": pl.String,
    "rule": pl.String,
    "version": pl.String,
    "key": pl.String,
    "region": pl.String,
    "subject": pl.String,
    "severity": pl.String,
    "peak": pl.String,
    "opened_ms": pl.Int64,
    "closed_ms": pl.Int64,
    "shadow": pl.Boolean,
    "summary": pl.String,
}


class StoredAct(msgspec.Struct, frozen=True):
    """A person's act as the event log has it: ``body`` is its JSON."""

    pos: int
    at_ms: int
    body: str


class StoredActivation(msgspec.Struct, frozen=True):
    """A rule set that was put in force. ``bundle``: a digest, the same for the same texts."""

    pos: int
    at_ms: int
    bundle: str


class Outline(msgspec.Struct, frozen=True):
    """Where a stretch of event time lies in the log.

    ``first`` and ``last``: positions of its first and last event of the feeds asked for, 0 where there is none. ``newest``: the
    last position that is stored. ``oldest_ms``, ``newest_ms``: the times of the feeds' first and last event of all, 0 without
    any. ``clock_ms``: where the log's clock stood before ``first``; ``end_ms``: where it stands at the log's end, both 0 where that
    is not known. ``acts``: from ``first`` on. ``activations``: those that were in force in the stretch, in order of position.
    """

    first: int = 0
    last: int = 0
    newest: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0
    clock_ms: int = 0
    end_ms: int = 0
    acts: list[StoredAct] = []
    activations: list[StoredActivation] = []


@dataclass(frozen=True)
class Page:
    """``frame`` by :data:`PAGE_SCHEMA`, rising by ``pos``. ``after``: up to where the log was looked over."""

    frame: pl.DataFrame
    after: int


class History:
    """Questions of a backtest. StoreError. ``clock``: where the log's clock stands after what is stored, 0 where that is not known."""

    #: of a reader in this process
    page_rows = MAX_PAGE_ROWS

    def __init__(self, connections: Connections, clock: Callable[[], int]) -> None:
        self._connections = connections
        self._clock = clock

    def outline(self, feeds: Collection[str], from_ms: int, to_ms: int) -> Outline:
        """Where the events of ``feeds`` with times in [from, to) lie. StoreFailed where they come from a cluster."""
        where = Where()
        where.add(f"feed IN {where.bind(sorted(feeds), 'Array(String)')}")
        base, values = where.sql, dict(where.values)
        ranged = Where(values=dict(values))
        times = between(ranged, from_ms, to_ms - 1)
        end_ms = self._clock()
        with self._connections.report() as client:
            newest, partition = client.query("SELECT max(pos), max(partition) FROM events").result_rows[0]
            if partition:
                raise StoreFailed(
                    f"{self._connections.place} was filled from a log of several partitions, which are not played back as one yet: "
                    "give event files"
                )
            count, oldest_ms, newest_ms = client.query(
                f"SELECT count(), min(time_ms), max(time_ms) FROM events WHERE {base}", parameters=values
            ).result_rows[0]
            held, first, last = client.query(
                f"SELECT count(), min(pos), max(pos) FROM events WHERE {base} AND {times}", parameters=ranged.values
            ).result_rows[0]
            clock_ms = begun_ms = 0
            acts: list[StoredAct] = []
            if held:
                bounds: dict[str, Value] = {"first": int(first)}
                found = client.query(
                    "SELECT clock_ms, receipt_ms FROM events WHERE pos = {first:Int64} LIMIT 1", parameters=bounds
                ).result_rows
                clock_ms, begun_ms = int(found[0][0]), int(found[0][1])
                acts = [
                    StoredAct(int(pos), int(at_ms), str(body))
                    for pos, at_ms, body in client.query(
                        "SELECT pos, at_ms, body FROM controls WHERE kind = 'act' AND pos > {first:Int64} "
                        f"ORDER BY pos LIMIT 1 BY pos LIMIT {MAX_ACTS:d}",
                        parameters=bounds,
                    ).result_rows
                ]
            activations = [
                StoredActivation(int(pos), int(at_ms), str(bundle))
                for pos, at_ms, bundle in client.query(
                    "SELECT pos, at_ms, hex(sipHash128(body)) FROM controls WHERE kind = 'rules' "
                    f"ORDER BY pos LIMIT 1 BY pos LIMIT {MAX_ACTIVATIONS:d}"
                ).result_rows
            ]
        return Outline(
            first=int(first) if held else 0,
            last=int(last) if held else 0,
            newest=int(newest),
            oldest_ms=int(oldest_ms) if count else 0,
            newest_ms=int(newest_ms) if count else 0,
            clock_ms=clock_ms,
            end_ms=end_ms,
            acts=acts,
            activations=_in_force(activations, begun_ms, to_ms),
        )

    def page(
        self, feeds: Collection[str], after: int, *, span: int, rows: int = MAX_PAGE_ROWS, before_ms: int | None = None
    ) -> Page:
        """Events of ``feeds`` at the positions after ``after``: of at most ``span`` positions, at most ``rows`` of them.

        ``before_ms``: only events with an earlier time.
        """
        rows, span = min(rows, MAX_PAGE_ROWS), min(span, MAX_SPAN)
        where = Where()
        where.add(f"pos > {where.bind(after, 'Int64')} AND pos <= {where.bind(after + span, 'Int64')}")
        where.add(f"feed IN {where.bind(sorted(feeds), 'Array(String)')}")
        if before_ms is not None:
            where.add(f"time_ms < {where.bind(before_ms, 'Int64')}")
        with self._connections.report() as client:
            body = client.raw_query(
                f"SELECT {', '.join(PAGE_SCHEMA)} FROM events WHERE {where.sql} ORDER BY pos LIMIT {rows:d}",
                parameters=where.values,
                settings=_PAGE_SETTINGS,
                fmt="ArrowStream",
            )
        frame = _frame(body, PAGE_SCHEMA)
        reached = int(frame["pos"][-1]) if frame.height == rows else after + span
        return Page(frame, reached)

    def openings(self, rules: Collection[str], from_ms: int, to_ms: int) -> pl.DataFrame:
        """The alerts of ``rules`` that opened in [from, to), and those that still stood at ``from``, as of before ``to``.

        By :data:`OPENING_SCHEMA`, in order of opening. ``severity``: at the opening; ``peak``: the highest; ``closed_ms``: null where the
        alert stood at ``to``; ``key`` and ``summary``: JSON.
        """
        where = Where()
        where.add(f"rule IN {where.bind(sorted(rules), 'Array(String)')}")
        low, high = where.bind(from_ms, "Int64"), where.bind(to_ms, "Int64")
        where.add(f"opened_ms < {high} AND at_ms < {high}")
        with self._connections.report() as client:
            body = client.raw_query(
                "SELECT t.alert AS alert, any(t.rule) AS rule, argMin(t.version, t.n) AS version, any(t.key) AS key, "
                "argMax(t.region, t.n) AS region, argMax(t.subject, t.n) AS subject, "
                "toInt64(argMin(t.rank, t.n)) AS severity, toInt64(max(t.rank)) AS peak, "
                "any(t.opened_ms) AS opened_ms, max(t.closed_ms) AS closed_ms, any(t.shadow) AS shadow, "
                "JSONExtractRaw(argMin(t.body, t.n), 'summary') AS summary "
                f"FROM (SELECT * FROM transitions WHERE {where.sql}) AS t GROUP BY alert "
                f"HAVING opened_ms >= {low} OR isNull(closed_ms) OR closed_ms >= {low} ORDER BY opened_ms, key",
                parameters=where.values,
                settings=_PAGE_SETTINGS,
                fmt="ArrowStream",
            )
        ranks = OPENING_SCHEMA | {"severity": pl.Int64, "peak": pl.Int64}
        return _frame(body, ranks).with_columns(
            pl.col("severity", "peak").replace_strict(_SEVERITY, return_dtype=pl.String)
        )

    def bundle(self, pos: int) -> str | None:
        """The JSON of the rule set that was put in force at a position."""
        with self._connections.report() as client:
            found = client.query(
                "SELECT body FROM controls WHERE kind = 'rules' AND pos = {pos:Int64} LIMIT 1", parameters={"pos": pos}
            ).result_rows
        return str(found[0][0]) if found else None


def _in_force(activations: list[StoredActivation], from_ms: int, to_ms: int) -> list[StoredActivation]:
    """Those before ``to``, without those that others had taken the place of by ``from``."""
    early = [one for one in activations if one.at_ms < to_ms]
    begin = max((i for i, one in enumerate(early) if one.at_ms <= from_ms), default=0)
    return early[begin:]


def _frame(body: bytes, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    if not body:
        return pl.DataFrame(schema=schema)
    frame = pl.read_ipc_stream(io.BytesIO(body))
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
