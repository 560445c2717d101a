"""The store on a server: outages, lost answers, kills, several partitions, repeats, and who may do what."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from events.transition import Evidence, Transition, alert_id
from events.transition import at as instant
from fengsui.doctor import findings, store_findings
from fengsui.layout import DataDirectory
from fengsui.settings import Settings
from sinks.consumer import SinkThread
from sinks.filters import Filter
from sinks.store.address import Address
from sinks.store.connections import Connections
from sinks.store.engines import rendered
from sinks.store.errors import StoreDown, StoreError, StoreFailed, StoreMismatch, StoreRefused
from sinks.store.migrate import TABLES, migrations
from sinks.store.spool import Spool
from sinks.store.spooled import Spooled, over_log
from sinks.store.store import Store
from sinks.store.stretch import Stretch
from streams.cluster.record import PartitionEntry, first_position
from streams.log.entry import Entry, compress, events_entry, transition_entry
from streams.log.sqlite import SqliteLog
from tests.cluster.clickhouse import ClickHouse

DAY0_MS = 1_767_571_200_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with ClickHouse(
        tmp_path_factory.mktemp("server"),
        *("--user", "default:"),
        *("--user", "fengsui:geheim"),
        *("--user", "reader:lesen:readonly=1"),
    ) as server:
        yield server


@pytest.fixture
def address(server: ClickHouse, request: pytest.FixtureRequest) -> Address:
    """A database of its own for each test."""
    name = f"t{abs(hash(request.node.nodeid))}"
    return Address(server.url.replace("/fengsui", f"/{name}"), timeout_s=5)


@pytest.fixture
def store(address: Address) -> Iterator[Store]:
    with Store.open(address) as store:
        yield store


def lines(first: int, count: int) -> bytes:
    return b"".join(
        json.dumps({"id": f"e{n}", "feed": "sensor", "source": "s", "time": DAY0_MS + n}).encode() + b"\n"
        for n in range(first, first + count)
    )


def record(offset: int, first: int, count: int) -> PartitionEntry:
    """The events ``first`` ... of a record of Kafka."""
    stamps = (DAY0_MS << 20) + np.arange(first, first + count)
    place = first_position(offset) + count - 1
    return PartitionEntry(place, count, "events", DAY0_MS, compress(lines(first, count)), stamps)


def fill(log: SqliteLog, batches: int, size: int = 100) -> None:
    for at in range(batches):
        log.append([events_entry(lines(log.newest, size), count=size, at_ms=DAY0_MS + at)])


def counted(store: Store) -> tuple[int, int]:
    """Rows, and places of the log: the same where nothing is doubled."""
    with store._connections.reader() as client:
        rows, places = client.query("SELECT count(), uniqExact(partition, pos) FROM events").result_rows[0]
    return int(rows), int(places)


# --- one insert


def test_an_insert_whose_answer_was_lost_is_not_doubled(store: Store, server: ClickHouse) -> None:
    """Tried again as it was, with other cuts, and with more behind it."""
    store.bind("events", "a log", {0: first_position(1000)})
    server.tell("lost 1")
    assert store.write_log([Stretch(0, [record(0, 0, 50)])]) == 50  # the driver has tried again by itself
    server.tell("lost 2")
    with pytest.raises(StoreDown):
        store.write_log([Stretch(0, [record(1, 0, 50), record(2, 50, 50)])])
    assert store.write_log([Stretch(0, [record(1, 0, 50)])]) == 0
    assert store.write_log([Stretch(0, [record(2, 50, 50), record(3, 100, 50)])]) == 50
    assert counted(store) == (200, 200)


def test_an_insert_that_was_cut_off_is_not_written_in_part(store: Store, server: ClickHouse) -> None:
    """The connection ended when half of it was sent."""
    server.tell("half 2")
    batch = [Stretch(0, [record(1, 0, 2000)])]
    with pytest.raises(StoreDown):
        store.write_log(batch)
    assert counted(store) == (0, 0)
    assert store.write_log(batch) == 2000


def test_the_engine_knows_a_batch_of_another_process_by_its_token(address: Address) -> None:
    """Made of the log's identity and the positions: a second writer that saw an empty table does not double it."""
    with Store.open(address) as one, Store.open(address) as two:
        for store in (one, two):
            store.bind("events", "a log", {3: first_position(10)})
            assert store.position("events", 3) == 0
        batch = [Stretch(3, [record(1, 0, 50)])]
        one.write_log(batch)
        two._connections.settle("events")
        two._unsettled.clear()
        two.write_log(batch)
        assert counted(one) == (50, 50)


def test_inserts_that_the_server_gathers_are_not_doubled_either(address: Address, server: ClickHouse) -> None:
    """With ``store_async``: events, and transitions with a view behind them, also when answers are lost."""
    with Store.open(dataclasses.replace(address, gathered=True)) as store:
        server.tell("lost 2")
        batch = [Stretch(2, [record(1, 0, 50)])]
        with pytest.raises(StoreDown):
            store.write_log(batch)
        assert store.write_log(batch) == 0
        assert store.write_log([Stretch(2, [record(1, 0, 50), record(2, 50, 50)])]) == 50
        assert counted(store) == (100, 100)


def test_inserts_under_way_are_waited_for_before_the_table_is_asked(store: Store) -> None:
    """A process that was killed may have left one: what it holds is known only when it is over."""
    slow = (
        "INSERT INTO events (pos, receipt_ms, time_ms, id, feed, source, region, subject, raw) SELECT number, 0, 0, 'e', 'sensor', "
        "'s', '', '', if(sleepEachRow(0.2), '', '{}') FROM numbers(1, 5) SETTINGS max_block_size = 1"
    )

    def left_behind() -> None:
        with store._connections.bulk() as client:
            client.command(slow)

    thread = threading.Thread(target=left_behind)
    thread.start()
    time.sleep(0.4)
    store._connections.settle("events")
    assert counted(store)[0] == 5
    thread.join()


def test_a_server_that_hangs_is_given_up_and_tried_again(address: Address, server: ClickHouse) -> None:
    """The answer has its time; the next try finds whether the first came through."""
    with Store.open(dataclasses.replace(address, timeout_s=1.0)) as store:
        server.tell("hang 1")
        try:
            with pytest.raises(StoreDown):
                store.write_log([Stretch(0, [record(1, 0, 10)])])
        finally:
            server.tell("release")
        assert store.write_log([Stretch(0, [record(1, 0, 10)])]) == 10


def test_a_server_that_is_too_busy_can_be_tried_again(store: Store, server: ClickHouse) -> None:
    """503 is an outage that passes."""
    assert store.write_log([Stretch(0, [record(1, 0, 10)])]) == 10
    server.tell("busy 1")
    with pytest.raises(StoreError) as raised:
        store.write_log([Stretch(0, [record(2, 10, 10)])])
    assert raised.value.retryable
    assert store.write_log([Stretch(0, [record(2, 10, 10)])]) == 10


# --- partitions and repeats


def test_the_same_positions_of_two_partitions_are_two_rows(store: Store) -> None:
    """And each partition's repeats are known for themselves, in one batch."""
    both = [Stretch(0, [record(1, 0, 10)]), Stretch(5, [record(1, 10, 10)])]
    assert store.write_log(both) == 20
    assert store.write_log([Stretch(5, [record(1, 10, 10), record(2, 20, 10)]), both[0]]) == 10
    assert counted(store) == (30, 30)
    assert store.position("events", 5) == first_position(2) + 9
    assert store.position("events", 4) == 0
    assert store.raw(first_position(1), partition=5) == lines(10, 1).strip()
    assert store.raw(first_position(1)) == lines(0, 1).strip()
    newest = store.events(Filter(limit=1)).items[0]
    assert (newest["id"], newest["partition"]) == ("e29", 5)


def test_partitions_are_not_played_back_as_one_log(store: Store) -> None:
    """Their positions say nothing of the order between them, so a backtest is refused and not wrong."""
    store.write_log([Stretch(1, [record(1, 0, 10)])])
    with pytest.raises(StoreFailed, match="several partitions"):
        store.history.outline(["sensor"], DAY0_MS, DAY0_MS + 1000)


def test_the_clock_of_a_partition_is_its_own(store: Store) -> None:
    """``clock_ms`` is what the engine of that partition knew, in this process and in the next."""
    store.write_log([Stretch(1, [record(1, 100, 10)]), Stretch(2, [record(1, 0, 10)])])
    store.forget_positions([2])
    store.write_log([Stretch(2, [record(4, 10, 10)]), Stretch(1, [record(7, 110, 10)])])
    with store._connections.reader() as client:
        found = client.query("SELECT partition, pos, clock_ms FROM events ORDER BY partition, pos").result_rows
    clocks = {(partition, pos): clock for partition, pos, clock in found}
    assert clocks[1, first_position(7)] == DAY0_MS
    assert clocks[2, first_position(4)] == DAY0_MS
    assert clocks[2, first_position(1)] == 0


def test_an_event_that_came_twice_is_shown_once(store: Store) -> None:
    """The log of a cluster has it twice; lists have it once, also over the end of a page, and so has evidence."""
    store.write_log([Stretch(0, [record(1, 0, 40)]), Stretch(1, [record(1, 10, 20)])])
    store.forget_positions()
    store.write_log([Stretch(0, [record(2, 0, 40)])])
    seen, cursor = [], None
    for _ in range(20):
        page = store.events(Filter(limit=7, cursor=cursor))
        seen += [one["id"] for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [f"e{n}" for n in reversed(range(40))]
    found = store.evidence("sensor", {}, DAY0_MS, DAY0_MS + 100, ["e5"], limit=30)
    assert [one["id"] for one in found.items] == ["e5", *(f"e{n}" for n in range(11, 40))]
    assert store.series("sensor", {}, None, DAY0_MS, DAY0_MS + 100, bucket_ms=1000).points == [(DAY0_MS, 40.0)]


def test_transitions_of_a_cluster_are_numbered_by_their_records(store: Store) -> None:
    """``seq`` is the offset + 1, which the writer could not know; one that was told again is one transition."""
    key: dict[str, Any] = {"subject": "S1"}
    opened = Transition(
        alert=alert_id("env.cod", key, DAY0_MS),
        n=1,
        type="opened",
        at=instant(DAY0_MS),
        rule="env.cod",
        version="v1",
        domain="environment",
        severity="red",
        key=key,
        region="530102",
        subject="S1",
        measures={},
        evidence=Evidence("sensor", key, instant(DAY0_MS), instant(DAY0_MS), ("e1",)),
        title={"zh": "超标", "en": "Above"},
        summary={"zh": "超标了", "en": "It is above"},
        opened_at=instant(DAY0_MS),
        count=1,
    )
    payload = transition_entry(opened, at_ms=DAY0_MS).payload
    told = [
        PartitionEntry(first_position(offset), 1, kind, DAY0_MS, payload)
        for offset, kind in ((5, "transition"), (6, "tick"), (9, "transition"))
    ]
    store.bind("transitions", "a log", {0: first_position(10)})
    store.write_transitions([Stretch(0, told)])
    store.write_transitions([Stretch(0, told[2:])])
    (found,) = store.alerts().items
    assert (found.seq, found.alert) == (6, opened.alert)
    assert [one.seq for one in store.alert_history(opened.alert)] == [6]


# --- outages


def spooled(store: Store, directory: Path, max_bytes: int = 10_000_000) -> tuple[Spooled, Spool]:
    spool = Spool(directory, max_bytes)
    return Spooled(store.write_log, spool), spool


def test_what_comes_while_the_server_is_down_is_kept_and_handed_on(
    address: Address, server: ClickHouse, tmp_path: Path
) -> None:
    """The log's offset moves on, the spool is counted, and with the server back everything is there once, in order of the log."""
    with SqliteLog(tmp_path / "log.sqlite") as log, Store.open(address) as store:
        store.bind("events", log.identity, log.newest)
        held, spool = spooled(store, tmp_path / "spool")
        held.start()
        sink = SinkThread("store", log, over_log(held, log), clock=lambda: 1, max_events=100)
        sink.start()
        server.tell("refuse")
        try:
            fill(log, 5)
            assert sink.wait_for(log.newest, 20)
            state = held.told(sink.state)
            assert (spool.batches, state.lag, state.spooled_bytes) == (5, 0, spool.used_bytes)
            assert "StoreDown" in state.error
            assert spool.oldest_ms == DAY0_MS
        finally:
            server.tell("answer")
        _until(lambda: not spool.batches)
        assert held.told(sink.state).error == ""
        fill(log, 1)
        assert sink.wait_for(log.newest, 20)
        sink.stop()
        held.stop()
        assert counted(store) == (600, 600)


def test_a_full_spool_stops_the_reading_and_nothing_is_lost(
    address: Address, server: ClickHouse, tmp_path: Path
) -> None:
    """The rest waits in the log, which is said; then all of it comes."""
    with SqliteLog(tmp_path / "log.sqlite") as log, Store.open(address) as store:
        held, spool = spooled(store, tmp_path / "spool", max_bytes=3_000)
        held.start()
        sink = SinkThread("store", log, over_log(held, log), clock=lambda: 1, max_events=100)
        server.tell("refuse")
        try:
            fill(log, 20)
            sink.start()
            _until(lambda: "full" in sink.state.error)
            assert spool.used_bytes <= 3_000
            assert 0 < sink.state.position < log.newest
            assert log.committed("store") == sink.state.position
        finally:
            server.tell("answer")
        assert sink.wait_for(log.newest, 40)
        _until(lambda: not spool.batches)
        sink.stop()
        held.stop()
        assert counted(store) == (2000, 2000)


def test_a_damaged_file_of_the_spool_is_read_from_the_log_again(
    address: Address, server: ClickHouse, tmp_path: Path
) -> None:
    """Cut short, altered, or left half written by a kill: found by its checksum, before and after a restart, and made good."""
    with SqliteLog(tmp_path / "log.sqlite") as log, Store.open(address) as store:
        fill(log, 6)
        entries = log.read(0)
        _, spool = spooled(store, tmp_path / "spool")
        for entry in entries:
            spool.put([Stretch(0, [entry])])
        files = sorted((tmp_path / "spool").iterdir())
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)
        files[1].write_bytes(files[1].read_bytes()[:-5])
        damaged = bytearray(files[3].read_bytes())
        damaged[-1] ^= 1
        files[3].write_bytes(damaged)
        (tmp_path / "spool" / "000000000009.0.601.700.5.batch.new").write_bytes(b"half")
        for _ in range(2):  # what is missing is not forgotten over another restart
            held, spool = spooled(store, tmp_path / "spool")
            assert [(hole.first, hole.last) for hole in spool.holes] == [(101, 200), (301, 400)]
            assert (spool.batches, spool.damaged) == (4, 2)
        files[5].write_bytes(b"")  # while it is open
        held.start()
        _until(lambda: not spool.batches)
        assert counted(store)[0] == 300
        over_log(held, log)([])
        held.stop()
        assert counted(store) == (600, 600)
        assert spool.holes == []
        assert list((tmp_path / "spool").iterdir()) == []


def test_kills_of_the_server_lose_and_double_nothing(tmp_path: Path) -> None:
    """Seeded moments, mid-insert and between; answers lost and inserts cut off besides."""
    draw = random.Random(20260105)
    with (
        ClickHouse(tmp_path / "server") as server,
        SqliteLog(tmp_path / "log.sqlite") as log,
        Store.open(Address(server.url, timeout_s=5)) as store,
    ):
        store.bind("events", log.identity, log.newest)
        held, spool = spooled(store, tmp_path / "spool")
        held.start()
        sink = SinkThread("store", log, over_log(held, log), clock=lambda: 1, max_events=300)
        sink.start()
        for _ in range(4):
            fill(log, 12)
            server.tell(draw.choice(["lost 2", "half 2", "busy 1"]))
            time.sleep(draw.uniform(0.0, 0.25))
            server.kill()
            fill(log, 3)
            server.start()
        assert sink.wait_for(log.newest, 60)
        _until(lambda: not spool.batches, 60)
        sink.stop()
        held.stop()
        assert counted(store) == (log.newest, log.newest)
        assert log.newest == 6000


def test_a_store_may_come_up_after_its_readers(server: ClickHouse, address: Address, tmp_path: Path) -> None:
    """A patient one opens without it; what it follows is looked at before the first insert."""
    server.tell("refuse")
    try:
        with pytest.raises(StoreDown):
            Store.open(address)
        store = Store.open(address, patient=True)
        with pytest.raises(StoreDown):
            store.bind("events", "a log", 10)
        with pytest.raises(StoreDown):
            store.events()
    finally:
        server.tell("answer")
    assert store.insert_events([Entry(5, 5, "events", DAY0_MS, compress(lines(0, 5)))]) == 5
    with Store.open(address) as other, pytest.raises(StoreMismatch, match="another events log"):
        other.bind("events", "another log", 10)
    store.close()


def test_who_asks_while_the_server_is_away_is_answered_at_once(address: Address) -> None:
    """A board's questions do not queue up behind one that tries to connect."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # lets in, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with Store.open(dataclasses.replace(address, url=url, timeout_s=1.5), patient=True) as store:

            def write() -> None:
                with contextlib.suppress(StoreDown):
                    store.write_log([Stretch(0, [record(1, 0, 1)])])

            thread = threading.Thread(target=write)
            thread.start()
            time.sleep(0.1)
            begun = time.monotonic()
            for _ in range(4):
                with pytest.raises(StoreDown):
                    store.events()
            assert time.monotonic() - begun < 1.4
            thread.join()


# --- tables


def test_two_starters_at_once_make_the_tables_once(address: Address) -> None:
    """Eight, to make it likelier that they meet."""
    failures: list[BaseException] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        try:
            barrier.wait()
            Store.open(address).close()
        except BaseException as error:  # the test reports it
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Store.open(address) as store:
        assert store.write_log([Stretch(0, [record(1, 0, 10)])]) == 10


_REPLICATED = """
import chdb, json, os, sys
connection = chdb.connect(sys.argv[1] + "/store?config-file=" + sys.argv[2])
def ask(sql):
    return bytes(connection.query(sql, "TSV").bytes()).decode()
for statement in json.load(sys.stdin):
    ask(statement if statement.startswith("CREATE") else "EXPLAIN AST " + statement)
print(ask("SELECT name, engine, engine_full FROM system.tables WHERE database = 'default' AND engine LIKE '%MergeTree' ORDER BY name"))
print(ask("SELECT table, zookeeper_path, replica_name FROM system.replicas ORDER BY table"))
sys.stdout.flush()
os._exit(0)  # its keeper has threads that do not end
"""

_KEEPER = """
<clickhouse>
 <zookeeper><implementation>testkeeper</implementation></zookeeper>
 <macros><shard>01</shard><replica>r1</replica></macros>
</clickhouse>
"""


def test_the_tables_of_several_servers_are_the_same_with_other_engines(tmp_path: Path) -> None:
    """The engine itself makes them, with a keeper for tests: Replicated and ReplicatedReplacing, at paths of their own."""
    address = Address("http://x/fengsui", cluster="", replicated=True)
    statements = [rendered(statement, address) for step in migrations() for statement in step.statements]
    (tmp_path / "config.xml").write_text(_KEEPER)
    made = subprocess.run(
        [sys.executable, "-c", _REPLICATED, tmp_path, tmp_path / "config.xml"],
        input=json.dumps(statements),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    tables, replicas = (part.splitlines() for part in made.stdout.strip().split("\n\n"))
    engines = {line.split("\t")[0]: line.split("\t")[1] for line in tables}
    assert set(engines) == TABLES - {"alerts_from_transitions"}
    assert {name for name, engine in engines.items() if engine == "ReplicatedReplacingMergeTree"} == {
        "transitions",
        "alerts",
    }
    assert set(engines.values()) == {"ReplicatedMergeTree", "ReplicatedReplacingMergeTree"}
    assert [line.split("\t")[1:] for line in replicas] == [
        [f"/clickhouse/tables/01/default/{name}", "r1"] for name in sorted(engines)
    ]
    assert sum("replicated_deduplication_window = 1000" in line for line in tables) == len(TABLES) - 2


def test_every_statement_names_the_cluster(store: Store) -> None:
    """ON CLUSTER stands where the engine's grammar wants it, and nowhere twice."""
    address = Address("http://x/fengsui", cluster="c'1", replicated=True)
    with store._connections.reader() as client:
        for step in migrations():
            for statement in step.statements:
                text = rendered(statement, address)
                assert text.count("ON CLUSTER 'c\\'1'") == 1, text
                client.command(f"EXPLAIN AST {text}")
                assert rendered(statement, Address("http://x/fengsui")) == statement


# --- who may do what


def test_misconfiguration_has_names(server: ClickHouse, address: Address) -> None:
    """Wrong password, no user, rights to read only, another's tables: each says what to do, none shows a password."""
    with pytest.raises(StoreRefused, match="FENGSUI_STORE_PASSWORD") as raised:
        Store.open(dataclasses.replace(address, url=address.url.replace("//", "//fengsui:falsch@")))
    assert "falsch" not in str(raised.value)
    assert not raised.value.retryable
    with pytest.raises(StoreRefused, match="right"):
        Store.open(dataclasses.replace(address, url=address.url.replace("//", "//reader@"), password="lesen"))
    with Store.open(
        dataclasses.replace(address, url=address.url.replace("//", "//fengsui@"), password="geheim")
    ) as store:
        assert store.check()
    foreign = dataclasses.replace(address, url=server.url.replace("/fengsui", "/foreign"))
    bare = Connections(foreign)
    with bare.writer() as client:
        client.command("CREATE TABLE events (x Int32) ENGINE = MergeTree ORDER BY x")
    bare.close()
    with pytest.raises(StoreMismatch, match="a database of its own"):
        Store.open(foreign)


def test_the_doctor_finds_it_first(server: ClickHouse, address: Address, tmp_path: Path) -> None:
    """Not there, refused, read-only, a clock that is off, a store of another log; and it makes nothing itself."""

    def told(of: Address, ahead_ms: int = 0, **followed: tuple[str, str]) -> str:
        clock = lambda: time.time_ns() // 1_000_000 - ahead_ms  # noqa: E731
        return "\n".join(f"{one.verdict} {one.text}" for one in store_findings(of, followed, clock))

    assert told(address).startswith("ok")
    assert "no tables yet" in told(address)
    with Store.open(address) as store:
        store.bind("events", "another log", 10)
    assert f"tables at step {len(migrations())}" in told(address)
    assert "30 s ahead of" in told(address, ahead_ms=30_000)
    assert "30 s behind" in told(address, ahead_ms=-30_000)
    assert "fail" not in told(address, events=("/data/log", "another log"))
    assert "another events log than /data/log" in told(address, events=("/data/log", "this log"))
    directory = DataDirectory(tmp_path)
    directory.event_log.parent.mkdir()
    SqliteLog(directory.event_log).close()
    settings = Settings(data=tmp_path, store=address.url)
    assert any(one.what == "store" and "another events log" in one.text for one in findings(settings))
    assert "FENGSUI_STORE_PASSWORD" in told(dataclasses.replace(address, password="falsch"))
    reader = dataclasses.replace(address, url=address.url.replace("//", "//reader@"), password="lesen")
    assert "may only read" in told(reader)
    shared = told(dataclasses.replace(address, cluster="c1", replicated=True))
    assert "no cluster 'c1'" in shared
    assert "macros replica, shard" in shared
    assert "cannot be reached" in told(dataclasses.replace(address, url="http://127.0.0.1:9/x"))


def test_tls_is_spoken_and_certificates_are_held_against_the_authority(tmp_path: Path) -> None:
    """https on whatever port; a certificate of nobody is refused with what to do, plain text on that port, too."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {key} -out {cert}".split(),
        check=True,
        capture_output=True,
    )
    with ClickHouse(tmp_path / "server", "--cert", str(cert), "--key", str(key), scheme="https") as server:
        with Store.open(Address(server.url, authority=cert)) as store:
            assert store.write_log([Stretch(0, [record(1, 0, 10)])]) == 10
        with pytest.raises(StoreRefused, match="store_ca"):
            Store.open(Address(server.url))
        with pytest.raises(StoreError):
            Store.open(Address(server.url.replace("https", "http")))
    with ClickHouse(tmp_path / "plain") as plain, pytest.raises(StoreRefused, match="TLS"):
        Store.open(Address(plain.url.replace("http:", "https:")))


def _until(holds, timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
