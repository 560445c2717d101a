"""Writing to a partition and reading it: acknowledged is there, once and in order, whatever happens to the broker."""

from __future__ import annotations

import contextlib
import logging
import threading
import time

import msgspec
import numpy as np
import pytest

from streams.cluster.address import parse_address
from streams.cluster.client import admin
from streams.cluster.errors import (
    Backlogged,
    BrokerUnreachable,
    NewerRecord,
    RecordTooLarge,
    TooFewPartitions,
    TopicMissing,
)
from streams.cluster.producer import Producer
from streams.cluster.reader import PartitionReader
from streams.cluster.record import VERSION, Stamped, first_position, headers_of
from streams.cluster.topics import apply, plan
from streams.log.entry import tick_entry
from streams.log.errors import LogClosed, LogMismatch
from tests.cluster.kafka_broker import KafkaBroker


def stamped(number: int, *, count: int = 1, payload: bytes = b"") -> Stamped:
    kind = "tick" if count == 1 else "events"
    return Stamped(kind, count, 1000 + number, payload, np.arange(number, number + count, dtype=np.int64))


def numbers(entries) -> list[int]:
    return [entry.at_ms - 1000 for entry in entries]


@pytest.fixture
def events(made):
    address, identity = made()
    topic = address.topic("events")
    with Producer(address, {topic: identity.partitions}) as producer:
        yield address, topic, producer


def test_what_is_written_is_read(events):
    """Entries come as they went, with positions by record and place, and stamps with and without gaps."""
    address, topic, producer = events
    ragged = msgspec.structs.replace(stamped(5, count=3, payload=b"zstd"), stamps=np.array([5, 9, 10], np.int64))
    offsets = [producer.submit(topic, 1, entry).result(30) for entry in (stamped(1), ragged, stamped(20, count=4))]
    assert offsets == [0, 1, 2]
    with PartitionReader(address, topic, 1) as reader:
        read = reader.read(-1)
        assert [(e.kind, e.count, e.first, e.pos) for e in read] == [
            ("tick", 1, 0, 0),
            ("events", 3, first_position(1), first_position(1) + 2),
            ("events", 4, first_position(2), first_position(2) + 3),
        ]
        assert read[1].payload == b"zstd"
        assert [e.stamps.tolist() for e in read] == [[1], [5, 9, 10], [20, 21, 22, 23]]
        assert reader.newest == read[-1].pos
        assert reader.read(reader.newest) == []
    with PartitionReader(address, topic, 0) as empty:
        assert (empty.newest, empty.oldest, empty.read(-1)) == (-1, 0, [])


def test_reading_begins_anywhere(events):
    """After any record's end, and inside one, which then comes whole; in stretches as small as one asks."""
    address, topic, producer = events
    for number in range(1, 40, 4):
        producer.submit(topic, 0, stamped(number, count=4, payload=b"x" * 100)).result(30)
    with PartitionReader(address, topic, 0) as reader:
        whole = reader.read(-1)
        assert numbers(whole) == list(range(1, 40, 4))
        for at in (3, 0, 8):
            assert numbers(reader.read(whole[at].pos)) == numbers(whole[at + 1 :])
            assert numbers(reader.read(whole[at].pos - 1)) == numbers(whole[at:])
        after, stretches = -1, []
        while stretch := reader.read(after, max_events=8):
            stretches.append(numbers(stretch))
            after = stretch[-1].pos
        assert stretches == [[1, 5], [9, 13], [17, 21], [25, 29], [33, 37]]
        assert [numbers(reader.read(-1, max_bytes=350))] == [[1, 5, 9]]


def test_a_reader_waits_for_more(events):
    """It wakes when something comes, and not before; closing ends a wait."""
    address, topic, producer = events
    reader = PartitionReader(address, topic, 0)
    began = time.monotonic()
    assert not reader.wait(-1, 0.3)
    assert time.monotonic() - began >= 0.25
    threading.Timer(0.3, lambda: producer.submit(topic, 0, stamped(1))).start()
    assert reader.wait(-1, 30)
    assert numbers(reader.read(-1)) == [1]
    assert not reader.wait(reader.newest, 0.1)
    threading.Timer(0.3, reader.close).start()
    began = time.monotonic()
    with contextlib.suppress(LogClosed):
        reader.wait(reader.newest, 30)
    assert time.monotonic() - began < 10
    with pytest.raises(LogClosed):
        reader.read(-1)


def test_named_readers_know_how_far_they_came(events):
    """By name, over restarts; a new one stands before everything."""
    address, topic, producer = events
    for number in (1, 2, 3):
        producer.submit(topic, 0, stamped(number, count=2)).result(30)
    with PartitionReader(address, topic, 0) as reader:
        assert reader.register("store") == -1
        read = reader.read(-1)
        reader.commit("store", read[1].pos)
        assert reader.committed("board") == -1
    with PartitionReader(address, topic, 0) as reader:
        after = reader.committed("store")
        assert read[1].pos <= after < read[2].first
        assert reader.newest > after
        assert numbers(reader.read(after)) == [3]
        reader.commit("store", read[2].pos)
        after = reader.committed("store")
    with PartitionReader(address, topic, 0) as reader:
        assert reader.newest <= after
        assert not reader.wait(after, 0.2)


def test_foreign_records_are_passed_over(events, caplog):
    """One line says so; the count says how many; what is ours comes all the same."""
    address, topic, producer = events
    for number in range(1, 7):
        if number % 2:
            producer.send(topic, 0, b'{"id": 1}').result(30)
        else:
            producer.submit(topic, 0, stamped(number)).result(30)
    producer.send(topic, 0, None, key=b"k").result(30)
    with caplog.at_level(logging.ERROR, "fengsui.cluster"), PartitionReader(address, topic, 0) as reader:
        assert numbers(reader.read(-1)) == [2, 4, 6]
        assert reader.foreign == 4
        assert reader.newest == reader.read(-1)[-1].pos
        assert not reader.wait(reader.newest, 0.3)
        assert sum("another program writes to this topic" in record.message for record in caplog.records) == 1


def test_a_newer_record_stops_the_reader_there(events):
    """What stands before it is handed on; it itself is told each time, until this program is a newer one."""
    address, topic, producer = events
    producer.submit(topic, 0, stamped(1)).result(30)
    newer = [("v", b"%d" % (VERSION + 1)), *headers_of(stamped(2))[1:]]
    producer.send(topic, 0, b"", headers=newer).result(30)
    producer.submit(topic, 0, stamped(3)).result(30)
    with PartitionReader(address, topic, 0) as reader:
        (first,) = reader.read(-1)
        for _ in range(2):
            with pytest.raises(NewerRecord, match=f"{topic}-0 .*install that version"):
                reader.read(first.pos)
        assert numbers(reader.read(-1)) == [1]


def test_what_was_let_go_is_told(events):
    """Retention went on without the reader: it goes on with the oldest, and says how much is gone."""
    address, topic, producer = events
    for number in range(1, 6):
        producer.submit(topic, 0, stamped(number)).result(30)
    from kafka import TopicPartition

    with PartitionReader(address, topic, 0) as reader:
        with admin(address) as client:
            client.delete_records({TopicPartition(topic, 0): 3})
        assert numbers(reader.read(-1)) == [4, 5]
        assert reader.missed == 3
        assert reader.oldest == first_position(3)
        with pytest.raises(LogMismatch, match="another cluster"):
            reader.read(first_position(77))


def test_topics_that_are_not_there_are_told_on_opening(events):
    """By the producer and by the reader, with the command that makes them."""
    address, topic, _ = events
    with pytest.raises(TooFewPartitions, match="has 3 partitions, 9 are written to"):
        Producer(address, {topic: 9})
    with pytest.raises(TopicMissing, match="fengsui topics apply"):
        PartitionReader(address, topic, 7)
    began = time.monotonic()
    with pytest.raises((TopicMissing, BrokerUnreachable), match="nowhere"):
        Producer(address, {f"{address.name}.nowhere": 1}, delivery_s=12)
    assert time.monotonic() - began < 30


def test_a_record_that_is_too_large_is_told(events):
    """At once, and the producer goes on."""
    address, topic, producer = events
    with pytest.raises(RecordTooLarge):
        producer.submit(topic, 0, stamped(1, payload=b"x" * (17 << 20)))
    assert producer.submit(topic, 0, stamped(1, payload=b"x" * (15 << 20))).result(60) == 0
    assert producer.under_way == 0
    with PartitionReader(address, topic, 0) as reader:
        assert len(reader.read(-1)[0].payload) == 15 << 20


def test_a_broker_that_stands_still_is_told_and_waited_for(tmp_path):
    """More than the bound is refused with when to come again; what was taken is acknowledged when the broker goes on."""
    with KafkaBroker(tmp_path) as broker:
        address = parse_address(broker.url("still"))
        apply(plan(address, partitions=1, wide=1))
        topic = address.topic("events")
        with Producer(address, {topic: 1}, buffer_bytes=1 << 20) as producer:
            broker.freeze()
            taken = []
            writing = (producer.submit(topic, 0, stamped(number, payload=bytes(100_000))) for number in range(1, 1000))
            with pytest.raises(Backlogged) as full:
                taken.extend(writing)
            assert full.value.retryable
            assert full.value.retry_after_s
            assert 5 < len(taken) < 12
            assert producer.refusals == 1
            broker.thaw()
            assert [future.result(60) for future in taken] == list(range(len(taken)))
            producer.submit(topic, 0, stamped(2000)).result(30)


def test_a_broker_that_is_killed_loses_and_doubles_nothing(tmp_path):
    """kill -9 twice under a steady stream: every acknowledged entry is there once, in order, at its offset; a reader goes on, too."""
    broker = KafkaBroker(tmp_path).start()
    try:
        address = parse_address(broker.url("killed"))
        apply(plan(address, partitions=2, wide=1))
        topic = address.topic("events")
        acknowledged: dict[int, list[tuple[int, int]]] = {0: [], 1: []}
        failed: list[BaseException] = []
        halt = threading.Event()

        def write(producer: Producer) -> None:
            number = 0
            while not halt.is_set():
                number += 1
                futures = [
                    producer.submit(topic, partition, stamped(number, payload=b"x" * 500)) for partition in (0, 1)
                ]
                for partition, future in enumerate(futures):
                    future.add_done_callback(
                        lambda done, partition=partition, number=number: (
                            failed.append(done.exception())
                            if done.exception()
                            else acknowledged[partition].append((number, done.result()))
                        )
                    )
                time.sleep(0.002)

        with Producer(address, {topic: 2}, delivery_s=60) as producer, PartitionReader(address, topic, 0) as reader:
            writer = threading.Thread(target=write, args=(producer,))
            writer.start()
            read: list[int] = []
            try:
                for _ in range(2):
                    time.sleep(1.5)
                    broker.kill()
                    time.sleep(0.5)
                    broker.start()
                    before = len(acknowledged[0])
                    deadline = time.monotonic() + 60
                    while len(acknowledged[0]) < before + 50:
                        assert time.monotonic() < deadline, "nothing is acknowledged any more"
                        time.sleep(0.1)
            finally:
                halt.set()
                writer.join()
            producer.submit(topic, 0, tick(9_999_999)).result(60)
            assert not failed
            after = -1
            while not read or read[-1] != 9_999_999:
                assert reader.wait(after, 30)
                entries = reader.read(after)
                read += numbers(entries)
                after = entries[-1].pos
        assert read[:-1] == sorted(set(read[:-1]))
        assert set(read) >= {number for number, _ in acknowledged[0]}
        for partition, told in acknowledged.items():
            with PartitionReader(address, topic, partition) as again:
                there = {
                    entry.pos >> 20: number for entry, number in ((e, n) for e in _all(again) for n in numbers([e]))
                }
            assert len(there) == len(set(there.values()))
            assert all(there[offset] == number for number, offset in told)
            assert len(told) > 200
    finally:
        broker.stop()


def tick(number: int) -> Stamped:
    entry = tick_entry(1000 + number)
    return Stamped(entry.kind, 1, entry.at_ms, entry.payload, np.array([number], np.int64))


def _all(reader: PartitionReader):
    after = -1
    while entries := reader.read(after):
        yield from entries
        after = entries[-1].pos
