"""A cluster in one process: topics are lists, engines take turns as a seed says, die, and come back from their snapshots."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from events.decode import Decoder
from events.transition import Transition, decode
from rules.model import RuleSet
from streams.cluster.downstream import Downstream
from streams.cluster.over import Over
from streams.cluster.partitioning import homes
from streams.cluster.record import PartitionEntry, Stamped, entry_of, headers_of
from streams.cluster.repeats import Repeats
from streams.cluster.stages import Division
from streams.cluster.told import Told
from streams.cluster.upstream import Upstream
from streams.log.entry import compress, rules_entry, tick_entry

Topic = tuple[str, int]
Machine = Upstream | Downstream | Over
TRANSITIONS: Topic = ("transitions", 0)


@dataclass
class Place:
    """One engine: its input, how far it was read, and its newest snapshot."""

    topic: Topic
    make: Callable[[], Machine]
    restore: Callable[[bytes], Machine]
    machine: Machine
    saved: bytes | None = None


@dataclass
class Cluster:
    """``division``: of the work. Everything that is random follows from ``rng``."""

    division: Division
    rng: random.Random
    crashes: float = 0.0
    topics: dict[Topic, list[PartitionEntry]] = field(default_factory=lambda: defaultdict(list))
    places: list[Place] = field(default_factory=list)
    deaths: int = 0
    _stamp: int = 0

    def __post_init__(self) -> None:
        d = self.division
        for number in range(d.partitions):
            self._place(
                ("events", number), lambda n=number: Upstream(n, d), lambda b, n=number: Upstream.restore(b, n, d)
            )
        for number in range(d.wide):
            self._place(
                ("wide", number), lambda n=number: Downstream(n, d), lambda b, n=number: Downstream.restore(b, n, d)
            )
        self._place(TRANSITIONS, lambda: Over(d), lambda b: Over.restore(b, d))

    def _place(self, topic: Topic, make: Callable[[], Machine], restore: Callable[[bytes], Machine]) -> None:
        self.places.append(Place(topic, make, restore, make()))

    # --- the door

    def activate(self, ruleset: RuleSet, at_ms: int) -> None:
        entry = rules_entry(ruleset.bundle, at_ms=at_ms)
        self._to_all(Stamped("rules", 1, at_ms, entry.payload, self._stamps(at_ms, 1)))

    def tick(self, at_ms: int) -> None:
        self._to_all(Stamped("tick", 1, at_ms, tick_entry(at_ms).payload, self._stamps(at_ms, 1)))

    def post(self, lines: Sequence[bytes], subjects: Sequence[str | None], at_ms: int) -> None:
        """One body: divided by subject, every event with the stamp of its place in it."""
        stamps = self._stamps(at_ms, len(lines))
        at = homes(pl.Series(subjects, dtype=pl.String), self.division.partitions)
        for partition in np.unique(at).tolist():
            rows = np.flatnonzero(at == partition)
            body = compress(b"".join(lines[row] + b"\n" for row in rows.tolist()))
            self.append(("events", partition), Stamped("events", len(rows), at_ms, body, stamps[rows]))

    def _to_all(self, entry: Stamped) -> None:
        for partition in range(self.division.partitions):
            self.append(("events", partition), entry)

    def _stamps(self, at_ms: int, count: int) -> Any:
        first = max(self._stamp + 1, at_ms << 20)
        self._stamp = first + count - 1
        return np.arange(first, first + count, dtype=np.int64)

    # --- the broker

    def append(self, topic: Topic, entry: Stamped) -> None:
        """Through the form that it has in Kafka."""
        log = self.topics[topic]
        log.append(entry_of(len(log), headers_of(entry), entry.payload))

    def tell(self, told: Told, *, torn: bool = False) -> None:
        """``torn``: the worker dies before all of it is there; of each topic a beginning is."""
        for topic, some in ((TRANSITIONS, told.over), *((("wide", n), one) for n, one in told.wide.items())):
            end = self.rng.randint(0, len(some)) if torn else len(some)
            for entry in some[:end]:
                self.append(topic, entry)

    # --- the workers

    def run(self) -> None:
        """Until everybody has read everything, and that all say how far they have come makes nobody tell anything more."""
        quiet = 0
        while quiet < 4:
            before = self._told()
            while behind := [place for place in self.places if self._left(place)]:
                self._turn(self.rng.choice(behind))
            quiet = quiet + 1 if self._told() == before else 0
            for place in self.places:
                self._say(place)

    def _told(self) -> int:
        return sum(entry.kind != "frontier" for log in self.topics.values() for entry in log)

    def _left(self, place: Place) -> int:
        log = self.topics[place.topic]
        return len(log) - self._offset(place)

    def _offset(self, place: Place) -> int:
        return 0 if place.machine.pos < 0 else (place.machine.pos >> 20) + 1

    def _turn(self, place: Place) -> None:
        offset = self._offset(place)
        some = self.topics[place.topic][offset : offset + self.rng.choice([1, 2, 5, 50])]
        if not some:
            return
        torn = self.rng.random() < self.crashes
        self.tell(place.machine.take(some), torn=torn)
        if torn:
            self.deaths += 1
            place.machine = place.make() if place.saved is None else place.restore(place.saved)
            return
        if self.rng.random() < 0.3:
            self._say(place)
        if self.rng.random() < 0.1:
            place.saved = place.machine.snapshot()

    def _say(self, place: Place) -> None:
        if not isinstance(place.machine, Over):
            self.tell(place.machine.frontier())

    # --- what readers see

    def transitions(self) -> list[Transition]:
        """Without repeats, in the order of the topic."""
        repeats = Repeats()
        return [
            decode(entry.payload)
            for entry in self.topics[TRANSITIONS]
            if entry.kind == "transition" and repeats.is_new(entry.origin, entry.ordinal)
        ]


def on_time(events: Sequence[Mapping[str, Any]], ruleset: RuleSet) -> list[Mapping[str, Any]]:
    """Without what would come too late, and without repeats, where each is received when the latest so far happened."""
    clock = -(1 << 60)
    seen: dict[str, int] = {}
    ids: set[tuple[str, str]] = set()
    kept = []
    for event in events:
        feed = ruleset.catalog.feeds[event["feed"]]
        time = event["time"]
        mark = max(seen.get(feed.name, -(1 << 60)), clock - feed.idle_ms) - feed.lateness_ms
        name = event["source"], event["id"]
        if time < mark or name in ids:
            continue
        ids.add(name)
        kept.append(event)
        clock = max(clock, time)
        seen[feed.name] = max(seen.get(feed.name, time), time)
    return kept


def decoder_of(ruleset: RuleSet) -> Decoder:
    return Decoder(ruleset.catalog)
