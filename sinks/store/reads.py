"""What can be asked of the store: lists, one alert's history, evidence, and counts over time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from events.feeds import FeedCatalog
from events.times import MAX_MS, MIN_MS, format_ms
from events.transition import Transition, decode
from sinks.filters import Filter, decode_cursor, encode_cursor
from sinks.store import conditions
from sinks.store.conditions import Where, between, key_is
from sinks.store.connections import Connections

Item = dict[str, Any]
Key = Mapping[str, str | float | int | bool]

MAX_EVIDENCE = 1_000
MAX_IDS = 1_000
MAX_HISTORY = 10_000
#: Columns by which transitions can be looked for.
SAME = frozenset({"region", "subject", "rule", "domain", "severity", "type"})
MAX_POINTS = 1_000
MAX_BUCKETS = 10_000
HOUR_MS = 3_600_000
#: The newest events are looked for in ever longer stretches, so that a list does not read all there is.
_SPANS_MS = (HOUR_MS, 24 * HOUR_MS, 31 * 24 * HOUR_MS)
#: A repeated event is found once; so many rows are looked at for one that is wanted, at most.
_REPEATS = 64
#: Beyond so many a count takes repeated events for several: to tell them apart takes hundreds of times as long.
_MAX_TOLD_APART = 2_000_000
#: What tells an event from all others: source, id and time. An id may be used again after the horizon of duplicates.
_Name = tuple[str, str, int]
_EVENT_COLUMNS = "pos, receipt_ms, time_ms, raw, partition, source, id"


@dataclass(frozen=True)
class EventPage:
    """Events, newest first: their fields as they came, ``time`` in UTC, with ``pos`` and ``receipt`` beside them."""

    items: list[Item]
    next: str | None = None


@dataclass(frozen=True)
class AlertPage:
    """Alerts as their newest transitions, red first, then newest opening."""

    items: list[Transition]
    next: str | None = None


@dataclass(frozen=True)
class EvidenceEvents:
    """The events behind a transition, by (time, pos). ``more``: there are others in the range."""

    items: list[Item]
    more: bool = False


@dataclass(frozen=True)
class Series:
    """Points (epoch ms, value), rising. ``bucket_ms`` 0: every event; else each point is the mean (or count) of a bucket,
    at its start. ``limit``: the greatest limit that the events name in the range.
    """

    points: list[tuple[int, float]]
    bucket_ms: int = 0
    limit: float | None = None


@dataclass(frozen=True)
class Subject:
    """What the store knows of a subject. ``feeds`` and ``alerts`` are counts, by feed and by severity."""

    id: str
    first_ms: int | None = None
    last_ms: int | None = None
    regions: tuple[str, ...] = ()
    feeds: Mapping[str, int] = field(default_factory=dict)
    alerts: Mapping[str, int] = field(default_factory=dict)
    unresolved: int = 0


class Reads:
    """Questions. Each takes a connection of its own for as long as it needs, ten seconds at most (StoreBusy)."""

    def __init__(self, connections: Connections, catalog: FeedCatalog) -> None:
        self._connections = connections
        self._catalog = catalog

    # --- events

    def events(self, wanted: Filter | None = None) -> EventPage:
        """A page of events. FilterError for a filter or a cursor that is none of events."""
        wanted = wanted or Filter()
        high_ms = MAX_MS if wanted.to_ms is None else wanted.to_ms - 1
        low_ms = MIN_MS if wanted.from_ms is None else wanted.from_ms
        after: tuple[int, int, int] | None = None
        if wanted.cursor:
            time_ms, partition, pos = (int(value) for value in decode_cursor("e", wanted.cursor, int, int, int))
            after, high_ms = (time_ms, partition, pos), min(high_ms, time_ms)
        with self._connections.reader() as client:
            base = conditions.of_events(wanted, self._feeds_of())
            top = client.query(
                f"SELECT max(time_ms) FROM events WHERE {base.sql} AND {between(base, low_ms, high_ms)}",
                parameters=base.values,
            ).result_rows[0][0]
            shown = self._shown_at(client, wanted, after) if after else set()
            found: list[Sequence[Any]] = []
            starts = _starts(min(int(top), high_ms), low_ms)
            rows = wanted.limit + 1
            while starts:
                where = conditions.of_events(wanted, self._feeds_of())
                where.add(between(where, starts[0], high_ms))
                if after:
                    place = ", ".join(where.bind(value, "Int64") for value in after)
                    where.add(f"(time_ms, partition, pos) < ({place})")
                looked = client.query(
                    f"SELECT {_EVENT_COLUMNS} FROM events WHERE {where.sql} "
                    f"ORDER BY time_ms DESC, partition DESC, pos DESC LIMIT {rows:d}",
                    parameters=where.values,
                ).result_rows
                found = _once(looked, shown)
                if len(found) > wanted.limit:
                    break
                if len(looked) < rows or rows >= wanted.limit * _REPEATS:
                    del starts[0]
                else:  # many repeats among them
                    rows *= 4
        page = found[: wanted.limit]
        last = encode_cursor("e", page[-1][2], page[-1][4], page[-1][0]) if len(found) > wanted.limit else None
        return EventPage([_item(row) for row in page], last)

    def _shown_at(self, client: Any, wanted: Filter, after: tuple[int, int, int]) -> set[_Name]:
        """The events of the cursor's very time that pages before it have shown."""
        where = conditions.of_events(wanted, self._feeds_of())
        where.add(between(where, after[0], after[0]))
        place = ", ".join(where.bind(value, "Int64") for value in after)
        where.add(f"(time_ms, partition, pos) >= ({place})")
        found = client.query(
            f"SELECT DISTINCT source, id FROM events WHERE {where.sql} LIMIT {MAX_EVIDENCE * 10:d}",
            parameters=where.values,
        ).result_rows
        return {(source, id, after[0]) for source, id in found}

    def evidence(
        self,
        feed: str,
        key: Key,
        from_ms: int,
        to_ms: int,
        ids: Collection[str] = (),
        *,
        limit: int = 100,
    ) -> EvidenceEvents:
        """A transition's events: those of ``feed`` with the key's values from ``from_ms`` to ``to_ms`` (both included), and
        those named by ``ids`` with these values whatever their feed and time. Named ones come first where there are more
        than ``limit``, then the newest.
        """
        ids = sorted(ids)[:MAX_IDS]
        limit = min(limit, MAX_EVIDENCE)
        where = Where()
        same = key_is(where, key)
        ranged = f"feed = {where.bind(feed, 'String')} AND {between(where, from_ms, to_ms)}"
        named = f"id IN {where.bind(list(ids), 'Array(String)')}" if ids else "0"
        with self._connections.reader() as client:
            # Two questions, as an OR over two indexes would use neither.
            found: dict[_Name, Sequence[Any]] = {}
            order = "ORDER BY time_ms DESC, stamp DESC, pos DESC LIMIT 1 BY source, id, time_ms"
            if ids:
                sql = f"SELECT {_EVENT_COLUMNS} FROM events WHERE {named} AND {same} {order} LIMIT {limit:d}"
                found = {_name(row): row for row in client.query(sql, parameters=where.values).result_rows}
            sql = f"SELECT {_EVENT_COLUMNS} FROM events WHERE {ranged} AND {same} {order} LIMIT {limit + 1:d}"
            others = client.query(sql, parameters=where.values).result_rows
        for row in others:
            if len(found) < limit:
                found.setdefault(_name(row), row)
        more = any(_name(row) not in found for row in others)
        ordered = sorted(found.values(), key=lambda row: (row[2], row[4], row[0]))
        return EvidenceEvents([_item(row) for row in ordered], more)

    def raw(self, pos: int, *, partition: int = 0) -> bytes | None:
        """The bytes of the event at a log position, as they were accepted."""
        with self._connections.reader() as client:
            found = client.query(
                "SELECT raw FROM events WHERE pos = {pos:Int64} AND partition = {partition:UInt16} LIMIT 1",
                parameters={"pos": pos, "partition": partition},
                query_formats={"String": "bytes"},
            ).result_rows
        return bytes(found[0][0]) if found else None

    def series(
        self,
        feed: str,
        key: Key,
        value: str | None,
        from_ms: int,
        to_ms: int,
        *,
        limit_field: str | None = None,
        max_points: int = 500,
        bucket_ms: int | None = None,
    ) -> Series:
        """A numeric field of the events of a key over time (both ends included), or, with ``value`` None, their count.

        Where there are more events than ``max_points`` (or where ``bucket_ms`` is given, or for counts) they are put
        together in buckets. ``key`` may name any fields, so it narrows to one metric, too.
        """
        max_points = min(max_points, MAX_POINTS)
        where = Where()
        where.add(f"feed = {where.bind(feed, 'String')}")
        where.add(between(where, from_ms, to_ms))
        where.add(key_is(where, key))
        number = conditions.number(where.bind(value, "String")) if value is not None else "toFloat64(1)"
        cap = conditions.number(where.bind(limit_field, "String")) if limit_field is not None else "NULL"
        with self._connections.reader() as client:
            count, limit = client.query(
                f"SELECT count({number}), max({cap}) FROM events WHERE {where.sql}",
                parameters=where.values,
            ).result_rows[0]
            if value is not None and bucket_ms is None and count <= max_points:
                rows = client.query(
                    f"SELECT time_ms, {number} AS value FROM events WHERE {where.sql} AND value IS NOT NULL "
                    f"ORDER BY time_ms, stamp, pos LIMIT 1 BY source, id, time_ms LIMIT {max_points:d}",
                    parameters=where.values,
                ).result_rows
                return Series([(int(t), float(v)) for t, v in rows], 0, limit)
            least_ms = -(-(to_ms - from_ms + 1) // max_points)
            step_ms = max(bucket_ms or 1, least_ms)
            step = where.bind(step_ms, "Int64")
            counted = "uniqExact(source, id, time_ms)" if count <= _MAX_TOLD_APART else "count()"
            fold = f"avg({number})" if value is not None else f"toFloat64({counted})"
            rows = client.query(
                f"SELECT {_floor('time_ms', step)} AS bucket, {fold} AS value FROM events WHERE {where.sql} "
                f"GROUP BY bucket HAVING isNotNull(value) ORDER BY bucket",
                parameters=where.values,
            ).result_rows
        return Series([(int(t), float(v)) for t, v in rows], step_ms, limit)

    # --- alerts

    def alerts(self, wanted: Filter | None = None) -> AlertPage:
        """A page of alerts. FilterError for a cursor of another list."""
        wanted = wanted or Filter()
        where = conditions.of_alerts(wanted)
        if wanted.cursor:
            rank, opened_ms, alert = decode_cursor("a", wanted.cursor, int, int, str)
            place = f"({where.bind(rank, 'Int64')}, {where.bind(opened_ms, 'Int64')})"
            same = f"rank = {where.bind(rank, 'Int64')} AND opened_ms = {where.bind(opened_ms, 'Int64')}"
            later = f"alert > {where.bind(alert, 'String')}"
            where.add(f"(toInt64(rank), opened_ms) < {place} OR ({same} AND {later})")
        with self._connections.reader() as client:
            found = client.query(
                f"SELECT alert, n, rank, opened_ms FROM alerts FINAL WHERE {where.sql} "
                f"ORDER BY rank DESC, opened_ms DESC, alert LIMIT {wanted.limit + 1:d}",
                parameters=where.values,
            ).result_rows
            page = found[: wanted.limit]
            items = _bodies(client, [(str(row[0]), int(row[1])) for row in page])
        last = encode_cursor("a", page[-1][2], page[-1][3], page[-1][0]) if len(found) > wanted.limit else None
        return AlertPage(items, last)

    def alert(self, alert: str) -> Transition | None:
        """The newest transition of an alert; None for one that never was."""
        with self._connections.reader() as client:
            found = client.query(
                "SELECT body FROM transitions WHERE alert = {alert:String} ORDER BY n DESC, seq LIMIT 1",
                parameters={"alert": alert},
            ).result_rows
        return decode(found[0][0].encode()) if found else None

    def alert_history(self, alert: str) -> list[Transition]:
        """All transitions of an alert, oldest first, each once."""
        with self._connections.reader() as client:
            found = client.query(
                "SELECT body FROM transitions WHERE alert = {alert:String} ORDER BY n, seq LIMIT 1 BY n "
                f"LIMIT {MAX_HISTORY:d}",
                parameters={"alert": alert},
            ).result_rows
        return [decode(body.encode()) for (body,) in found]

    def transitions(
        self, from_ms: int, to_ms: int, named: Collection[tuple[str, int]] = (), *, limit: int = 1_000, **same: str
    ) -> list[Transition]:
        """Transitions (alert, n) that are ``named``, and the newest of those from ``from_ms`` to ``to_ms`` (both included).

        ``same``: values of columns (of :data:`SAME`) that they must have. Each once, oldest first.
        """
        where = Where()
        where.add(f"at_ms BETWEEN {where.bind(from_ms, 'Int64')} AND {where.bind(to_ms, 'Int64')}")
        for column, value in same.items():
            assert column in SAME, column
            where.add(f"{column} = {where.bind(value, 'String')}")
        with self._connections.reader() as client:
            found = client.query(
                f"SELECT body FROM transitions WHERE {where.sql} ORDER BY at_ms DESC, seq DESC LIMIT 1 BY alert, n "
                f"LIMIT {min(limit, MAX_HISTORY):d}",
                parameters=where.values,
            ).result_rows
            made = [decode(body.encode()) for (body,) in found]
            made += _bodies(client, sorted(named)[:MAX_IDS])
        kept = {(one.alert, one.n): one for one in made}
        return sorted(kept.values(), key=lambda one: (one.at, one.seq))

    def newest_alerts(self, *, resolved: bool, limit: int) -> Iterator[Transition]:
        """Alerts by their newest transition, in order of seq: the unresolved, or the resolved last. To fill the live state."""
        state = "state = 'resolved'" if resolved else "state != 'resolved'"
        with self._connections.report() as client:
            found = client.query(
                f"SELECT alert, n, seq FROM alerts FINAL WHERE {state} ORDER BY seq DESC LIMIT {limit:d}"
            ).result_rows
            pairs = [(str(alert), int(n)) for alert, n, _ in reversed(found)]
            for start in range(0, len(pairs), 1_000):
                yield from _bodies(client, pairs[start : start + 1_000])

    def trend(
        self, wanted: Filter | None = None, *, bucket_ms: int = HOUR_MS, offset_ms: int = 0
    ) -> list[tuple[int, dict[str, int]]]:
        """Alerts by the bucket of their opening (its start, epoch ms, rising), counted by the severity that they have now.

        Buckets start at ``offset_ms`` modulo ``bucket_ms``. Empty ones are left out.
        """
        where = conditions.of_alerts(wanted or Filter())
        step, offset = where.bind(bucket_ms, "Int64"), where.bind(offset_ms, "Int64")
        with self._connections.reader() as client:
            rows = client.query(
                f"SELECT {_floor(f'opened_ms - {offset}', step)} + {offset} AS bucket, severity, count() AS found "
                f"FROM alerts FINAL WHERE {where.sql} GROUP BY bucket, severity ORDER BY bucket LIMIT {MAX_BUCKETS * 4:d}",
                parameters=where.values,
            ).result_rows
        buckets: dict[int, dict[str, int]] = {}
        for bucket, severity, found in rows:
            buckets.setdefault(int(bucket), {})[str(severity)] = int(found)
        return list(buckets.items())

    def regions(self, wanted: Filter | None = None, *, digits: int = 4) -> dict[str, dict[str, int]]:
        """Alerts by the first digits of their region, counted by severity; ``""`` are those without one."""
        where = conditions.of_alerts(wanted or Filter())
        with self._connections.reader() as client:
            rows = client.query(
                f"SELECT substring(region, 1, {digits:d}) AS prefix, severity, count() FROM alerts FINAL "
                f"WHERE {where.sql} GROUP BY prefix, severity ORDER BY prefix, severity LIMIT 10000",
                parameters=where.values,
            ).result_rows
        found: dict[str, dict[str, int]] = {}
        for prefix, severity, count in rows:
            found.setdefault(str(prefix), {})[str(severity)] = int(count)
        return found

    def subject(self, subject: str) -> Subject:
        """Counts and times of a subject; its events and alerts come from the lists with ``subject`` set."""
        values = {"subject": subject}
        with self._connections.reader() as client:
            feeds = client.query(
                "SELECT feed, uniqExact(source, id, time_ms), min(time_ms), max(time_ms), groupUniqArray(20)(region) FROM events "
                "WHERE subject = {subject:String} GROUP BY feed ORDER BY feed LIMIT 1000",
                parameters=values,
            ).result_rows
            alerts = client.query(
                "SELECT severity, count(), countIf(state != 'resolved') FROM alerts FINAL "
                "WHERE subject = {subject:String} AND NOT shadow GROUP BY severity",
                parameters=values,
            ).result_rows
        return Subject(
            id=subject,
            first_ms=min((int(row[2]) for row in feeds), default=None),
            last_ms=max((int(row[3]) for row in feeds), default=None),
            regions=tuple(sorted({region for row in feeds for region in row[4] if region})),
            feeds={str(row[0]): int(row[1]) for row in feeds},
            alerts={str(row[0]): int(row[1]) for row in alerts},
            unresolved=sum(int(row[2]) for row in alerts),
        )

    # --- dead letters

    def dead_letters(self, wanted: Filter | None = None) -> EventPage:
        """A page of refused lines, newest receipt first; ``feed`` and the times (of receipt) narrow it."""
        wanted = wanted or Filter()
        where = Where()
        if wanted.feed is not None:
            where.add(f"feed = {where.bind(wanted.feed, 'String')}")
        if wanted.from_ms is not None:
            where.add(f"receipt_ms >= {where.bind(wanted.from_ms, 'Int64')}")
        if wanted.to_ms is not None:
            where.add(f"receipt_ms < {where.bind(wanted.to_ms, 'Int64')}")
        if wanted.cursor:
            receipt_ms, pos = decode_cursor("d", wanted.cursor, int, int)
            where.add(f"(receipt_ms, pos) < ({where.bind(receipt_ms, 'Int64')}, {where.bind(pos, 'Int64')})")
        with self._connections.reader() as client:
            found = client.query(
                "SELECT pos, receipt_ms, reason, detail, feed, source, raw FROM dead_letters "
                f"WHERE {where.sql} ORDER BY receipt_ms DESC, pos DESC LIMIT 1 BY partition, pos LIMIT {wanted.limit + 1:d}",
                parameters=where.values,
                column_formats={"raw": "bytes"},
            ).result_rows
        page = found[: wanted.limit]
        items: list[Item] = [
            {
                "pos": pos,
                "receipt": format_ms(receipt_ms),
                "reason": reason,
                "detail": detail,
                "feed": feed,
                "source": source,
                "raw": bytes(raw).decode("utf-8", "replace"),
            }
            for pos, receipt_ms, reason, detail, feed, source, raw in page
        ]
        last = encode_cursor("d", page[-1][1], page[-1][0]) if len(found) > wanted.limit else None
        return EventPage(items, last)

    def _feeds_of(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, feed in self._catalog.feeds.items():
            found.setdefault(feed.domain, []).append(name)
        return found


def _starts(top_ms: int, low_ms: int) -> list[int]:
    """Where the ever longer stretches below ``top_ms`` begin; the last is ``low_ms``."""
    return [*(top_ms - span_ms for span_ms in _SPANS_MS if top_ms - span_ms > low_ms), low_ms]


def _name(row: Sequence[Any]) -> _Name:
    return row[5], row[6], row[2]


def _once(rows: Sequence[Sequence[Any]], shown: Collection[_Name]) -> list[Sequence[Any]]:
    """Each event once, at its newest place: senders repeat what was not answered, and the log has it as often."""
    seen = set(shown)
    kept = []
    for row in rows:
        if _name(row) not in seen:
            seen.add(_name(row))
            kept.append(row)
    return kept


def _item(row: Sequence[Any]) -> Item:
    pos, receipt_ms, time_ms, raw, partition, _, _ = row
    item: Item = msgspec.json.decode(raw)
    item["time"] = format_ms(time_ms)
    if partition:
        item["partition"] = partition
    item["pos"] = pos
    item["receipt"] = format_ms(receipt_ms)
    return item


def _bodies(client: Any, pairs: list[tuple[str, int]]) -> list[Transition]:  # the driver's client has no types
    """The transitions (alert, n), in the order asked for."""
    if not pairs:
        return []
    found = client.query(
        "SELECT alert, n, body FROM transitions WHERE alert IN {alerts:Array(String)} "
        "AND (alert, n) IN arrayZip({alerts:Array(String)}, {ns:Array(Int32)}) ORDER BY seq DESC",
        parameters={"alerts": [alert for alert, _ in pairs], "ns": [n for _, n in pairs]},
    ).result_rows
    bodies = {(alert, n): body for alert, n, body in found}
    return [decode(bodies[pair].encode()) for pair in pairs if pair in bodies]


def _floor(value: str, step: str) -> str:
    """The greatest multiple of ``step`` that is not above ``value``; right for negative times too."""
    return f"(({value}) - positiveModulo({value}, {step}))"
