"""The engine of rules over alerts: it reads the topic of the transitions, which is the alert feed of the whole cluster.

Alerts are shown to it when no earlier ones can come any more, in the order of what they say (time, rule, key): who told them first
does not count. What it tells itself it appends to the same topic, and does not read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from events.decode import Decoder
from events.feeds import ALERT_FEED
from events.record import Activation, Alerts, EventBatch, Frontier, Record
from events.times import parse_instant
from events.transition import TYPES, Transition, decode, encode, key_json
from rules.arrays import NEVER
from rules.load import load_bundle, load_rules
from streams import snapshot
from streams.cluster.merging import Rows, least
from streams.cluster.passed import Passed, Progress, decode_passed, decode_progress, encode_passed
from streams.cluster.record import PartitionEntry
from streams.cluster.repeats import Repeats
from streams.cluster.stages import Division, Origin, loader
from streams.cluster.told import Teller, Told
from streams.engine import Engine
from streams.log import entry as entries

_ORIGIN = Origin("over")


class Over:
    """The topic of the transitions, as rules over alerts see it. :meth:`take` its entries in order."""

    def __init__(self, division: Division) -> None:
        self._division = division
        self._load = loader(_ORIGIN, division)
        self._engine = Engine(load_rules({}), downstream=True)
        self._engine.load = self._load
        self._teller = Teller(str(_ORIGIN))
        self._decoder = Decoder(load_rules({}).catalog)
        upstream = [str(Origin("events", number)) for number in range(division.partitions)]
        self._progress: dict[str, Progress | None] = dict.fromkeys(
            [*upstream, *(f"wide-{number}" for number in range(division.wide))]
        )
        self._repeats = Repeats()
        self._seen: dict[int, int] = {}
        self._alerts: list[Transition] = []
        self._parts: list[Passed] = []
        self._activated = 0
        self._number = 0
        self._mark = NEVER
        self._at_ms = 0
        self._stamp = 0
        self.pos = -1

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def idle(self) -> bool:
        """No rule reads alerts: nothing need be kept for it."""
        return not self._engine.ruleset.rules

    def take(self, read: Sequence[PartitionEntry]) -> Told:
        """Entries in the order of the topic."""
        told = Told()
        for entry in read:
            if entry.pos <= self.pos:
                continue
            self._at_ms = max(self._at_ms, entry.at_ms)
            match entry.kind:
                case "transition":
                    self._hear(entry)
                case "passed":
                    self._add(decode_passed(entry.payload))
                case "frontier":
                    self._advance(entry.origin, decode_progress(entry.payload), told)
                case "rules":
                    self._activate(entry, told)
                case "act":
                    self._act(entry, told)
            self.pos = entry.pos
        return told

    def _hear(self, entry: PartitionEntry) -> None:
        if entry.origin != self._teller.origin and self._repeats.is_new(entry.origin, entry.ordinal) and not self.idle:
            self._alerts.append(decode(entry.payload))

    def _add(self, passed: Passed) -> None:
        first = int(np.searchsorted(passed.pos, self._seen.get(passed.partition, -1), side="right"))
        if first < len(passed):
            self._seen[passed.partition] = int(passed.pos[-1])
            self._parts.append(passed.rows(first, len(passed)))

    def _advance(self, origin: str, progress: Progress, told: Told) -> None:
        if origin not in self._progress:
            return
        before = self._progress[origin]
        if before is not None and progress.stamp < before.stamp:
            return
        self._progress[origin] = progress
        known = [one for one in self._progress.values() if one is not None]
        if len(known) < len(self._progress):
            return
        self._stamp = max(self._stamp, min(one.stamp for one in known))
        clock_ms, marks = least(_comparable(known))
        mark = marks.get(ALERT_FEED, NEVER)
        if mark > self._mark:
            self._mark = mark
            self._judge(clock_ms, marks, told)

    def _judge(self, clock_ms: int, marks: Mapping[str, int], told: Told) -> None:
        records: list[Record] = []
        if self._parts:
            records += self._batch()
        ready = [alert for alert in self._alerts if parse_instant(alert.at) < self._mark]
        if ready:
            self._alerts = [alert for alert in self._alerts if parse_instant(alert.at) >= self._mark]
            self._number += 1
            records.append(Alerts(self._number, sorted(ready, key=_place)))
        self._number += 1
        records.append(Frontier(self._number, clock_ms, marks))
        self._step(records, told)

    def _batch(self) -> list[Record]:
        """What sequences over alerts and events read of these, in the order of their stamps."""
        parts, self._parts = sorted(self._parts, key=lambda part: (part.partition, int(part.pos[0]))), []
        stamps = np.concatenate([part.stamps for part in parts])
        order = np.argsort(stamps, kind="stable")
        lines = [line for part in parts for line in part.lines]
        late = np.concatenate([part.late for part in parts])
        rows = Rows(stamps[order], late[order], [lines[row] for row in order.tolist()])
        decoded = self._decoder.decode(b"\n".join(rows.lines) + b"\n")
        at = np.asarray(decoded.lines) - 1
        if not len(at):
            return []
        pos = np.arange(self._number + 1, self._number + 1 + len(at), dtype=np.int64)
        self._number += len(at)
        return [EventBatch(decoded.frame, pl.Series("pos", pos), late=pl.Series("late", rows.late[at]))]

    def _activate(self, entry: PartitionEntry, told: Told) -> None:
        stamp = int(entry.stamps[0])
        if stamp <= self._activated:
            return
        self._activated = stamp
        activation = entries.activation(entry)
        self._decoder = Decoder(load_bundle(activation.bundle).catalog)
        self._parts = []
        self._number += 1
        self._step([Activation(self._number, activation.at_ms, activation.bundle)], told)

    def _act(self, entry: PartitionEntry, told: Told) -> None:
        self._number += 1
        self._step([msgspec.structs.replace(entries.act(entry), pos=self._number)], told)

    def _step(self, records: list[Record], told: Told) -> None:
        self._teller.tell(self._engine.step(records), told, stamp=self._stamp, at_ms=self._at_ms)

    # --- snapshots

    def snapshot(self) -> bytes:
        return snapshot.pack(
            {
                "pos": self.pos,
                "division": [self._division.partitions, self._division.wide, self._division.by],
                "engine": self._engine.snapshot(),
                "ordinal": self._teller.ordinal,
                "progress": [
                    [name, None if one is None else [one.stamp, one.clock_ms, one.marks]]
                    for name, one in self._progress.items()
                ],
                "repeats": self._repeats.state(),
                "seen": list(self._seen.items()),
                "alerts": [encode(alert) for alert in self._alerts],
                "parts": [encode_passed(part) for part in self._parts],
                "activated": self._activated,
                "number": self._number,
                "mark": self._mark,
                "at_ms": self._at_ms,
                "stamp": self._stamp,
            }
        )

    @classmethod
    def restore(cls, data: bytes, division: Division) -> Over:
        """As it was. SnapshotError, RuleErrors: rebuild it from the log then."""
        state: dict[str, Any] = snapshot.unpack(data)
        if state["division"] != [division.partitions, division.wide, division.by]:
            raise snapshot.SnapshotError(f"the snapshot is of a cluster divided otherwise: {state['division']}")
        made = cls(division)
        made._engine = Engine.restore(state["engine"], made._load, downstream=True)
        made._decoder = Decoder(load_bundle(made._engine.ruleset.bundle).catalog)
        made._teller.ordinal = state["ordinal"]
        for name, one in state["progress"]:
            made._progress[name] = None if one is None else Progress(*one)
        made._repeats.load(state["repeats"])
        made._seen = dict(state["seen"])
        made._alerts = [decode(alert) for alert in state["alerts"]]
        made._parts = [decode_passed(part) for part in state["parts"]]
        made._activated, made._number, made._mark = state["activated"], state["number"], state["mark"]
        made._at_ms, made._stamp, made.pos = state["at_ms"], state["stamp"], state["pos"]
        return made


def _comparable(known: list[Progress]) -> list[Progress]:
    """Engines of wide rules speak of alerts only: they do not hold events back."""
    feeds = {feed for one in known for feed in one.marks} - {ALERT_FEED}
    marks = {feed: min((one.marks[feed] for one in known if feed in one.marks), default=NEVER) for feed in feeds}
    return [Progress(one.stamp, one.clock_ms, {**marks, **one.marks}) for one in known]


def _place(alert: Transition) -> tuple[str, str, str, int, int]:
    """The contract's order, as far as the alerts themselves tell it."""
    return alert.at, alert.rule, key_json(alert.key), TYPES.index(alert.type), alert.n
