"""Reads one partition of a topic as a log: entries in order, waiting for more, and how far named readers have come."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors

from streams.cluster.address import Address
from streams.cluster.client import consumer, naming
from streams.cluster.errors import BrokerUnreachable, ForeignRecord, NewerRecord, TopicMissing
from streams.cluster.record import PartitionEntry, entry_of, first_position, offset_of
from streams.log.errors import LogClosed, LogMismatch

_log = logging.getLogger("fengsui.cluster")

#: Fetched at a time; a larger record still comes, alone.
_FETCH_BYTES = 16 << 20
_FETCH_RECORDS = 2_000
#: How long records that are known to be there are waited for.
_PATIENCE_S = 10.0
_ONCE_MS = 200


class PartitionReader:
    """One partition, read from any position. Thread-safe, but made for one reader.

    Positions are those of :mod:`streams.cluster.record`: they begin at 0, so -1 is before everything. A reader stands at the
    last position of a record. ``newest`` and ``oldest`` are as of the last look at the broker. Records that are none of ours are counted and passed over.

    Raises TopicMissing, BrokerUnreachable and their like on opening.
    """

    def __init__(self, address: Address, topic: str, partition: int) -> None:
        self.address = address
        self.topic = topic
        self.partition = partition
        self._partition = TopicPartition(topic, partition)
        self._lock = threading.Lock()
        self._closed = False
        #: read, and not yet handed on
        self._buffer: deque[PartitionEntry] = deque()
        #: what the buffer begins after: the position handed on last, or asked for
        self._at: int | None = None
        #: the next record that will be fetched
        self._next = 0
        self._groups: dict[str, KafkaConsumer] = {}
        #: records that were none of ours
        self.foreign = 0
        #: records that were let go before they were read
        self.missed = 0
        self._client = consumer(
            address,
            fetch_max_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=_FETCH_BYTES,
            max_poll_records=_FETCH_RECORDS,
        )
        try:
            with self._named():
                if partition not in (self._client.partitions_for_topic(topic) or ()):
                    raise TopicMissing(
                        f"{topic} at {address.brokers} has no partition {partition}: run `fengsui topics apply --log {address}`"
                    )
                self._client.assign([self._partition])
                self._begin: int = self._client.beginning_offsets([self._partition])[self._partition]
                self._end: int = self._client.end_offsets([self._partition])[self._partition]
        except BaseException:
            self._client.close(autocommit=False)
            raise

    @property
    def newest(self) -> int:
        """Where a reader that has come to the end stands; beyond where it stands while there is more. -1 of an empty partition."""
        if self._at is not None and self._next >= self._end and not self._buffer:
            return self._at
        return first_position(self._end - 1) if self._end else -1

    @property
    def oldest(self) -> int:
        """The least position that is kept."""
        return first_position(self._begin)

    @property
    def end(self) -> int:
        """The offset that the next record will get."""
        return self._end

    def refresh(self) -> None:
        """Looks at the broker for what is kept now."""
        with self._lock, self._named():
            self._look()

    def read(self, after: int, max_events: int = 20_000, max_bytes: int = 32 << 20) -> list[PartitionEntry]:
        """Entries after a position, in order, up to the bounds (events, bytes of values); none where the end is reached.

        Where the broker has let go of what comes next, reading goes on with the oldest that is kept, and ``missed`` says how much
        is gone. NewerRecord, LogMismatch (the position is of another log), BrokerUnreachable, LogClosed.
        """
        with self._lock, self._named():
            self._move(after)
            deadline = time.monotonic() + _PATIENCE_S
            while not self._buffer and self._next < self._end:
                self._fetch(_ONCE_MS)
                if time.monotonic() > deadline:
                    raise BrokerUnreachable(
                        f"{self._where}: record {self._next} of {self._end} does not come: check that the brokers run"
                    )
            if not self._buffer:
                self._fetch(0)
            entries: list[PartitionEntry] = []
            events = nbytes = 0
            while self._buffer:
                entry = self._buffer[0]
                events += entry.count
                nbytes += len(entry.payload)
                if entries and (events > max_events or nbytes > max_bytes):
                    break
                entries.append(self._buffer.popleft())
            if entries:
                self._at = entries[-1].pos
            return entries

    def wait(self, after: int, timeout_s: float) -> bool:
        """Waits until there is something after ``after``; False where nothing came in time, or the reader was closed."""
        deadline = time.monotonic() + timeout_s
        while not self._closed:
            left_s = deadline - time.monotonic()
            with self._lock, self._named():
                self._move(after)
                if not self._buffer:
                    self._fetch(int(1000 * max(0.0, min(left_s, _ONCE_MS / 1000))))
                if self._buffer:
                    return True
            if left_s <= 0:
                return False
        return False

    # --- named readers: a group each, which never rebalances

    def register(self, name: str) -> int:
        """Where a named reader stands: before the oldest entry when it is new."""
        return self.committed(name)

    def committed(self, name: str) -> int:
        """The position up to which a named reader has dealt with everything; -1 for a new one."""
        with self._lock, self._named():
            offset = self._group(name).committed(self._partition)
        return first_position(offset or 0) - 1

    def commit(self, name: str, pos: int) -> None:
        """A named reader has dealt with everything up to ``pos``, the last position of a record."""
        with self._lock, self._named():
            offset = OffsetAndMetadata(offset_of(pos) + 1, "", -1)
            self._group(name).commit({self._partition: offset})

    def _group(self, name: str) -> KafkaConsumer:
        if self._closed:
            raise LogClosed(f"{self._where}: the reader is closed")
        if name not in self._groups:
            client = consumer(self.address, group_id=f"{self.address.name}-{name}")
            client.assign([self._partition])
            self._groups[name] = client
        return self._groups[name]

    # --- under the lock

    @property
    def _where(self) -> str:
        return f"{self.topic}-{self.partition} at {self.address.brokers}"

    @contextmanager
    def _named(self) -> Iterator[None]:
        if self._closed:
            raise LogClosed(f"{self._where}: the reader is closed")
        with naming(self.address, f"{self.topic}-{self.partition}"):
            yield

    def _move(self, after: int) -> None:
        """Makes the buffer begin after a position."""
        after = max(after, -1)
        if self._at == after:
            return
        self._buffer.clear()
        # The place says where in its record a reader stands: the record is read again, and passed over where it was the last.
        self._next = max(offset_of(after), 0)
        if self._next > self._end:
            self._look()
            self._check_reach()
        self._at = after
        self._client.seek(self._partition, self._next)

    def _fetch(self, timeout_ms: int) -> None:
        try:
            records = self._client.poll(timeout_ms, max_records=_FETCH_RECORDS).get(self._partition, ())
        except (kafka_errors.OffsetOutOfRangeError, kafka_errors.NoOffsetForPartitionError):
            self._out_of_range()
            return
        assert self._at is not None
        for record in records:
            try:
                entry = entry_of(record.offset, record.headers, record.value)
            except ForeignRecord as error:
                self._pass_over(error)
                continue
            except NewerRecord as error:
                # What stands before it is handed on first; then it is met again.
                self._next = record.offset
                self._client.seek(self._partition, self._next)
                if self._buffer:
                    return
                raise NewerRecord(f"{self._where}: {error}") from None
            if entry.pos > self._at:
                self._buffer.append(entry)
        # Not the last record's offset: what the broker keeps between records for itself is passed, too.
        self._next = self._client.position(self._partition)
        seen = self._client.highwater(self._partition)
        self._end = max(self._end, self._next, seen or 0)

    def _pass_over(self, error: ForeignRecord) -> None:
        self.foreign += 1
        if self.foreign == 1:
            _log.error(
                "%s: %s: another program writes to this topic; its records are passed over, and only counted from now on",
                self._where,
                error,
            )

    def _out_of_range(self) -> None:
        self._look()
        if self._begin <= self._next <= self._end:
            return  # it is in reach by now
        self._check_reach()
        gone = self._begin - self._next
        self.missed += gone
        _log.error("%s: %d records were let go before they were read; going on at %d", self._where, gone, self._begin)
        self._next = self._begin
        self._client.seek(self._partition, self._next)

    def _check_reach(self) -> None:
        if self._next > self._end:
            self._at = None
            raise LogMismatch(
                f"{self._where} ends at record {self._end}, and {self._next} was asked for: the topic was made anew, or this reader "
                "belongs to another cluster"
            )

    def _look(self) -> None:
        self._begin = self._client.beginning_offsets([self._partition])[self._partition]
        self._end = self._client.end_offsets([self._partition])[self._partition]

    # --- the end

    def close(self) -> None:
        """May be called twice."""
        self._closed = True
        with self._lock:
            clients: Sequence[KafkaConsumer] = [self._client, *self._groups.values()]
            self._groups = {}
        for client in clients:
            client.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
