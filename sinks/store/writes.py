"""What goes into the store: stretches of log entries, each row once however often its entry comes."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec
import polars as pl

from events.transition import Transition
from sinks.store import rows
from sinks.store.connections import Connections
from sinks.store.errors import StoreError, StoreMismatch
from sinks.store.stretch import Stretch
from streams.cluster.record import PartitionEntry, offset_of
from streams.log.entry import Entry, dead_letters, transition

#: Tables that follow a log, with the column that holds the log's position and the one that names the row.
POSITIONS = {
    "events": ("pos", "id"),
    "controls": ("pos", "kind"),
    "transitions": ("seq", "alert"),
    "dead_letters": ("pos", "reason"),
}
#: All but these hold the rows of several partitions.
_OF_ONE_PARTITION = frozenset({"transitions"})
#: The log that a table follows, where it is not of its own name.
LOGS = {"controls": "events"}

#: Beyond every position of a log.
_NO_POSITION = 1 << 62


class Writes:
    """Inserts. A batch is one block and so one part for each month of receipt, written whole or not at all.

    A batch that reaches back over what is already there (the sink's offset is committed after the insert, so a crash between
    the two repeats one batch) leaves out the positions that the table holds. A batch that is tried again because its answer was
    lost carries the token that it had, made of the log's identity and the batch's partitions and positions: the engine drops
    it where the first try went through.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        #: how far each partition of a table is filled, as far as this process knows
        self._marks: dict[tuple[str, int], int] = {}
        #: tables into which an insert may be under way that this process knows nothing of
        self._unsettled = set(POSITIONS)
        self._identities: dict[str, str] = {}
        self._writing = threading.Lock()
        self._clocking = threading.Lock()
        #: by partition: the last log position that was handed in, and where the partition's clock stood after it
        self._clocks: dict[int, tuple[int, int]] = {}
        # Of a store that was not told which log it follows.
        self._session = uuid.uuid4().hex[:12]

    # --- one log in one file

    def insert_log(self, entries: Sequence[Entry]) -> int:
        """Writes a stretch of the event log, events and control records; returns the number of new rows."""
        return self.write_log([Stretch(0, entries)])

    def insert_events(self, entries: Sequence[Entry]) -> int:
        """Writes the ``events`` entries among these; returns the number of new rows. StoreError says if a retry can help."""
        return self._write_events([Stretch(0, entries)])

    def insert_transitions(self, entries: Sequence[Entry]) -> int:
        """Writes the ``transition`` entries among these."""
        return self.write_transitions([Stretch(0, entries)])

    def insert_dead(self, entries: Sequence[Entry]) -> int:
        """Writes the ``dead`` entries among these."""
        return self.write_dead([Stretch(0, entries)])

    # --- stretches of any partitions, together in one insert

    def write_log(self, stretches: Sequence[Stretch]) -> int:
        """Writes stretches of the event log, events and control records; returns the number of new rows."""
        frame = pl.concat(rows.controls(one.entries, partition=one.partition) for one in stretches)
        return self._write_events(stretches) + self._insert("controls", frame)

    def write_transitions(self, stretches: Sequence[Stretch]) -> int:
        """Writes the ``transition`` entries among these; their log has one partition."""
        made = (_numbered(entry) for one in stretches for entry in one.entries if entry.kind == "transition")
        return self._insert("transitions", rows.transitions(made))

    def write_dead(self, stretches: Sequence[Stretch]) -> int:
        """Writes the ``dead`` entries among these."""
        frame = pl.concat(
            rows.dead_letters(
                (letter for entry in one.entries if entry.kind == "dead" for letter in dead_letters(entry)),
                partition=one.partition,
            )
            for one in stretches
        )
        return self._insert("dead_letters", frame)

    def _write_events(self, stretches: Sequence[Stretch]) -> int:
        stretches = [one for one in stretches if one.entries]
        if not stretches:
            return 0
        with self._clocking:
            frames, after = [], {}
            for partition, entries in stretches:
                before_ms = self._clock_before(partition, entries[0])
                frame, clock_ms = rows.events(entries, partition=partition, clock_ms=before_ms)
                frames.append(frame)
                after[partition] = (entries[-1].pos, clock_ms)
            count = self._insert("events", pl.concat(frames))
            self._clocks |= after
            return count

    # --- where things stand

    def clock_ms(self) -> int:
        """Where the log's clock stands after all that was handed in; 0 where nothing was. Of a log in one file."""
        last, clock_ms = self._clocks.get(0, (0, 0))
        return clock_ms if last > 0 else self._stored_clock(0, _NO_POSITION)

    def _clock_before(self, partition: int, entry: Entry) -> int:
        """Where a partition's clock stood before an entry: as the stretch before left it, or as the newest row before it says."""
        last, clock_ms = self._clocks.get(partition, (0, 0))
        # Positions in a partition of Kafka have gaps; what comes next there follows what came last.
        follows = last == entry.first - 1 or (isinstance(entry, PartitionEntry) and 0 < last < entry.first)
        return clock_ms if follows else self._stored_clock(partition, entry.first)

    def _stored_clock(self, partition: int, before: int) -> int:
        with self._connections.writer() as client:
            found = client.query(
                "SELECT greatest(clock_ms, least(time_ms, receipt_ms)) FROM events "
                "WHERE partition = {partition:UInt16} AND pos = "
                "(SELECT max(pos) FROM events WHERE partition = {partition:UInt16} AND pos < {before:Int64}) LIMIT 1",
                parameters={"partition": partition, "before": before},
            ).result_rows
        return int(found[0][0]) if found else 0

    def position(self, table: str, partition: int = 0) -> int:
        """The greatest log position of a partition in ``events``, ``transitions`` or ``dead_letters``; 0 for none."""
        return self._positions(table, [partition])[partition]

    def _positions(self, table: str, partitions: Iterable[int]) -> dict[int, int]:
        partitions = list(partitions)
        unknown = [partition for partition in partitions if (table, partition) not in self._marks]
        if unknown:
            column, _ = POSITIONS[table]
            of = "0" if table in _OF_ONE_PARTITION else "partition"
            with self._connections.writer() as client:
                found = client.query(
                    f"SELECT {of} AS of, max({column}) FROM {table} WHERE of IN {{partitions:Array(UInt16)}} GROUP BY of",
                    parameters={"partitions": unknown},
                ).result_rows
            self._marks |= {(table, partition): 0 for partition in unknown}
            self._marks |= {(table, int(partition)): int(last) for partition, last in found}
        return {partition: self._marks[table, partition] for partition in partitions}

    def forget_positions(self, partitions: Iterable[int] | None = None) -> None:
        """Asks the tables anew how far they are filled: after something else than an insert of ours has changed them.

        ``partitions``: only these, which others have written to.
        """
        gone = set(partitions) if partitions is not None else {partition for _, partition in self._marks}
        self._marks = {key: last for key, last in self._marks.items() if key[1] not in gone}
        self._unsettled = set(POSITIONS)
        with self._clocking:
            if partitions is None:
                gone |= set(self._clocks)
            self._clocks = {partition: clock for partition, clock in self._clocks.items() if partition not in gone}

    # --- inserting

    def _insert(self, table: str, frame: pl.DataFrame) -> int:
        if frame.is_empty():
            return 0
        column, _ = POSITIONS[table]
        with self._writing:
            if table in self._unsettled:
                self._connections.settle(table)
                self._unsettled.discard(table)
            spans = _spans(frame, column)
            held = self._positions(table, (partition for partition, _, _ in spans))
            back = [span for span in spans if span[1] <= held[span[0]]]
            if back:
                frame = self._missing(table, frame, back)
                if frame.is_empty():
                    return 0
            try:
                self._connections.insert(
                    table, frame.columns, rows.arrow(frame), form="ArrowStream", token=self._token(table, frame)
                )
            except StoreError:
                # It may have gone through all the same, wholly or up to a month's end, or may still do so: ask before the next.
                for partition, _, _ in spans:
                    self._marks.pop((table, partition), None)
                self._unsettled.add(table)
                raise
            for partition, _, last in spans:
                self._marks[table, partition] = max(last, held[partition])
            return frame.height

    def _token(self, table: str, frame: pl.DataFrame) -> str:
        """The same for the same rows of the same log, in whatever process."""
        column, _ = POSITIONS[table]
        digest = blake2b(digest_size=16)
        for name in ("partition", column) if "partition" in frame.columns else (column,):
            digest.update(frame[name].to_numpy().tobytes())
        return f"{self._identities.get(LOGS.get(table, table), self._session)}:{table}:{digest.hexdigest()}"

    def _missing(self, table: str, frame: pl.DataFrame, spans: Sequence[tuple[int, int, int]]) -> pl.DataFrame:
        """Without the rows in ``spans`` whose positions the table holds. StoreMismatch where it holds something else there."""
        column, name = POSITIONS[table]
        of = "toUInt16(0)" if table in _OF_ONE_PARTITION else "partition"
        conditions: list[str] = []
        values: dict[str, int] = {}
        for at, (partition, low, high) in enumerate(spans):
            conditions.append(f"({of} = {{p{at}:UInt16}} AND {column} BETWEEN {{l{at}:Int64}} AND {{h{at}:Int64}})")
            values |= {f"p{at}": partition, f"l{at}": low, f"h{at}": high}
        with self._connections.writer() as client:
            found = client.query(
                f"SELECT {of}, {column}, {name} FROM {table} WHERE {' OR '.join(conditions)}", parameters=values
            ).result_rows
        if not found:
            return frame
        schema = {"partition": pl.UInt16, column: pl.Int64, "held": pl.String}
        held = pl.DataFrame(found, schema=schema, orient="row").unique(("partition", column))
        whole = frame if "partition" in frame.columns else frame.with_columns(partition=pl.lit(0, pl.UInt16))
        joined = whole.join(held, on=("partition", column), how="left", maintain_order="left")
        other = joined.filter(pl.col("held").is_not_null() & (pl.col("held") != pl.col(name)))
        if not other.is_empty():
            raise StoreMismatch(
                f"{self._connections.place} holds another row than the log at position {other[column][0]} of {table}: it was "
                "filled from another log. Give the store that belongs to this data directory, or an empty one"
            )
        return joined.filter(pl.col("held").is_null()).select(frame.columns)


def _spans(frame: pl.DataFrame, column: str) -> list[tuple[int, int, int]]:
    """The partitions of a frame, each with its least and its greatest position."""
    if "partition" not in frame.columns:
        return [(0, int(frame[column].min()), int(frame[column].max()))]  # type: ignore[arg-type]
    found = frame.group_by("partition").agg(pl.min(column).alias("low"), pl.max(column).alias("high")).sort("partition")
    return [(int(partition), int(low), int(high)) for partition, low, high in found.iter_rows()]


def _numbered(entry: Entry) -> Transition:
    """On Kafka a transition's number is its record's offset + 1, which the writer could not know."""
    made = transition(entry)
    return msgspec.structs.replace(made, seq=offset_of(entry.pos) + 1) if isinstance(entry, PartitionEntry) else made


def ends(newest: int | Mapping[int, int]) -> Mapping[int, int]:
    """The end of each partition; a number is that of a log in one file."""
    return {0: newest} if isinstance(newest, int) else newest
