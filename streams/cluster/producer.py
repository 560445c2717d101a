"""Writes entries to partitions: acknowledged by every replica in sync, once, and in order within a partition."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from typing import Self

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from streams.cluster.address import Address
from streams.cluster.client import named as named_error
from streams.cluster.client import naming, producer
from streams.cluster.errors import Backlogged, TooFewPartitions
from streams.cluster.record import Stamped, headers_of
from streams.log.errors import LogClosed, LogError

#: What waits for acknowledgement at most, in bytes of values.
_BUFFER_BYTES = 64 << 20
#: How long a record may be on its way, with all attempts; while a broker restarts or a leader moves it waits.
_DELIVERY_S = 30.0
#: A record costs this much beside its value, about.
_RECORD_BYTES = 256
_CLOSE_S = 10.0
#: After a failed attempt at new contact, the next is made no sooner.
_OUTAGE_S = 2.0


class Producer:
    """Thread-safe. ``topics`` (name -> partitions) are those that it will be asked for: they must be there when it opens.

    ``buffer_bytes`` bounds what is under way; ``delivery_s`` how long an acknowledgement is waited for. What could not be
    acknowledged in time may be there all the same: whoever writes it again makes a second record of it.
    """

    def __init__(
        self,
        address: Address,
        topics: dict[str, int],
        *,
        buffer_bytes: int = _BUFFER_BYTES,
        delivery_s: float = _DELIVERY_S,
    ) -> None:
        self.address = address
        self._topics = topics
        self._buffer_bytes = buffer_bytes
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False
        self._delivery_s = delivery_s
        #: the client that gave up a record: it may never send again, and is replaced
        self._spent: KafkaProducer | None = None
        #: one thread makes a new client, the others wait for it; what the last attempt failed by, and until when that holds
        self._renewing = threading.Lock()
        self._outage: tuple[LogError, float] | None = None
        #: how often something was refused because too much was under way
        self.refusals = 0
        self._client = self._new_client()
        # Futures are settled in a thread of our own: what waits for them may write again, and Kafka's must not wait for itself.
        self._settled: queue.SimpleQueue[tuple[Future[int], int, object] | None] = queue.SimpleQueue()
        self._settler = threading.Thread(target=self._settle, name="kafka-acknowledged", daemon=True)
        self._settler.start()

    def _new_client(self) -> KafkaProducer:
        client = producer(
            self.address,
            delivery_timeout_ms=int(self._delivery_s * 1000),
            max_block_ms=int(self._delivery_s * 1000),
            # One record is a batch of events already; small ones (ticks, acts) share what is sent.
            batch_size=256 << 10,
        )
        try:
            for topic, wanted in self._topics.items():
                with naming(self.address, topic):
                    there = client.partitions_for(topic)
                if len(there) < wanted:
                    raise TooFewPartitions(
                        f"topic {topic} at {self.address.brokers} has {len(there)} partitions, {wanted} are written to: run "
                        f"`fengsui topics apply --log {self.address}`"
                    )
        except BaseException:
            _give_up(client, 0.0)
            raise
        return client

    def _usable(self) -> KafkaProducer:
        """The client, or a new one where the last gave up a record; what it had under way fails."""
        if self._client is not self._spent:
            return self._client
        with self._renewing:
            if self._client is self._spent and not self._closed:
                if self._outage is not None and time.monotonic() < self._outage[1]:
                    raise self._outage[0]
                _give_up(self._client, 0.0)
                try:
                    self._client = self._new_client()
                except LogError as error:
                    self._outage = (error, time.monotonic() + _OUTAGE_S)
                    raise
                self._spent, self._outage = None, None
        return self._client

    def check_room(self, nbytes: int) -> None:
        """Backlogged at once where ``nbytes`` more would be too much under way."""
        with self._lock:
            # What is larger than the bound may go alone.
            if self._under_way and self._under_way + nbytes > self._buffer_bytes:
                self.refusals += 1
                raise Backlogged(
                    f"{self.address.brokers} acknowledges too slowly: {self._under_way} bytes are under way, {nbytes} more were "
                    "asked for; look at the brokers' load, and whether enough replicas are in sync"
                )

    def submit(self, topic: str, partition: int, entry: Stamped, *, key: bytes | None = None) -> Future[int]:
        """Writes an entry; the future's result is the record's offset, its error a named one. Futures of one partition are done in order.

        Raises Backlogged, LogClosed, BrokerUnreachable, RecordTooLarge at once. ``key``: in compacted topics, what it replaces.
        """
        return self.send(topic, partition, entry.payload, headers=headers_of(entry), key=key)

    def send(
        self,
        topic: str,
        partition: int,
        value: bytes | None,
        *,
        headers: list[tuple[str, bytes]] | None = None,
        key: bytes | None = None,
    ) -> Future[int]:
        """As :meth:`submit`, for values that are no entries."""
        assert topic in self._topics, topic
        nbytes = len(value or b"") + len(key or b"") + _RECORD_BYTES
        self.check_room(nbytes)
        done: Future[int] = Future()
        with self._lock:
            if self._closed:
                raise LogClosed(f"{topic}: the producer is closed")
            self._under_way += nbytes
        try:
            client = self._usable()
            sent = client.send(topic, value, key=key, headers=headers, partition=partition)
        except (LogError, kafka_errors.KafkaError, ValueError) as error:
            self._landed(nbytes)
            if isinstance(error, ValueError):
                error = kafka_errors.InvalidPartitionsError(str(error))
            raise named_error(error, self.address, topic) from error
        sent.add_callback(lambda metadata: self._settled.put((done, nbytes, metadata.offset)))
        sent.add_errback(lambda error: self._failed(client, done, nbytes, error, topic))
        return done

    def _failed(self, client: KafkaProducer, done: Future[int], nbytes: int, error: BaseException, topic: str) -> None:
        # Where a record is given up, Kafka's client gives up its place with the broker, too, and does not always find a new one.
        self._spent = client
        self._settled.put((done, nbytes, named_error(error, self.address, topic)))

    def _landed(self, nbytes: int) -> None:
        with self._lock:
            self._under_way -= nbytes
            assert self._under_way >= 0

    def _settle(self) -> None:
        while (settled := self._settled.get()) is not None:
            done, nbytes, outcome = settled
            self._landed(nbytes)
            if isinstance(outcome, LogError):
                done.set_exception(outcome)
            else:
                assert isinstance(outcome, int)
                done.set_result(outcome)

    @property
    def under_way(self) -> int:
        """Bytes that wait for their acknowledgement."""
        return self._under_way

    def close(self) -> None:
        """Waits for what is under way, 10 s at most; what is not acknowledged then fails. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with self._renewing:
            _give_up(self._client, _CLOSE_S)
        self._settled.put(None)
        self._settler.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _give_up(client: KafkaProducer, timeout_s: float) -> None:
    """Closes a client; what is not acknowledged within the time fails."""
    try:
        client.close(timeout_s)
    except kafka_errors.KafkaTimeoutError:
        client._unregister_cleanup()
        client._sender.force_close()
        client._sender.join(_CLOSE_S)
        client._closed = True
