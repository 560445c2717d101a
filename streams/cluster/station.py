"""One engine of a cluster at work: restored, fed, its outputs appended, its snapshots written. The worker's threads run it.

Nothing is lost or told twice, whenever the process dies: a snapshot at S is durable only when all that was told up to S is, and
only then may the consumer commit up to S. Whoever takes the partition over restores at S and tells again what came after; the
numbers of transitions, and the positions of what is passed on, let every reader drop what it has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from rules.errors import RuleErrors
from streams.cluster.address import Address
from streams.cluster.downstream import Downstream
from streams.cluster.over import Over
from streams.cluster.producer import Producer
from streams.cluster.reader import PartitionReader
from streams.cluster.record import PartitionEntry, Stamped, first_position, offset_of
from streams.cluster.snapshots import SnapshotTopic
from streams.cluster.stages import Division, Stage
from streams.cluster.told import Told
from streams.cluster.topology import EVENTS, TRANSITIONS, WIDE
from streams.cluster.upstream import Upstream
from streams.embedded import SnapshotPolicy
from streams.log.errors import LogError
from streams.metrics import Metrics
from streams.snapshot import SnapshotError

_log = logging.getLogger("fengsui.worker")

Machine = Upstream | Downstream | Over
_ACKNOWLEDGED_S = 60.0
#: How often others are told how far an engine has come, at most.
_SAY_S = 0.1
#: A snapshot may take this part of the engine's time.
_SNAPSHOT_PART = 0.02
_TOPIC: dict[Stage, str] = {"events": EVENTS, "wide": WIDE, "over": TRANSITIONS}


class Station:
    """``stage`` and ``partition`` say which. Used by one thread at a time; :meth:`open` before anything else."""

    def __init__(
        self,
        stage: Stage,
        partition: int,
        division: Division,
        address: Address,
        producer: Producer,
        *,
        version: str,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        policy: SnapshotPolicy | None = None,
    ) -> None:
        self.name = "over" if stage == "over" else f"{stage}-{partition}"
        self.topic = address.topic(_TOPIC[stage])
        self.partition = partition
        self._stage = stage
        self._division = division
        self._address = address
        self._producer = producer
        self._metrics = metrics
        self._clock = clock
        self._policy = policy or SnapshotPolicy()
        number = {"events": 0, "wide": division.partitions, "over": division.partitions + division.wide}[stage]
        self._snapshots = SnapshotTopic(address, number + partition, producer, version=version)
        self._machine = self._made()
        self.snapshot_pos = -1
        self._saved_s = clock()
        self._took_s = 0.0
        self._said_s = 0.0
        self._unsaid = False
        self.restore_s = 0.0
        self.warnings: list[str] = []

    @property
    def pos(self) -> int:
        """The position up to which everything was taken."""
        return self._machine.pos

    @property
    def machine(self) -> Machine:
        return self._machine

    # --- restoring

    def open(self, offset: int) -> None:
        """Brings it to where the partition's record ``offset`` is the next to take: from a snapshot, and the log after it.

        NewerRecord, LogError.
        """
        began_s = self._clock()
        target = first_position(offset) - 1
        refused: list[str] = []
        for saved in self._snapshots.load():
            try:
                self._machine = self._restored(saved.body)
            except (SnapshotError, RuleErrors, KeyError, TypeError, ValueError) as error:
                refused.append(f"{self.name}: the snapshot of Fengsui {saved.version} cannot be read: {error}")
                continue
            self.snapshot_pos = saved.pos
            break
        else:
            self._machine = self._made()
        for text in (*self._snapshots.unusable, *refused):
            _log.warning("%s", text)
        if refused and self.snapshot_pos < 0:
            _log.warning("%s is built anew from its log, which takes longer", self.name)
        self.warnings = refused
        if self._machine.pos < target:
            self._catch_up(target)
        self._saved_s = self._clock()
        self.restore_s = self._saved_s - began_s
        _log.info("%s restored at %d in %.1f s", self.name, offset_of(self._machine.pos), self.restore_s)

    def _catch_up(self, target: int) -> None:
        """What lies between the snapshot and the consumer's place: the consumer had come further than any snapshot that is left."""
        with PartitionReader(self._address, self.topic, self.partition) as reader:
            if (
                reader.oldest > self._machine.pos + 1
                and offset_of(reader.oldest) > offset_of(max(self._machine.pos, 0)) + 1
            ):
                self.warnings.append(
                    f"{self.name}: its log begins at record {offset_of(reader.oldest)}: alerts that were opened before are not "
                    "followed any more"
                )
                _log.warning("%s", self.warnings[-1])
            while self._machine.pos < target:
                read = reader.read(self._machine.pos)
                if not read:
                    return
                self.take([entry for entry in read if entry.pos <= target])
                if read[-1].pos > target:
                    return

    def _made(self) -> Machine:
        match self._stage:
            case "events":
                return Upstream(self.partition, self._division)
            case "wide":
                return Downstream(self.partition, self._division)
            case _:
                return Over(self._division)

    def _restored(self, body: bytes) -> Machine:
        match self._stage:
            case "events":
                return Upstream.restore(body, self.partition, self._division)
            case "wide":
                return Downstream.restore(body, self.partition, self._division)
            case _:
                return Over.restore(body, self._division)

    # --- at work

    def take(self, entries: Sequence[PartitionEntry]) -> None:
        """Judges entries, and appends what comes of them; durable when it returns. LogError."""
        began_s = time.perf_counter()
        told = self._machine.take(entries)
        self._append(told)
        self._unsaid = True
        self._count(told, sum(entry.count for entry in entries), time.perf_counter() - began_s)
        self.say()

    def say(self, *, now: bool = False) -> None:
        """Tells those downstream how far it has come, now and then."""
        if isinstance(self._machine, Over) or not self._unsaid:
            return
        if not now and self._clock() - self._said_s < _SAY_S:
            return
        self._append(self._machine.frontier())
        self._said_s, self._unsaid = self._clock(), False

    def _append(self, told: Told) -> None:
        transitions, wide = self._address.topic(TRANSITIONS), self._address.topic(WIDE)
        sent = [self._send(transitions, 0, entry) for entry in told.over]
        for partition, entries in told.wide.items():
            sent += [self._send(wide, partition, entry) for entry in entries]
        for one in sent:
            one.result(_ACKNOWLEDGED_S)

    def _send(self, topic: str, partition: int, entry: Stamped) -> Future[int]:
        deadline = time.monotonic() + _ACKNOWLEDGED_S
        while True:
            try:
                return self._producer.submit(topic, partition, entry)
            except LogError as error:
                if not error.retryable or time.monotonic() > deadline:
                    raise
                time.sleep(min(error.retry_after_s or 1.0, 1.0))

    def _count(self, told: Told, positions: int, took_s: float) -> None:
        self._metrics.step_seconds.observe(took_s)
        self._metrics.stepped.inc(positions)
        self._metrics.fates(told.fates)
        self._metrics.transitions((one.domain, one.severity, one.type) for one in told.transitions)
        if isinstance(self._machine, Upstream):
            for feed, (_, newest_ms, _) in self._machine.progress().feeds.items():
                self._metrics.newest(self.name, feed, newest_ms)

    # --- snapshots

    @property
    def due(self) -> bool:
        """Is it time for a snapshot?"""
        positions = self._machine.pos - self.snapshot_pos
        age_s = self._clock() - self._saved_s
        if positions <= 0 or age_s < self._took_s / _SNAPSHOT_PART:
            return False
        policy = self._policy
        return age_s >= policy.seconds

    def save(self) -> int:
        """Writes a snapshot; the position that it covers, up to which the consumer may commit now. LogError."""
        if self._machine.pos > self.snapshot_pos:
            began_s = self._clock()
            self.say(now=True)
            self._snapshots.save(self._machine.pos, self._machine.snapshot())
            self.snapshot_pos = self._machine.pos
            self._took_s = self._clock() - began_s
            self._metrics.snapshot_seconds.observe(self._took_s)
        self._saved_s = self._clock()
        return self.snapshot_pos
