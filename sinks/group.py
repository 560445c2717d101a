"""A sink on Kafka that several processes share: one consumer group over the partitions of a topic.

Offsets are committed when the sink has what was read: in the store, or on this process's own disk. What was read and not committed
comes again, here or at another process of the group; the sink must know repeats.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from sinks.store.spool import Hole
from sinks.store.stretch import Stretch
from streams.cluster.errors import ForeignRecord
from streams.cluster.record import entry_of, offset_of
from streams.log.errors import LogMismatch

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

_log = logging.getLogger("fengsui")

_FIRST_WAIT_S = 0.5
_MOST_WAIT_S = 30.0
_POLL_MS = 500
#: Of a member that waits for its sink and still has to be heard of.
_STILL_THERE_S = 5.0
_ERROR_CHARS = 400

#: Few large batches: the broker waits for so much, and so long.
_GATHERED: dict[str, Any] = {
    "fetch_min_bytes": 1_000_000,
    "fetch_max_wait_ms": 1_000,
    "max_poll_records": 2_000,
    "max_partition_fetch_bytes": 8_000_000,
    # Longer than the store may take for one answer.
    "max_poll_interval_ms": 900_000,
    "session_timeout_ms": 20_000,
    "heartbeat_interval_ms": 3_000,
    "enable_auto_commit": False,
    # Whatever it means that an offset is not there, it is not passed over in silence.
    "auto_offset_reset": "none",
}


class Sink(Protocol):
    """What a group hands to (:class:`sinks.store.spooled.Spooled`)."""

    def take(self, stretches: Sequence[Stretch]) -> None: ...
    def fill(self, hole: Hole, stretches: Sequence[Stretch]) -> None: ...
    @property
    def holes(self) -> list[Hole]: ...


@dataclass(frozen=True)
class GroupState:
    """How a member fares. ``behind``: records that stand in its partitions and are not taken. Times are epoch ms, 0 is never."""

    name: str
    partitions: tuple[int, ...] = ()
    behind: int = 0
    taken: int = 0
    #: records that are none of ours, and those that the topic let go before they were taken
    foreign: int = 0
    missed: int = 0
    rebalances: int = 0
    failures: int = 0
    error: str = ""
    failing_since_ms: int = 0
    last_success_ms: int = 0
    running: bool = False


class GroupSink:
    """One member. ``connect`` makes a consumer of the cluster with the options it is given; ``forget`` is told of partitions that
    others may have written.

    :meth:`run` returns after :meth:`stop`, with what was in hand taken and committed or left to others, or raises what makes going on
    senseless: NewerRecord, LogMismatch, and what the client says of brokers, topics and rights.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        sink: Sink,
        *,
        group: str,
        connect: Callable[..., KafkaConsumer],
        clock: Callable[[], int],
        forget: Callable[[Collection[int]], object] = lambda _: None,
    ) -> None:
        self._topic = topic
        self._sink = sink
        self._group = group
        self._connect = connect
        self._clock = clock
        self._forget = forget
        self._halt = threading.Event()
        #: counts assignments; what is in hand belongs to one of them
        self._epoch = 0
        self._assigned: tuple[int, ...] = ()
        self._state = GroupState(name)

    @property
    def state(self) -> GroupState:
        return replace(self._state, partitions=self._assigned, rebalances=self._epoch)

    def stop(self) -> None:
        """Asks :meth:`run` to end after what is in hand. From any thread, or a signal's handler."""
        self._halt.set()

    def run(self) -> None:
        consumer = self._connect(group_id=self._group, **_GATHERED)
        try:
            consumer.subscribe([self._topic], listener=_listener(self))
            self._state = replace(self._state, running=True)
            epoch = 0
            while not self._halt.is_set():
                records = self._poll(consumer)
                if epoch != self._epoch:
                    # Others may have written to these since this process last did.
                    epoch = self._epoch
                    self._forget(self._assigned)
                for hole in self._sink.holes:
                    again = list(self._again(hole))
                    if not self._halt.is_set():  # else it was not read to its end
                        self._sink.fill(hole, again)
                if records:
                    self._hand_on(consumer, records)
                self._measure(consumer)
        finally:
            self._state = replace(self._state, running=False)
            consumer.close(autocommit=False)

    def _poll(self, consumer: KafkaConsumer) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

        try:
            return consumer.poll(timeout_ms=_POLL_MS)  # type: ignore[no-any-return]  # the client has no types
        except (NoOffsetForPartitionError, OffsetOutOfRangeError):
            self._begin(consumer)
            return {}

    def _begin(self, consumer: KafkaConsumer) -> None:
        """Where the group has been nowhere yet, or where it was is gone: at the oldest that is kept, which is told."""
        mine = consumer.assignment()
        oldest, ends = consumer.beginning_offsets(mine), consumer.end_offsets(mine)
        for at in mine:
            committed = consumer.committed(at)
            if committed is None:
                consumer.seek(at, oldest[at])
            elif committed > ends[at]:
                raise LogMismatch(
                    f"{at.topic}, partition {at.partition} ends at record {ends[at]}, and group {self._group} has taken {committed}: "
                    "the topic was made anew; give the store a database of its own, and delete the group"
                )
            elif committed < oldest[at]:
                gone = oldest[at] - committed
                self._state = replace(self._state, missed=self._state.missed + gone)
                _log.error(
                    "%s, partition %d: %d records were let go before they were taken: going on at %d",
                    *(at.topic, at.partition, gone, oldest[at]),
                )
                consumer.seek(at, oldest[at])

    # --- a batch

    def _hand_on(self, consumer: KafkaConsumer, records: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """To the sink until it has it, then the offsets; given up where the partitions went to others meanwhile."""
        epoch = self._epoch
        stretches = [one for at, found in records.items() if (one := self._stretch(at.partition, found)).entries]
        wait_s = _FIRST_WAIT_S
        while stretches:
            try:
                self._sink.take(stretches)
                break
            except Exception as error:  # whatever a sink raises is its outage, told by the state
                self._failed(error)
                wait_s = max(wait_s, getattr(error, "retry_after_s", None) or 0.0)
            if not self._wait(consumer, min(wait_s, _MOST_WAIT_S), epoch):
                self._put_back(consumer, records)
                return
            wait_s = min(_MOST_WAIT_S, wait_s * 2)
        if consumer.paused():
            consumer.resume(*consumer.paused())
        self._commit(consumer, records)
        self._state = replace(
            self._state,
            taken=self._state.taken + sum(len(found) for found in records.values()),
            error="",
            failing_since_ms=0,
            last_success_ms=self._clock(),
        )

    def _stretch(self, partition: int, records: Sequence[ConsumerRecord]) -> Stretch:
        entries = []
        for record in records:
            try:
                entries.append(entry_of(record.offset, record.headers, record.value))
            except ForeignRecord as error:
                self._state = replace(self._state, foreign=self._state.foreign + 1)
                _log.error(
                    "%s, partition %d: %s: passed over; who else writes to this topic?", self._topic, partition, error
                )
        return Stretch(partition, entries)

    def _wait(self, consumer: KafkaConsumer, wait_s: float, epoch: int) -> bool:
        """Waits as a living member of the group; False where what is in hand is no longer to be handed on."""
        consumer.pause(*consumer.assignment())
        while wait_s > 0:
            if self._halt.wait(min(wait_s, _STILL_THERE_S)):
                return False
            wait_s -= _STILL_THERE_S
            late = consumer.poll(timeout_ms=0)
            if late:  # of partitions that have just come
                self._put_back(consumer, late)
            if self._epoch != epoch:
                return False
        return True

    def _put_back(self, consumer: KafkaConsumer, records: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """What is still ours of these is read again."""
        mine = consumer.assignment()
        for at, found in records.items():
            if at in mine:
                consumer.seek(at, found[0].offset)
        if consumer.paused():
            consumer.resume(*consumer.paused())

    def _commit(self, consumer: KafkaConsumer, records: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        from kafka.errors import KafkaError
        from kafka.structs import OffsetAndMetadata

        offsets = {at: OffsetAndMetadata(found[-1].offset + 1, "", -1) for at, found in records.items()}
        try:
            consumer.commit(offsets)
        except KafkaError as error:
            # Somebody takes the same once more, and the store will know it.
            _log.warning("%s: offsets were not committed, so what they cover comes again: %s", self._group, error)

    def _failed(self, error: Exception) -> None:
        self._state = replace(
            self._state,
            failures=self._state.failures + 1,
            error=f"{type(error).__name__}: {error}"[:_ERROR_CHARS],
            failing_since_ms=self._state.failing_since_ms or self._clock(),
        )

    def _measure(self, consumer: KafkaConsumer) -> None:
        behind = 0
        for at in consumer.assignment():
            end = consumer.highwater(at)
            if end is not None:
                behind += max(0, end - consumer.position(at))
        self._state = replace(self._state, behind=behind)

    # --- what the sink has lost

    def _again(self, hole: Hole) -> Iterator[Stretch]:
        """The records of a hole, read beside the group, whoever has the partition now."""
        from kafka import TopicPartition

        at = TopicPartition(self._topic, hole.partition)
        consumer = self._connect()
        try:
            consumer.assign([at])
            oldest, end = consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]
            first, last = offset_of(hole.first), min(offset_of(hole.last), end - 1)
            if oldest > first:
                _log.error(
                    "%s, partition %d: records %d to %d are lost: they were damaged on this disk and the topic has them no more",
                    self._topic,
                    hole.partition,
                    first,
                    min(oldest - 1, last),
                )
            consumer.seek(at, max(oldest, first))
            while consumer.position(at) <= last and not self._halt.is_set():
                found = consumer.poll(timeout_ms=_POLL_MS).get(at, [])
                wanted = [record for record in found if record.offset <= last]
                if wanted:
                    yield self._stretch(hole.partition, wanted)
        finally:
            consumer.close(autocommit=False)

    def _moved(self, partitions: Collection[TopicPartition]) -> None:
        self._assigned = tuple(sorted(at.partition for at in partitions))
        self._epoch += 1


def _listener(member: GroupSink) -> Any:
    """Nothing is in hand while the client lets partitions go: it does so inside ``poll``, and every batch is done before that."""
    from kafka import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
        def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
            pass

        def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
            member._moved(assigned)

    return Listener()
