"""A gateway on Kafka: each event in its key's partition, stamped in the order it was judged, and nothing answered that could be lost."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter

import numpy as np
import polars as pl
import pytest

from events.feeds import FeedCatalog
from events.record import Act
from rules.load import load_bundle, load_rules
from streams.cluster.address import parse_address
from streams.cluster.errors import BrokerUnreachable
from streams.cluster.identity import open_cluster
from streams.cluster.inbox import Inbox
from streams.cluster.kafka_door import KafkaDoor
from streams.cluster.meta import MetaReader
from streams.cluster.partitioning import homes
from streams.cluster.producer import Producer
from streams.cluster.reader import PartitionReader
from streams.cluster.rules_follower import RulesFollower
from streams.cluster.stamps import MS_BITS
from streams.cluster.topics import apply, plan
from streams.gateway.gateway import Gateway
from streams.log import entry as entries
from streams.log.errors import LogError
from streams.metrics import Metrics
from tests.cluster.kafka_broker import KafkaBroker

NOW_MS = 1_780_000_000_000


class House:
    """A gateway over a real cluster; its events can be read again."""

    def __init__(self, address, identity, **options) -> None:
        self.address, self.identity = address, identity
        self.now_ms = NOW_MS
        self.producer = Producer(address, KafkaDoor.topics(address, identity), **options)
        self.door = KafkaDoor(address, identity, self.producer)
        self.gateway = Gateway(FeedCatalog.builtin(), self.door, clock=lambda: self.now_ms, metrics=Metrics())

    def close(self) -> None:
        self.gateway.close()
        self.producer.close()

    def accept(self, *lines: bytes):
        return self.gateway.accept(b"\n".join(lines))

    def entries(self, kind: str = "events", partition: int = 0):
        with PartitionReader(self.address, self.address.topic(kind), partition) as reader:
            found, after = [], -1
            while some := reader.read(after):
                found += some
                after = some[-1].pos
        return found

    def stored(self) -> list[tuple[int, int, dict]]:
        """(partition, stamp, event) of everything in the events topic."""
        found = []
        for partition in range(self.identity.partitions):
            for entry in self.entries("events", partition):
                if entry.kind == "events":
                    lines = entries.event_lines(entry).splitlines()
                    assert len(lines) == entry.count == len(entry.stamps)
                    found += [
                        (partition, stamp, json.loads(line))
                        for stamp, line in zip(entry.stamps.tolist(), lines, strict=True)
                    ]
        return found


@pytest.fixture
def house(made):
    house = House(*made())
    yield house
    house.close()


def event(id: object, *, source: str = "s", feed: str = "sensor", time: object = NOW_MS, **fields: object) -> bytes:
    return json.dumps({"id": str(id), "feed": feed, "source": source, "time": time, **fields}).encode()


def counts(receipt) -> tuple[int, int, int]:
    return receipt.accepted, receipt.duplicate, receipt.rejected_count


def test_events_go_home_in_the_order_they_were_judged(house):
    """Over all partitions the stamps give the body's order back; each event lies where its subject's hash says."""
    rng = random.Random(4)
    subjects = [None, "甲厂", "乙厂", *(f"st-{i}" for i in range(20))]
    sent = [(str(i), rng.choice(subjects)) for i in range(3_000)]
    lines = [event(id_, **({"subject": subject} if subject else {})) for id_, subject in sent]
    for begin in range(0, len(lines), 700):
        assert house.accept(*lines[begin : begin + 700]).accepted == len(lines[begin : begin + 700])
        house.now_ms += 3
    stored = sorted(house.stored(), key=lambda one: one[1])
    assert [one["id"] for _, _, one in stored] == [id_ for id_, _ in sent]
    assert len({stamp for _, stamp, _ in stored}) == len(sent)
    assert stored[0][1] == NOW_MS << MS_BITS
    wanted = homes(pl.Series([subject for _, subject in sent]), 3).tolist()
    assert [partition for partition, _, _ in stored] == wanted
    assert len(set(wanted)) == 3


def test_by_prefecture_a_prefectures_events_stay_together(made):
    """Whatever their subjects are."""
    house = House(*made(partition_by="prefecture"))
    try:
        regions = [f"4101{i:02d}" for i in range(1, 9)] + ["410200", "411725"]
        house.accept(*(event(i, subject=f"s{i}", region=region) for i, region in enumerate(regions)))
        where = {one["region"]: partition for partition, _, one in house.stored()}
        assert len({where[region] for region in regions[:8]}) == 1
        assert where["411725"] == homes(pl.Series(["4117"]), 3)[0]
    finally:
        house.close()


def test_the_gateway_judges_as_it_does_on_one_machine(house):
    """Duplicates of its own, refused lines with their bytes in the dead letters, documents, pulses."""
    receipt = house.accept(event(1, subject="a"), event(1, subject="a"), b"{broken", event(2, subject="b"))
    assert counts(receipt) == (2, 1, 1)
    assert counts(house.accept(event(2, subject="b"), event(3))) == (1, 1, 0)
    assert counts(house.gateway.accept(b"[" + event(4) + b"]", "application/json")) == (1, 0, 0)
    assert sorted(one["id"] for _, _, one in house.stored()) == ["1", "2", "3", "4"]
    (dead,) = house.entries("dead")
    (letter,) = entries.dead_letters(dead)
    assert letter.raw.rstrip() == b"{broken"
    assert house.gateway.pulse()["sensor"].accepted == 4


def test_a_new_gateway_remembers_nothing(made):
    """What is repeated to another one is accepted again: the engines behind the partitions decide."""
    address, identity = made()
    for _ in range(2):
        house = House(address, identity)
        assert counts(house.accept(event(1), event(1))) == (1, 1, 0)
        house.close()
    assert len(house.stored()) == 2


def test_an_activation_reaches_every_partition(house):
    """Behind the events before it, under one stamp; whoever starts finds it in NAME.meta, and other gateways follow it."""
    feeds = "feeds: {tide: {domain: environment, fields: {height: number}}}"
    rules = load_rules({"feeds.yaml": feeds})
    house.accept(*(event(i, subject=f"s{i}") for i in range(50)))
    other = House(house.address, house.identity)
    try:
        with MetaReader(house.address) as meta:
            assert meta.rules is None
            position = house.gateway.activate(rules)
            assert meta.poll(30)
            assert meta.rules is not None
            assert (meta.rules.stamp, meta.rules.bundle) == (position, rules.bundle)
        assert other.accept(event("a", feed="tide")).rejected_count == 1
        other.gateway.follow(load_bundle(meta.rules.bundle))
        assert other.accept(event("a", feed="tide", height=2.5)).accepted == 1
    finally:
        other.close()
    assert house.accept(*(event(f"t{i}", feed="tide", subject=f"s{i}", height=1) for i in range(50))).accepted == 50
    for partition in range(house.identity.partitions):
        read = house.entries("events", partition)
        at = [entry.kind for entry in read].index("rules")
        assert at >= 1
        assert entries.activation(read[at]).bundle == rules.bundle
        assert read[at].stamps.tolist() == [position]
        assert max(e.stamps[-1] for e in read[:at]) < position < min(e.stamps[0] for e in read[at + 1 :] if e.count > 1)


def test_gateways_follow_one_anothers_rules(house):
    """A feed that one of them activates is soon read by all, also by one that starts later."""
    rules = load_rules({"feeds.yaml": "feeds: {tide: {domain: environment, fields: {height: number}}}"})
    other = House(house.address, house.identity)
    followers = [RulesFollower(house.address, other.gateway.follow)]
    try:
        followers[0].start()
        assert other.accept(event("a", feed="tide")).rejected_count == 1
        stamp = house.gateway.activate(rules)
        until(lambda: followers[0].stamp == stamp)
        until(lambda: other.accept(event(f"a{time.monotonic()}", feed="tide", height=2.5)).accepted)
        heard = []
        followers.append(RulesFollower(house.address, heard.append))
        followers[1].start()
        until(lambda: heard)
        assert [found.version for found in heard] == [rules.version]
    finally:
        assert all(follower.stop() for follower in followers)
        other.close()


def test_acts_go_where_their_alert_lives(house):
    """To the partition that the alert's engine reads; what is no engine is refused."""
    homes_of_acts = {"events-2": ("events", 2), "wide-1": ("wide", 1), "over": ("transitions", 0)}
    for origin, (kind, partition) in homes_of_acts.items():
        act = Act(0, NOW_MS, f"id-{origin}", "a" * 16, "ack", "王")
        house.door.send_act(origin, act).result(30)
        (entry,) = house.entries(kind, partition)
        found = entries.act(entry)
        assert (found.id, found.verb, found.by, found.at_ms) == (act.id, "ack", "王", NOW_MS)
    for wrong in ("events-3", "wide-2", "events", "events-01", "over-0", "x"):
        with pytest.raises(ValueError, match="engine"):
            house.door.home(wrong)


def test_ticks_reach_every_partition(house):
    """One stamp, one time."""
    house.door.tick(NOW_MS + 5).result(30)
    for partition in range(3):
        (entry,) = house.entries("events", partition)
        assert (entry.kind, entry.at_ms) == ("tick", NOW_MS + 5)


def test_many_clients_at_once(house):
    """Sixteen threads with overlapping bodies: each id is stored once, stamps rise in each partition, order is kept."""
    accepted: Counter[str] = Counter()
    lock = threading.Lock()

    def post(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(10):
            ids = rng.sample(range(300), 12)
            receipt = house.accept(*(event(i, subject=f"s{i % 40}") for i in ids))
            assert receipt.accepted + receipt.duplicate == 12
            with lock:
                accepted["all"] += receipt.accepted

    threads = [threading.Thread(target=post, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = house.stored()
    assert len(stored) == len({one["id"] for _, _, one in stored}) == accepted["all"]
    for partition in range(3):
        stamps = np.concatenate([entry.stamps for entry in house.entries("events", partition)])
        assert (np.diff(stamps) > 0).all()


def test_whatever_was_answered_is_there_after_the_broker_was_killed(tmp_path):
    """kill -9 under many clients who send again what was not answered: all that was accepted is stored, and no duplicate was a lie."""
    broker = KafkaBroker(tmp_path).start()
    house = None
    try:
        address = parse_address(broker.url("killed"))
        apply(plan(address, partitions=3, wide=1))
        house = House(address, open_cluster(address), delivery_s=25)
        told: dict[str, str] = {}
        failures: list[LogError] = []
        halt = threading.Event()

        def post(seed: int) -> None:
            number = 0
            while not halt.is_set():
                number += 1
                ids = [f"{seed}-{number}-{i}" for i in range(5)] + [f"shared-{number}"]
                try:
                    receipt = house.accept(*(event(i, subject=f"s{hash(i) % 30}") for i in ids))
                except LogError as error:
                    failures.append(error)
                    time.sleep(0.2)
                    continue
                assert receipt.accepted + receipt.duplicate == 6
                told.update(dict.fromkeys(ids, "answered"))

        threads = [threading.Thread(target=post, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                time.sleep(1.5)
                broker.kill()
                time.sleep(0.5)
                broker.start()
                before, deadline = len(told), time.monotonic() + 60
                while len(told) < before + 50:
                    assert time.monotonic() < deadline, "nothing is answered any more"
                    time.sleep(0.1)
        finally:
            halt.set()
            for thread in threads:
                thread.join()
        assert all(error.retryable for error in failures)
        stored = Counter(one["id"] for _, _, one in house.stored())
        assert set(told) <= set(stored)
        assert len(told) > 100
        if not failures:  # nobody had to send again: then nothing is there twice either
            assert max(stored.values()) == 1
    finally:
        if house is not None:
            house.close()
        broker.stop()


def test_a_door_outlives_a_long_outage(tmp_path, impatient):
    """The broker is away for longer than a write may wait: bodies are refused, and told when to come again; then all is as before."""
    broker = KafkaBroker(tmp_path).start()
    house = None
    try:
        address = parse_address(broker.url("outage"))
        apply(plan(address, partitions=2, wide=1))
        house = House(address, open_cluster(address), delivery_s=11)
        assert counts(house.accept(event(1))) == (1, 0, 0)
        broker.kill()
        for attempt in range(3):
            began = time.monotonic()
            with pytest.raises(BrokerUnreachable) as refused:
                house.accept(event(2))
            assert refused.value.retry_after_s
            # The first finds out; the others know.
            assert time.monotonic() - began < (25 if attempt == 0 else 10)
        broker.start()
        until(lambda: _accepted(house, event(2)))
        assert counts(house.accept(event(2))) == (0, 1, 0)
        assert {one["id"] for _, _, one in house.stored()} == {"1", "2"}
    finally:
        if house is not None:
            house.close()
        broker.stop()


def _accepted(house: House, line: bytes) -> bool:
    try:
        return counts(house.accept(line)) == (1, 0, 0)
    except BrokerUnreachable:
        return False


def test_a_failed_write_is_forgotten(tmp_path):
    """The broker stands still until the write is given up: the body fails, and sent again it is accepted, not called a duplicate."""
    with KafkaBroker(tmp_path) as broker:
        address = parse_address(broker.url("failed"))
        apply(plan(address, partitions=2, wide=1))
        house = House(address, open_cluster(address), delivery_s=11)
        try:
            assert counts(house.accept(event(1, subject="a"))) == (1, 0, 0)
            broker.freeze()
            with pytest.raises(LogError) as raised:
                house.accept(event(2, subject="b"), event(1, subject="a"))
            assert raised.value.retryable
            broker.thaw()
            receipt = house.accept(event(2, subject="b"))
            assert counts(receipt) == (1, 0, 0)
            assert "2" in {one["id"] for _, _, one in house.stored()}
        finally:
            house.close()


def test_the_inbox_goes_through_the_door(house):
    """Single records, over several lines, CloudEvents, bad ones and repeats: all become events or dead letters, and are taken once."""
    cloud = {
        "specversion": "1.0",
        "id": "c1",
        "type": "cn.fengsui.sensor",
        "source": "s",
        "time": "2026-05-28T08:00:00+08:00",
    }
    inbox = house.address.topic("inbox")
    with Producer(house.address, {inbox: 3}) as department:
        for i in range(100):
            department.send(inbox, i % 3, event(i, subject=f"s{i}")).result(30)
        pretty = json.dumps(json.loads(event("pretty", value=1.50)), indent=2).encode()
        department.send(inbox, 0, pretty)
        department.send(inbox, 0, b"{broken\nin\nlines")
        department.send(
            inbox, 1, json.dumps(cloud).encode(), headers=[("content-type", b"application/cloudevents+json")]
        )
        department.send(inbox, 2, event(5, subject="s5")).result(30)
        reading = Inbox(house.address, house.gateway.accept)
        reading.start()
        until(lambda: reading.taken >= 104)
        assert reading.stop()
        assert reading.error == ""
        ids = [one["id"] for _, _, one in house.stored()]
        assert sorted(ids) == sorted([*map(str, range(100)), "pretty", "c1"])
        assert sum(entry.count for entry in house.entries("dead")) == 1
        # What was taken is not taken again; what comes later is.
        department.send(inbox, 0, event("later")).result(30)
        reading = Inbox(house.address, house.gateway.accept)
        reading.start()
        until(lambda: reading.taken >= 1)
        time.sleep(0.5)
        assert reading.stop()
        assert reading.taken == 1


def test_an_inbox_waits_out_a_closed_way(house):
    """What the gateway cannot take now stays in the inbox, and is taken later."""
    from streams.log.errors import LogFull

    inbox = house.address.topic("inbox")
    refusals = []

    def accept(body: bytes, content_type: str):
        if len(refusals) < 2:
            refusals.append(body)
            raise LogFull("full", retry_after_s=0.1)
        return house.gateway.accept(body, content_type)

    with Producer(house.address, {inbox: 3}) as department:
        department.send(inbox, 0, event("x")).result(30)
    reading = Inbox(house.address, accept)
    reading.start()
    until(lambda: reading.taken >= 1)
    assert reading.stop()
    assert len(refusals) == 2
    assert [one["id"] for _, _, one in house.stored()] == ["x"]


def until(done, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)
