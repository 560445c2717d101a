"""The engine of a partition of the event log: it judges narrow rules, and passes on what others are to see.

No sockets and no clock: entries of the partition in, entries for the other topics out. All of it follows from the partition's
entries, however they are cut; only how often :meth:`Upstream.progress` is asked does not, and no transition depends on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from events.decode import Decoded, Decoder
from events.feeds import ALERT_FEED
from events.record import EventBatch, Record
from rules.arrays import NEVER, Bools, Ints
from rules.load import load_bundle, load_rules
from rules.model import RuleSet
from streams import snapshot
from streams.cluster.partitioning import homes
from streams.cluster.passed import Passed, Progress, encode_passed, encode_progress
from streams.cluster.record import PartitionEntry
from streams.cluster.stages import Division, Origin, Passing, key_texts, passings, share
from streams.cluster.told import Teller, Told, stamped
from streams.dedupe import Dedupe, DedupeError
from streams.engine import Engine
from streams.log import entry as entries
from streams.records import stretches

import polars as pl  # isort: skip

#: Ids that all partitions together remember, as the contract asks of a door.
_MAX_IDS = 10_000_000


@dataclass(frozen=True, eq=False)
class _Batch:
    """Events that were decoded together and are new."""

    decoded: Decoded
    fresh: Bools
    frame: pl.DataFrame
    pos: Ints
    stamps: Ints


class Upstream:
    """One partition of the event log. :meth:`take` its entries in order."""

    def __init__(self, partition: int, division: Division) -> None:
        self._origin = Origin("events", partition)
        self._division = division
        self._engine = Engine(load_rules({}))
        self._teller = Teller(str(self._origin))
        self._dedupe = Dedupe(max_ids=-(-_MAX_IDS // division.partitions))
        #: the greatest stamp and receipt so far
        self._stamp = 0
        self._at_ms = 0
        self._feeds: dict[str, tuple[int, int, int]] = {}
        self.pos = -1
        self._bind(load_rules({}))

    def _bind(self, ruleset: RuleSet) -> None:
        """The whole rule set: the engine has its share of it."""
        self._engine.load = self._load
        self._decoder = Decoder(ruleset.catalog)
        self._passings: dict[str, list[Passing]] = {}
        for passing in passings(ruleset, self._division):
            self._passings.setdefault(passing.feed, []).append(passing)

    def _load(self, bundle: Any) -> RuleSet:
        return share(load_bundle(bundle), self._origin, self._division)

    @property
    def engine(self) -> Engine:
        return self._engine

    # --- entries in

    def take(self, read: Sequence[PartitionEntry]) -> Told:
        """RuleErrors where an activation cannot be loaded by this version; it stands alone in what was read then."""
        told = Told()
        for stretch in stretches([entry for entry in read if entry.pos > self.pos]):
            if stretch[0].kind == "rules":
                self._activate(stretch[0], told)
            else:
                self._judge(stretch, told)
            self.pos = stretch[-1].pos
        return told

    def _activate(self, entry: Any, told: Told) -> None:
        self._receive(entry)
        activation = entries.activation(entry)
        outcome = self._engine.step([activation])
        self._bind(load_bundle(activation.bundle))
        self._teller.tell(outcome, told, stamp=self._stamp, at_ms=self._at_ms)
        raw = int(entry.stamps[0])
        passed = stamped("rules", entry.payload, raw, entry.at_ms, str(self._origin))
        told.over.append(passed)
        for partition in range(self._division.wide):
            told.wide.setdefault(partition, []).append(passed)

    def _judge(self, stretch: Sequence[Any], told: Told) -> None:
        records: list[Record] = []
        batches: list[_Batch] = []
        waiting: list[PartitionEntry] = []
        for entry in stretch:
            if entry.kind == "events":
                waiting.append(entry)
                continue
            self._flush(waiting, records, batches, told)
            self._receive(entry)
            if entry.kind == "tick":
                records.append(entries.tick(entry))
            elif entry.kind == "act":
                records.append(entries.act(entry))
        self._flush(waiting, records, batches, told)
        outcome = self._engine.step(records)
        self._teller.tell(outcome, told, stamp=self._stamp, at_ms=self._at_ms)
        late = np.concatenate(outcome.late) if outcome.late else np.zeros(0, np.int64)
        for batch in batches:
            self._pass_on(batch, np.isin(batch.pos, late), told)

    def _receive(self, entry: PartitionEntry) -> Ints:
        """The stamps of an entry, never falling."""
        stamps: Ints = np.maximum.accumulate(np.maximum(entry.stamps, self._stamp))
        self._stamp = int(stamps[-1])
        self._at_ms = max(self._at_ms, entry.at_ms)
        return stamps

    def _flush(self, waiting: list[PartitionEntry], records: list[Record], batches: list[_Batch], told: Told) -> None:
        """Neighbouring events become one batch, without those that were there before."""
        if not waiting:
            return
        pos = np.concatenate([np.arange(entry.first, entry.pos + 1, dtype=np.int64) for entry in waiting])
        receipt = np.concatenate([np.full(entry.count, entry.at_ms, np.int64) for entry in waiting])
        before_ms = self._at_ms
        stamps = np.concatenate([self._receive(entry) for entry in waiting])
        decoded = self._decoder.decode(b"".join(map(entries.event_lines, waiting)))
        waiting.clear()
        for refused in decoded.rejected:
            told.count({(refused.feed, refused.source, f"undecodable {refused.reason}"): 1})
        at = np.asarray(decoded.lines) - 1
        if not len(at):
            return
        pos, receipt, stamps = pos[at], receipt[at], stamps[at]
        fresh = self._dedupe.fresh(decoded.frame, np.maximum.accumulate(np.maximum(receipt, before_ms)))
        frame = decoded.frame
        if not fresh.all():
            repeated = frame.filter(~fresh).group_by("feed", "source").len().rows()
            told.count({(feed, source, "duplicate"): count for feed, source, count in repeated})
            frame, pos, receipt, stamps = frame.filter(fresh), pos[fresh], receipt[fresh], stamps[fresh]
        if not len(pos):
            return
        self._hear(frame)
        batches.append(_Batch(decoded, fresh, frame, pos, stamps))
        records.append(EventBatch(frame, pl.Series("pos", pos), pl.Series("receipt_ms", receipt)))

    def _hear(self, frame: pl.DataFrame) -> None:
        for feed, count, newest_ms in frame.group_by("feed").agg(pl.len(), pl.max("time")).rows():
            known, before_ms, _ = self._feeds.get(feed, (0, NEVER, 0))
            self._feeds[feed] = (known + count, max(before_ms, newest_ms), self._at_ms)

    # --- entries out

    def _pass_on(self, batch: _Batch, late: Bools, told: Told) -> None:
        """By feed and group, and by the partition that the group's key is at home in."""
        found: dict[tuple[str | None, int], list[Ints]] = {}
        for (feed,), rows in batch.frame.with_row_index(" row").group_by("feed", maintain_order=True):
            for passing in self._passings.get(str(feed), ()):
                some = rows.filter(passing.rows(rows))
                if passing.group is None:
                    found.setdefault((None, 0), []).append(some[" row"].to_numpy().astype(np.int64))
                    continue
                keys = key_texts(some, passing.by)
                some = some.filter(keys.is_not_null())
                at = homes(keys.drop_nulls(), self._division.wide)
                numbers = some[" row"].to_numpy().astype(np.int64)
                for partition in np.unique(at).tolist():
                    found.setdefault((passing.group, partition), []).append(numbers[at == partition])
        for (group, partition), parts in found.items():
            rows_ = np.unique(np.concatenate(parts))
            if not len(rows_):
                continue
            mask = np.zeros(len(batch.fresh), np.bool_)
            mask[np.flatnonzero(batch.fresh)[rows_]] = True
            lines = batch.decoded.raw_lines(mask).split(b"\n")
            passed = Passed(self._origin.partition, group, batch.pos[rows_], batch.stamps[rows_], late[rows_], lines)
            entry = stamped("passed", encode_passed(passed), int(passed.stamps[-1]), self._at_ms, str(self._origin))
            if group is None:
                told.over.append(entry)
            else:
                told.wide.setdefault(partition, []).append(entry)

    def progress(self) -> Progress:
        """How far it has come, for all that read what it passes on."""
        engine = self._engine
        clock_ms = NEVER if engine.clock_ms is None else engine.clock_ms
        return Progress(self._stamp, clock_ms, {**engine.watermarks(), ALERT_FEED: engine.alert_mark}, self._feeds)

    def frontier(self) -> Told:
        """:meth:`progress` as entries."""
        told = Told()
        entry = stamped("frontier", encode_progress(self.progress()), self._stamp, self._at_ms, str(self._origin))
        told.over.append(entry)
        for partition in range(self._division.wide):
            told.wide[partition] = [entry]
        return told

    # --- snapshots

    def snapshot(self) -> bytes:
        return snapshot.pack(
            {
                "pos": self.pos,
                "division": [self._division.partitions, self._division.wide, self._division.by],
                "engine": self._engine.snapshot(),
                "dedupe": self._dedupe.snapshot(),
                "stamp": self._stamp,
                "at_ms": self._at_ms,
                "ordinal": self._teller.ordinal,
                "feeds": [[feed, *heard] for feed, heard in self._feeds.items()],
            }
        )

    @classmethod
    def restore(cls, data: bytes, partition: int, division: Division) -> Upstream:
        """As it was. SnapshotError, RuleErrors: rebuild it from the log then."""
        state = snapshot.unpack(data)
        if state["division"] != [division.partitions, division.wide, division.by]:
            raise snapshot.SnapshotError(f"the snapshot is of a cluster divided otherwise: {state['division']}")
        made = cls(partition, division)
        made._engine = Engine.restore(state["engine"], made._load)
        try:
            made._dedupe = Dedupe.restore(state["dedupe"])
        except DedupeError as error:
            raise snapshot.SnapshotError(str(error)) from error
        made._bind(load_bundle(made._engine.ruleset.bundle))
        made.pos, made._stamp, made._at_ms = state["pos"], state["stamp"], state["at_ms"]
        made._teller.ordinal = state["ordinal"]
        made._feeds = {feed: (count, newest_ms, receipt_ms) for feed, count, newest_ms, receipt_ms in state["feeds"]}
        return made
