"""The engines of a partition of what is passed on: one for each group of wide rules.

Entries of the partition in, entries for the topic of the transitions out; all of it follows from the partition's entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from events.decode import Decoder
from events.feeds import ALERT_FEED
from events.record import Activation, EventBatch, Frontier, Record
from rules.arrays import NEVER
from rules.book import unknown
from rules.load import load_bundle, load_rules
from rules.model import RuleSet
from streams import snapshot
from streams.cluster.merging import Merger, Rows, Slice
from streams.cluster.passed import Progress, decode_passed, decode_progress, encode_progress
from streams.cluster.record import PartitionEntry
from streams.cluster.stages import Division, Origin, groups, loader
from streams.cluster.told import Teller, Told, refusals, stamped
from streams.engine import Engine
from streams.log import entry as entries


class _Group:
    """One engine and who it is."""

    def __init__(self, origin: Origin, engine: Engine, ordinal: int = 0) -> None:
        self.engine = engine
        self.teller = Teller(str(origin), ordinal)


class Downstream:
    """One partition of what is passed on for wide rules. :meth:`take` its entries in order."""

    def __init__(self, partition: int, division: Division) -> None:
        self._origin = Origin("wide", partition)
        self._division = division
        self._merger = Merger([str(Origin("events", number)) for number in range(division.partitions)])
        self._groups: dict[str, _Group] = {}
        #: rule sets that were passed on, by the stamp of their activation, and the stamp of the newest in force
        self._coming: dict[int, Activation] = {}
        self._activated = 0
        self._ruleset: RuleSet = load_rules({})
        self._decoder = Decoder(self._ruleset.catalog)
        #: numbers what is judged, in its order
        self._number = 0
        self._at_ms = 0
        self._stamp = 0
        self._clock_ms = NEVER
        self.pos = -1

    @property
    def waiting(self) -> int:
        """Events that not all engines upstream have come to yet."""
        return self._merger.waiting

    def take(self, read: Sequence[PartitionEntry]) -> Told:
        """Entries in the order of the partition."""
        told = Told()
        for entry in read:
            if entry.pos <= self.pos:
                continue
            self._at_ms = max(self._at_ms, entry.at_ms)
            match entry.kind:
                case "passed":
                    self._merger.add(decode_passed(entry.payload))
                case "frontier":
                    self._merger.advance(entry.origin, decode_progress(entry.payload))
                    ready = self._merger.take()
                    if ready is not None:
                        self._judge(ready, told)
                case "rules":
                    stamp = int(entry.stamps[0])
                    if stamp > self._activated:
                        self._coming.setdefault(stamp, entries.activation(entry))
                case "act":
                    self._act(entry, told)
            self.pos = entry.pos
        return told

    def _judge(self, ready: Slice, told: Told) -> None:
        """A slice, cut at each activation in it."""
        first = self._stamp
        for stamp in sorted(stamp for stamp in self._coming if stamp < ready.end):
            if stamp > self._activated:
                self._step(ready, max(first, 0), stamp, told, last=False)
                self._activate(self._coming[stamp], told)
                first, self._activated = max(first, stamp), stamp
            del self._coming[stamp]
        self._step(ready, first, ready.end, told, last=True)
        self._stamp, self._clock_ms = ready.end, max(self._clock_ms, ready.clock_ms)

    def _step(self, ready: Slice, first: int, end: int, told: Told, *, last: bool) -> None:
        for name, group in sorted(self._groups.items()):
            records: list[Record] = []
            rows = ready.rows(name, first, end)
            if rows is not None:
                records += self._batch(rows)
            if last:
                self._number += 1
                records.append(Frontier(self._number, ready.clock_ms, ready.marks))
            group.teller.tell(group.engine.step(records), told, stamp=ready.end, at_ms=self._at_ms)

    def _batch(self, rows: Rows) -> list[Record]:
        decoded = self._decoder.decode(b"\n".join(rows.lines) + b"\n")
        at = np.asarray(decoded.lines) - 1
        if not len(at):
            return []
        pos = np.arange(self._number + 1, self._number + 1 + len(at), dtype=np.int64)
        self._number += len(at)
        return [EventBatch(decoded.frame, pl.Series("pos", pos), late=pl.Series("late", rows.late[at]))]

    def _activate(self, activation: Activation, told: Told) -> None:
        ruleset = load_bundle(activation.bundle)
        self._decoder = Decoder(ruleset.catalog)
        self._ruleset = ruleset
        for name in groups(ruleset, self._division):
            if name not in self._groups:
                self._groups[name] = self._made(name)
        # An engine whose rules are all gone stays: its alerts may still be acted on.
        for _, group in sorted(self._groups.items()):
            self._number += 1
            outcome = group.engine.step([Activation(self._number, activation.at_ms, activation.bundle)])
            group.teller.tell(outcome, told, stamp=self._stamp, at_ms=self._at_ms)

    def _made(self, name: str) -> _Group:
        origin = Origin("wide", self._origin.partition, name)
        engine = Engine(load_rules({}), downstream=True)
        engine.load = loader(origin, self._division)
        return _Group(origin, engine)

    def _act(self, entry: PartitionEntry, told: Told) -> None:
        act = entries.act(entry)
        self._number += 1
        for _, group in sorted(self._groups.items()):
            if group.engine.knows(act.alert):
                outcome = group.engine.step([msgspec.structs.replace(act, pos=self._number)])
                group.teller.tell(outcome, told, stamp=self._stamp, at_ms=self._at_ms)
                return
        told.over += refusals([(act.id, unknown(act.alert))], self._stamp, self._at_ms, str(self._origin))

    def frontier(self) -> Told:
        """How far all its engines have come, for rules over alerts."""
        mark = min((group.engine.alert_mark for group in self._groups.values()), default=self._clock_ms)
        progress = encode_progress(Progress(self._stamp, self._clock_ms, {ALERT_FEED: mark}))
        return Told([stamped("frontier", progress, self._stamp, self._at_ms, f"wide-{self._origin.partition}")])

    # --- snapshots

    def snapshot(self) -> bytes:
        return snapshot.pack(
            {
                "pos": self.pos,
                "division": [self._division.partitions, self._division.wide, self._division.by],
                "merger": self._merger.state(),
                "groups": [
                    [name, group.engine.snapshot(), group.teller.ordinal] for name, group in self._groups.items()
                ],
                "bundle": dict(self._ruleset.bundle),
                "coming": [[stamp, one.at_ms, one.bundle] for stamp, one in self._coming.items()],
                "activated": self._activated,
                "number": self._number,
                "at_ms": self._at_ms,
                "stamp": self._stamp,
                "clock_ms": self._clock_ms,
            }
        )

    @classmethod
    def restore(cls, data: bytes, partition: int, division: Division) -> Downstream:
        """As it was. SnapshotError, RuleErrors: rebuild it from the log then."""
        state: dict[str, Any] = snapshot.unpack(data)
        if state["division"] != [division.partitions, division.wide, division.by]:
            raise snapshot.SnapshotError(f"the snapshot is of a cluster divided otherwise: {state['division']}")
        made = cls(partition, division)
        made._merger.load(state["merger"])
        made._ruleset = load_bundle(state["bundle"])
        made._decoder = Decoder(made._ruleset.catalog)
        for name, body, ordinal in state["groups"]:
            origin = Origin("wide", partition, name)
            engine = Engine.restore(body, loader(origin, division), downstream=True)
            made._groups[name] = _Group(origin, engine, ordinal)
        made._coming = {stamp: Activation(0, at_ms, bundle) for stamp, at_ms, bundle in state["coming"]}
        made._activated, made._number = state["activated"], state["number"]
        made._at_ms, made._stamp, made.pos = state["at_ms"], state["stamp"], state["pos"]
        made._clock_ms = state["clock_ms"]
        return made
