"""Sinks of a group on a real Kafka: they share the partitions, come and go, and each event is in the store once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from sinks.group import GroupSink
from sinks.store.address import Address as StoreAddress
from sinks.store.spool import Spool
from sinks.store.spooled import Spooled
from sinks.store.store import Store
from streams.cluster.address import Address
from streams.cluster.client import consumer
from streams.cluster.producer import Producer
from streams.cluster.record import Stamped
from streams.log.entry import compress
from streams.log.errors import LogMismatch
from tests.cluster.clickhouse import ClickHouse

DAY0_MS = 1_767_571_200_000
PARTITIONS = 6
SIZE = 20


def packed(first: int) -> Stamped:
    lines = b"".join(
        json.dumps({"id": f"e{n}", "feed": "sensor", "source": "s", "time": DAY0_MS + n}).encode() + b"\n"
        for n in range(first, first + SIZE)
    )
    return Stamped("events", SIZE, DAY0_MS, compress(lines), (DAY0_MS << 20) + np.arange(first, first + SIZE))


class Member:
    """A process of the group, as a thread: a store, a spool and a consumer of its own."""

    def __init__(self, address: Address, url: str, directory: Path) -> None:
        self.store = Store.open(StoreAddress(url, timeout_s=5), patient=True)
        self.spool = Spool(directory, 50_000_000)
        self.spooled = Spooled(self.store.write_log, self.spool)
        self.group = GroupSink(
            "store-events",
            address.topic("events"),
            self.spooled,
            group=f"{address.name}-sink-store-events",
            connect=partial(consumer, address),
            clock=lambda: 1,
            forget=self.store.forget_positions,
        )
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.group.run()
        except BaseException as error:  # the test looks
            self.failure = error

    def start(self) -> Member:
        self.spooled.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        self.group.stop()
        self._thread.join(60)
        self.spooled.stop()
        self.store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with ClickHouse(tmp_path_factory.mktemp("server")) as server:
        yield server


class Feed:
    """Writes records of events to the partitions in turn."""

    def __init__(self, address: Address, producer: Producer) -> None:
        self.address = address
        self._producer = producer
        self.events = 0

    def write(self, records: int) -> None:
        waiting = []
        for _ in range(records):
            at = (self.events // SIZE) % PARTITIONS
            waiting.append(self._producer.submit(self.address.topic("events"), at, packed(self.events)))
            self.events += SIZE
        for one in waiting:
            one.result(30)


@pytest.fixture
def feed(made) -> Iterator[Feed]:
    address, _ = made(partitions=PARTITIONS)
    with Producer(address, {address.topic("events"): PARTITIONS}) as producer:
        yield Feed(address, producer)


@pytest.fixture
def url(server: ClickHouse, name: str) -> str:
    return server.url.replace("/fengsui", f"/{name}")


def until(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def counted(url: str) -> tuple[int, int, int]:
    with Store.open(url) as store, store._connections.reader() as client:
        rows, places, ids = client.query(
            "SELECT count(), uniqExact(partition, pos), uniqExact(id) FROM events"
        ).result_rows[0]
    return int(rows), int(places), int(ids)


def test_two_members_share_the_partitions_and_one_goes_on_alone(feed: Feed, url: str, tmp_path: Path) -> None:
    """Each event once: while they share, when a third comes, when two leave in the middle."""
    feed.write(60)
    with Member(feed.address, url, tmp_path / "a") as first:
        until(lambda: first.group.state.taken >= 60)
        assert first.group.state.partitions == tuple(range(PARTITIONS))
        with Member(feed.address, url, tmp_path / "b") as second:
            until(lambda: len(first.group.state.partitions) == len(second.group.state.partitions) == PARTITIONS // 2)
            feed.write(60)
            until(lambda: first.group.state.taken + second.group.state.taken >= 120)
            third = Member(feed.address, url, tmp_path / "c").start()
            feed.write(30)
        feed.write(30)
        third.stop()
        until(lambda: len(first.group.state.partitions) == PARTITIONS)
        feed.write(10)
        until(lambda: counted(url)[0] >= feed.events)
    assert counted(url) == (feed.events,) * 3
    assert first.failure is second.failure is third.failure is None


def test_a_store_that_is_down_does_not_hold_up_the_group(
    feed: Feed, server: ClickHouse, url: str, tmp_path: Path
) -> None:
    """Offsets move on with what is on the disk; a partition whose spool stays behind at another member is still filled once."""
    with Member(feed.address, url, tmp_path / "a") as first:
        feed.write(12)
        until(lambda: first.group.state.taken >= 12)
        server.kill()
        feed.write(24)
        until(lambda: first.group.state.taken >= 36)
        assert first.spool.batches
        with Member(feed.address, url, tmp_path / "b") as second:
            until(lambda: len(second.group.state.partitions) == PARTITIONS // 2)
            feed.write(24)
            until(lambda: first.group.state.taken + second.group.state.taken >= 60)
            server.start()
            until(lambda: not first.spool.batches and not second.spool.batches)
    assert counted(url) == (feed.events,) * 3


def test_a_member_without_room_waits_as_a_living_member(
    feed: Feed, server: ClickHouse, url: str, tmp_path: Path
) -> None:
    """Neither store nor spool: it commits nothing, keeps its partitions, says so, and goes on."""
    member = Member(feed.address, url, tmp_path / "a")
    member.spool.max_bytes = 10
    with member:
        feed.write(6)
        until(lambda: member.group.state.taken >= 6)
        server.tell("refuse")
        try:
            feed.write(12)
            until(lambda: "SpoolFull" in member.group.state.error)
            time.sleep(3)
            assert member.group.state.partitions == tuple(range(PARTITIONS))
            assert member.group.state.taken == 6
        finally:
            server.tell("answer")
        until(lambda: member.group.state.taken >= 18)
        assert member.group.state.error == ""
    assert counted(url) == (feed.events,) * 3


def test_a_member_that_lost_its_commits_writes_nothing_twice(feed: Feed, url: str, tmp_path: Path) -> None:
    """Killed between the insert and the commit: the same records come again, to another process, in other batches."""
    feed.write(30)
    with Member(feed.address, url, tmp_path / "a") as first:
        first.group._commit = lambda *_: None  # type: ignore[method-assign]
        until(lambda: first.group.state.taken >= 30)
    feed.write(5)
    with Member(feed.address, url, tmp_path / "b") as second:
        until(lambda: second.group.state.taken >= 35)
    assert counted(url) == (feed.events,) * 3


def test_what_the_spool_lost_is_read_from_the_topic_again(
    feed: Feed, server: ClickHouse, url: str, tmp_path: Path
) -> None:
    """A damaged file, found at the next start, is made good from the topic, though the offsets were committed long ago."""
    with Member(feed.address, url, tmp_path / "a") as first:
        feed.write(6)
        until(lambda: first.group.state.taken >= 6)
        server.tell("refuse")
        feed.write(12)
        until(lambda: first.group.state.taken >= 18)
    server.tell("answer")
    files = sorted((tmp_path / "a").glob("*.batch"))
    files[0].write_bytes(b"no batch")
    files[-1].unlink()
    files[-1].with_name(files[-1].name + ".damaged").touch()
    with Member(feed.address, url, tmp_path / "a") as again:
        until(lambda: not again.spool.batches and not again.spool.holes)
    assert counted(url) == (feed.events,) * 3


def test_a_topic_that_was_made_anew_is_told(feed: Feed, url: str, tmp_path: Path) -> None:
    """The group has taken more than the topic has: going on would leave out what comes now."""
    feed.write(6)
    topic = feed.address.topic("events")
    with consumer(feed.address, group_id=f"{feed.address.name}-sink-store-events") as ahead:
        from kafka import TopicPartition
        from kafka.structs import OffsetAndMetadata

        at = TopicPartition(topic, 0)
        ahead.assign([at])
        ahead.commit({at: OffsetAndMetadata(1000, "", -1)})
        ahead.close(autocommit=False)
    with Member(feed.address, url, tmp_path / "a") as member:
        until(lambda: member.failure is not None)
    assert isinstance(member.failure, LogMismatch)
    assert "made anew" in str(member.failure)
