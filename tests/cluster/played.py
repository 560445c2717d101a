"""Events into a cluster as its doors write them, and the transitions that came out, as its readers see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from events.transition import Transition, decode
from rules.model import RuleSet
from streams.cluster.address import Address
from streams.cluster.identity import Identity
from streams.cluster.partitioning import homes
from streams.cluster.producer import Producer
from streams.cluster.reader import PartitionReader
from streams.cluster.record import Stamped
from streams.cluster.repeats import Repeats
from streams.cluster.stamps import Stamper
from streams.cluster.topology import EVENTS, TRANSITIONS
from streams.log.entry import compress, rules_entry


class Sender:
    """One door, without its checks: what is sent was decoded before. ``keep``: nothing is sent before :meth:`send`."""

    def __init__(self, address: Address, identity: Identity, *, keep: bool = False) -> None:
        self._kept: list[tuple[int, Stamped]] | None = [] if keep else None
        self._topic = address.topic(EVENTS)
        self._partitions = identity.partitions
        self._producer = Producer(address, {self._topic: identity.partitions}, buffer_bytes=1 << 30)
        self._stamper = Stamper()

    def activate(self, ruleset: RuleSet, at_ms: int) -> None:
        entry = rules_entry(ruleset.bundle, at_ms=at_ms)
        self._everywhere(Stamped("rules", 1, at_ms, entry.payload, self._stamper.take(at_ms, 1)))

    def tick(self, at_ms: int) -> None:
        self._everywhere(Stamped("tick", 1, at_ms, b"", self._stamper.take(at_ms, 1)))

    def post(self, lines: Sequence[bytes], subjects: Sequence[str | None], at_ms: int) -> None:
        stamps = self._stamper.take(at_ms, len(lines))
        at = homes(pl.Series(subjects, dtype=pl.String), self._partitions)
        for partition in np.unique(at).tolist():
            rows = np.flatnonzero(at == partition)
            body = compress(b"".join(lines[row] + b"\n" for row in rows.tolist()))
            self._submit(partition, Stamped("events", len(rows), at_ms, body, stamps[rows]))

    def send(self) -> None:
        """What was kept, as fast as it goes."""
        kept, self._kept = self._kept or [], None
        for partition, entry in kept:
            self._submit(partition, entry)

    def _submit(self, partition: int, entry: Stamped) -> None:
        if self._kept is not None:
            self._kept.append((partition, entry))
        else:
            self._producer.submit(self._topic, partition, entry)

    def _everywhere(self, entry: Stamped) -> None:
        for one in [self._producer.submit(self._topic, n, entry) for n in range(self._partitions)]:
            one.result(60)

    def close(self) -> None:
        self._producer.close()


class Listener:
    """Follows the topic of the transitions, without repeats."""

    def __init__(self, address: Address) -> None:
        self._reader = PartitionReader(address, address.topic(TRANSITIONS), 0)
        self._repeats = Repeats()
        self._pos = -1
        self.heard: list[Transition] = []

    @property
    def repeats(self) -> int:
        """Transitions that were told again and dropped."""
        return self._repeats.count

    def listen(self, done: Callable[[list[Transition]], bool], *, within_s: float) -> list[Transition]:
        """Until ``done`` holds of what was heard; AssertionError where it does not in time."""
        import time

        deadline = time.monotonic() + within_s
        while True:
            self.catch_up()
            if done(self.heard):
                return self.heard
            assert time.monotonic() < deadline, f"not within {within_s} s; {len(self.heard)} transitions"
            self._reader.wait(self._pos, 0.2)

    def catch_up(self) -> None:
        while read := self._reader.read(self._pos):
            self._pos = read[-1].pos
            for entry in read:
                if entry.kind == "transition" and self._repeats.is_new(entry.origin, entry.ordinal):
                    self.heard.append(decode(entry.payload))

    def close(self) -> None:
        self._reader.close()
