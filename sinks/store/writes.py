"""What goes into the store: batches of log entries, each row once however often its entry comes."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sinks.store import rows
from sinks.store.connections import Connections
from sinks.store.errors import StoreError, StoreMismatch
from streams.log.entry import Entry, dead_letters, transition

#: Tables that follow a log, with the column that holds the log's position and the one that names the row.
POSITIONS = {
    "events": ("pos", "id"),
    "controls": ("pos", "kind"),
    "transitions": ("seq", "alert"),
    "dead_letters": ("pos", "reason"),
}

#: Beyond every position of a log.
_NO_POSITION = 1 << 62


@dataclass
class _Mark:
    """How far a table is filled, as far as this process knows; None when it has to be asked for."""

    position: int | None = None


class Writes:
    """Inserts. A batch is one block and so one part for each month of receipt, written whole or not at all.

    A batch that reaches back over what is already there (the sink's offset is committed after the insert, so a crash between
    the two repeats one batch) leaves out the positions that the table holds.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._marks = {table: _Mark() for table in POSITIONS}
        self._writing = threading.Lock()
        self._clocking = threading.Lock()
        #: the last log position that was handed in, and where the log's clock stood after it
        self._clock = (0, 0)
        # Tokens make a repeat of one insert harmless when its answer was lost; positions do so across processes.
        self._session = uuid.uuid4().hex[:12]

    def insert_log(self, entries: Sequence[Entry]) -> int:
        """Writes a stretch of the event log, events and control records; returns the number of new rows."""
        return self.insert_events(entries) + self._insert("controls", rows.controls(entries))

    def insert_events(self, entries: Sequence[Entry]) -> int:
        """Writes the ``events`` entries among these; returns the number of new rows. StoreError says if a retry can help."""
        if not entries:
            return 0
        with self._clocking:
            before_ms = self._clock_before(entries[0].first)
            frame, clock_ms = rows.events(entries, clock_ms=before_ms)
            count = self._insert("events", frame)
            self._clock = (entries[-1].pos, clock_ms)
            return count

    def clock_ms(self) -> int:
        """Where the log's clock stands after all that was handed in; 0 where nothing was."""
        last, clock_ms = self._clock
        return clock_ms if last > 0 else self._clock_before(_NO_POSITION)

    def _clock_before(self, first: int) -> int:
        """Where the log's clock stood before a position: as the stretch before left it, or as the newest row before it says."""
        last, clock_ms = self._clock
        if last == first - 1:
            return clock_ms
        with self._connections.writer() as client:
            found = client.query(
                "SELECT greatest(clock_ms, least(time_ms, receipt_ms)) FROM events WHERE pos = "
                "(SELECT max(pos) FROM events WHERE pos < {first:Int64}) LIMIT 1",
                parameters={"first": first},
            ).result_rows
        return int(found[0][0]) if found else 0

    def insert_transitions(self, entries: Sequence[Entry]) -> int:
        """Writes the ``transition`` entries among these."""
        made = (transition(entry) for entry in entries if entry.kind == "transition")
        return self._insert("transitions", rows.transitions(made))

    def insert_dead(self, entries: Sequence[Entry]) -> int:
        """Writes the ``dead`` entries among these."""
        letters = (letter for entry in entries if entry.kind == "dead" for letter in dead_letters(entry))
        return self._insert("dead_letters", rows.dead_letters(letters))

    def position(self, table: str) -> int:
        """The greatest log position in ``events``, ``transitions`` or ``dead_letters``; 0 for none."""
        mark = self._marks[table]
        if mark.position is None:
            column = POSITIONS[table][0]
            with self._connections.writer() as client:
                mark.position = int(client.query(f"SELECT max({column}) FROM {table}").result_rows[0][0])
        return mark.position

    def forget_positions(self) -> None:
        """Asks the tables anew how far they are filled: after something else than an insert has changed them."""
        for mark in self._marks.values():
            mark.position = None
        self._clock = (-1, 0)

    def _insert(self, table: str, frame: pl.DataFrame) -> int:
        if frame.is_empty():
            return 0
        column, name = POSITIONS[table]
        with self._writing:
            if int(frame[column][0]) <= self.position(table):
                frame = self._missing(table, frame, column, name)
                if frame.is_empty():
                    return 0
            first, last = int(frame[column][0]), int(frame[column][-1])
            token = f"{self._session}:{table}:{first}-{last}:{frame.height}"
            try:
                self._connections.insert(table, frame.columns, rows.arrow(frame), form="ArrowStream", token=token)
            except StoreError:
                # It may have gone through all the same, wholly or up to a month's end: ask before the next one.
                self._marks[table].position = None
                raise
            self._marks[table].position = max(last, self.position(table))
            return frame.height

    def _missing(self, table: str, frame: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
        """The rows whose positions the table does not hold. StoreMismatch where it holds something else there."""
        span = {"low": int(frame[column][0]), "high": int(frame[column][-1])}
        with self._connections.writer() as client:
            found = client.query(
                f"SELECT {column}, {name} FROM {table} WHERE {column} BETWEEN {{low:Int64}} AND {{high:Int64}}",
                parameters=span,
            ).result_rows
        if not found:
            return frame
        held = pl.DataFrame(found, schema={column: pl.Int64, "held": pl.String}, orient="row").unique(column)
        joined = frame.join(held, on=column, how="left", maintain_order="left")
        other = joined.filter(pl.col("held").is_not_null() & (pl.col("held") != pl.col(name)))
        if not other.is_empty():
            raise StoreMismatch(
                f"{self._connections.place} holds another row than the log at position {other[column][0]} of {table}: it was "
                "filled from another log. Give the store that belongs to this data directory, or an empty one"
            )
        return joined.filter(pl.col("held").is_null()).drop("held")
