"""Log entries -> what the engine reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from events.decode import Decoder
from events.record import EventBatch, Record
from streams.log import entry as entries
from streams.log.entry import Entry


def stretches(read: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Cuts around each rule-set activation, which stands alone: what follows it is decoded by another catalogue."""
    stretch: list[Entry] = []
    for entry in read:
        if entry.kind == "rules":
            if stretch:
                yield stretch
            yield [entry]
            stretch = []
        else:
            stretch.append(entry)
    if stretch:
        yield stretch


class RecordReader:
    """Turns a stretch of the log into records; neighbouring events become one batch, however small their entries are."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        #: events of the log that this catalogue cannot read, by reason, since the last :meth:`drain`
        self._undecodable: Counter[str] = Counter()

    def records(self, stretch: Sequence[Entry]) -> list[Record]:
        records: list[Record] = []
        events: list[Entry] = []
        for entry in stretch:
            if entry.kind == "events":
                events.append(entry)
                continue
            self._flush(events, records)
            if entry.kind == "tick":
                records.append(entries.tick(entry))
            elif entry.kind == "rules":
                records.append(entries.activation(entry))
            elif entry.kind == "act":
                records.append(entries.act(entry))
            # Kinds of a later version that this one can do without are passed over.
        self._flush(events, records)
        return records

    def drain(self) -> dict[str, int]:
        counts = dict(self._undecodable)
        self._undecodable.clear()
        return counts

    def _flush(self, events: list[Entry], records: list[Record]) -> None:
        if not events:
            return
        counts = np.array([entry.count for entry in events], dtype=np.int64)
        pos = np.concatenate([np.arange(entry.first, entry.pos + 1, dtype=np.int64) for entry in events])
        receipt_ms = np.repeat(np.array([entry.at_ms for entry in events], dtype=np.int64), counts)
        decoded = self._decoder.decode(b"".join(map(entries.event_lines, events)))
        events.clear()
        for refused in decoded.rejected:
            self._undecodable[refused.reason] += 1
        if not len(decoded.frame):
            return
        if len(decoded.frame) != len(pos):
            at = np.asarray(decoded.lines) - 1
            pos, receipt_ms = pos[at], receipt_ms[at]
        records.append(EventBatch(decoded.frame, pl.Series("pos", pos), pl.Series("receipt_ms", receipt_ms)))
