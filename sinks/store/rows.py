"""Log entries as the columns of the store's tables."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import polars as pl

from events.instants import parse_column
from events.times import parse_instant
from events.transition import RANK, Transition, encode, key_json
from streams.cluster.record import PartitionEntry
from streams.log.entry import DeadLetter, Entry, event_lines, inflate

_EVENT_SCHEMA = {
    "partition": pl.UInt16,
    "pos": pl.Int64,
    "stamp": pl.Int64,
    "receipt_ms": pl.Int64,
    "time_ms": pl.Int64,
    "id": pl.String,
    "feed": pl.String,
    "source": pl.String,
    "region": pl.String,
    "subject": pl.String,
    "lon": pl.Float64,
    "lat": pl.Float64,
    "raw": pl.Binary,
    "clock_ms": pl.Int64,
}
_CONTROL_SCHEMA = {"partition": pl.UInt16, "pos": pl.Int64, "at_ms": pl.Int64, "kind": pl.String, "body": pl.Binary}
_DEAD_SCHEMA = {
    "partition": pl.UInt16,
    "pos": pl.Int64,
    "receipt_ms": pl.Int64,
    "reason": pl.String,
    "detail": pl.String,
    "feed": pl.String,
    "source": pl.String,
    "raw": pl.Binary,
}
_TRANSITION_SCHEMA = {
    "seq": pl.Int64,
    "alert": pl.String,
    "n": pl.Int32,
    "type": pl.String,
    "at_ms": pl.Int64,
    "rule": pl.String,
    "version": pl.String,
    "domain": pl.String,
    "severity": pl.String,
    "rank": pl.UInt8,
    "feed": pl.String,
    "region": pl.String,
    "subject": pl.String,
    "key": pl.String,
    "state": pl.String,
    "condition": pl.String,
    "count": pl.Int64,
    "opened_ms": pl.Int64,
    "closed_ms": pl.Int64,
    "shadow": pl.Boolean,
    "body": pl.Binary,
}


_PLACE = frozenset({"partition", "pos", "stamp"})


class _Envelope(msgspec.Struct, gc=False):
    id: str
    feed: str
    source: str
    time: str | int
    region: str | None = None
    subject: str | None = None
    lon: float | None = None
    lat: float | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def events(entries: Iterable[Entry], *, partition: int = 0, clock_ms: int = 0) -> tuple[pl.DataFrame, int]:
    """One row for each event of the ``events`` entries of a partition, in log order, and where its clock stands after all entries.

    ``clock_ms``: where it stood before them; 0 where that is not known.
    """
    frames = []
    for entry in entries:
        if entry.kind == "events":
            frame = _events(entry, partition)
            own = pl.min_horizontal("time_ms", "receipt_ms")
            after = frame.select(pl.max_horizontal(own.cum_max(), pl.lit(clock_ms))).to_series()
            frames.append(frame.with_columns(clock_ms=after.shift(1, fill_value=clock_ms)))
            clock_ms = int(after[-1])
        elif entry.kind == "tick":
            clock_ms = max(clock_ms, entry.at_ms)
    return pl.concat(frames) if frames else pl.DataFrame(schema=_EVENT_SCHEMA), clock_ms


def controls(entries: Iterable[Entry], *, partition: int = 0) -> pl.DataFrame:
    """One row for each rule set that was put in force, and each act of a person."""
    found = [
        (
            partition,
            entry.pos,
            entry.at_ms,
            entry.kind,
            inflate(entry.payload) if entry.kind == "rules" else entry.payload,
        )
        for entry in entries
        if entry.kind in ("rules", "act")
    ]
    return pl.DataFrame(found, schema=_CONTROL_SCHEMA, orient="row")


def _events(entry: Entry, partition: int) -> pl.DataFrame:
    lines = event_lines(entry)
    made = _decoder.decode_lines(lines)
    raw = lines.removesuffix(b"\n").split(b"\n")
    assert len(made) == len(raw) == entry.count, (
        f"entry {entry.pos}: {len(made)} events, {len(raw)} lines, {entry.count}"
    )
    frame = pl.DataFrame(
        {
            "id": [one.id for one in made],
            "feed": [one.feed for one in made],
            "source": [one.source for one in made],
            "region": [one.region for one in made],
            "subject": [one.subject for one in made],
            "lon": [one.lon for one in made],
            "lat": [one.lat for one in made],
            "raw": raw,
        },
        schema={name: kind for name, kind in _EVENT_SCHEMA.items() if not name.endswith("_ms") and name not in _PLACE},
    )
    pos = pl.Series(np.arange(entry.first, entry.pos + 1))
    return frame.select(
        pl.lit(partition, dtype=pl.UInt16).alias("partition"),
        pos.alias("pos"),
        # One log has one order: the positions are it.
        pl.Series("stamp", entry.stamps) if isinstance(entry, PartitionEntry) else pos.alias("stamp"),
        pl.lit(entry.at_ms, dtype=pl.Int64).alias("receipt_ms"),
        times_ms([one.time for one in made]).alias("time_ms"),
        "id",
        "feed",
        "source",
        pl.col("region", "subject").fill_null(""),
        "lon",
        "lat",
        "raw",
    )


def times_ms(times: Sequence[str | int]) -> pl.Series:
    """Accepted event times (RFC 3339 or epoch milliseconds) -> Int64 epoch milliseconds."""
    if all(type(time) is int for time in times):
        return pl.Series(times, dtype=pl.Int64)
    texts = pl.Series([time if type(time) is str else "" for time in times], dtype=pl.String)
    ms, known = parse_column(texts)
    for row in np.flatnonzero(~known).tolist():
        time = times[row]
        ms[row] = parse_instant(time) if isinstance(time, str) else time
    return pl.Series(ms, dtype=pl.Int64)


def dead_letters(letters: Iterable[DeadLetter], *, partition: int = 0) -> pl.DataFrame:
    """One row for each refused line."""
    rows = [(partition, one.pos, one.at_ms, one.reason, one.detail, one.feed, one.source, one.raw) for one in letters]
    return pl.DataFrame(rows, schema=_DEAD_SCHEMA, orient="row")


def transitions(made: Iterable[Transition]) -> pl.DataFrame:
    """One row for each transition."""
    return pl.DataFrame([_transition(one) for one in made], schema=_TRANSITION_SCHEMA, orient="row")


def _transition(one: Transition) -> tuple[object, ...]:
    return (
        one.seq,
        one.alert,
        one.n,
        one.type,
        parse_instant(one.at),
        one.rule,
        one.version,
        one.domain,
        one.severity,
        RANK[one.severity],
        one.evidence.feed,
        one.region or "",
        one.subject or "",
        key_json(one.key),
        one.state,
        one.condition,
        one.count,
        parse_instant(one.opened_at or one.at),
        parse_instant(one.closed_at) if one.closed_at else None,
        one.shadow,
        encode(one),
    )


def arrow(frame: pl.DataFrame) -> bytes:
    """The frame as an Arrow stream: what both kinds of engine read fastest."""
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compat_level=pl.CompatLevel.oldest())
    return sink.getvalue()
