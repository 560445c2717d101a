"""Faults drawn from a seed over a whole cluster in processes, while events come: in the end nothing is missing, and nothing is there twice.

A partition of the network is a SIGSTOP here: who is cut off, and who stands still, both answer nobody and come back with what they had.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from sinks.store.store import Store
from streams.cluster.address import parse_address
from streams.cluster.topics import apply, plan
from tests.cluster.clickhouse import ClickHouse, free_port
from tests.cluster.kafka_broker import KafkaBroker
from tests.cluster.played import Listener
from tests.cluster.processes import Process
from tests.redis_server import RedisServer, needs_redis

#: Openings that follow from which events there are, not from when they came: one for a subject's excess, for a region, for a subject.
RULES = """
rules:
  - id: t.ph
    title: {zh: 酸碱度过高, en: pH too high}
    domain: environment
    feed: sensor
    where: metric = 'w01001'
    when: value > 9
    severity: {red: value > 12, orange: true}
    max_open: 100000
  - id: t.food
    title: {zh: 食品安全投诉, en: A complaint about food}
    domain: market
    feed: complaint
    by: [region]
    where: category = '食品安全'
    when: category = '食品安全'
    severity: yellow
    max_open: 100000
  - id: t.over
    title: {zh: 酸碱度预警, en: An alert over the pH}
    domain: governance
    feed: alert
    by: [subject]
    where: type = 'opened' AND rule = 't.ph'
    when: rank >= 3
    severity: red
    max_open: 100000
"""
#: Of a subject's readings, in their order: what its alert does is told by them alone.
COURSES = {
    (7.0,): [],
    (9.0, 8.0): [],
    (9.5,): [["opened"]],
    (12.5, 12.6): [["opened"]],
    (9.5, 12.5): [["opened", "escalated"]],
    (9.5, 7.0): [["opened", "closed"]],
    (9.5, 12.5, 7.0): [["opened", "escalated", "closed"]],
}
WORKERS = ("worker-1", "worker-2")
BOARDS = ("board-1", "board-2")
SINKS = ("store-events", "store-transitions")
#: On which everything else stands: they come back first.
GROUND = ("broker", "clickhouse", "redis")
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Fault:
    """``how``: kill, freeze or full (the store is away and there is no room to keep what it should have had)."""

    how: str
    victim: str


@dataclass(frozen=True)
class Blow:
    """Faults at one time that last so long, and how long it is until the next."""

    faults: tuple[Fault, ...]
    lasts_s: float
    then_s: float

    def __str__(self) -> str:
        return f"{' and '.join(f'{f.how} {f.victim}' for f in self.faults)} for {self.lasts_s:.1f} s, then {self.then_s:.1f} s"


def blows(draw: random.Random, faults: int, *, full: bool) -> list[Blow]:
    """One of every three strikes two parts at once; one of every two follows on the heels of the one before."""
    victims = [*GROUND, "door", *WORKERS, *BOARDS, *SINKS]
    made: list[Blow] = []
    left = faults
    while left:
        struck = draw.sample(victims, min(left, draw.choice((1, 1, 2))))
        some = tuple(
            Fault(draw.choice(("kill", "freeze", "full") if full and one == "clickhouse" else ("kill", "freeze")), one)
            for one in struck
        )
        # Beyond ten seconds the group of the workers goes on without who is frozen.
        lasts_s = draw.choice((draw.uniform(0.1, 2.0), draw.uniform(2.0, 6.0), draw.uniform(6.0, 14.0)))
        made.append(Blow(some, lasts_s, draw.choice((draw.uniform(0.0, 0.5), draw.uniform(0.5, 5.0)))))
        left -= len(some)
    return made


class SmallDisk:
    """A disk of 2 MB for the spool of a sink, which can be filled."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self._path = path
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(path)], check=True)

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self._path / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def clear(self) -> None:
        (self._path / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self._path)], check=True)


@dataclass
class Cluster:
    """The parts by name, and what can be done to each."""

    directory: Path
    broker: KafkaBroker
    clickhouse: ClickHouse
    redis: RedisServer
    parts: dict[str, Process]
    disk: SmallDisk | None
    #: who ended without having been told to, with its last words
    fallen: list[str] = field(default_factory=list)

    def strike(self, fault: Fault) -> None:
        thing = self._thing(fault.victim)
        if fault.how == "full":
            assert self.disk is not None
            self.disk.fill()
            self.clickhouse.kill()
        elif isinstance(thing, RedisServer):
            thing.stop(signal.SIGKILL if fault.how == "kill" else signal.SIGSTOP)
        elif fault.how == "kill":
            thing.kill()
        else:
            thing.freeze()

    def heal(self, fault: Fault) -> None:
        thing = self._thing(fault.victim)
        if fault.how == "full" and self.disk is not None:
            self.disk.clear()
        if fault.how == "freeze":
            if isinstance(thing, RedisServer):
                thing.stop(signal.SIGCONT)
            else:
                thing.thaw()
        else:
            thing.start()
            if isinstance(thing, Process):
                thing.wait()

    def watch(self) -> None:
        """As a service manager does: who has ended is started again, and it is noted."""
        for name, part in self.parts.items():
            if part.ended is not None:
                self.fallen.append(f"{name} ended with {part.ended}: {part.errors}")
                part.kill()
                part.start().wait()

    def _thing(self, name: str) -> Process | KafkaBroker | ClickHouse | RedisServer:
        ground = {"broker": self.broker, "clickhouse": self.clickhouse, "redis": self.redis}
        return ground.get(name) or self.parts[name]

    def headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {(self.directory / name / 'admin.token').read_text().strip()}"}

    def alerts(self, board: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        query = {"limit": "1000"}
        with httpx.Client(base_url=self.parts[board].address, headers=self.headers(board), timeout=60) as client:
            while True:
                answer = client.get("/api/v1/alerts", params=query)
                answer.raise_for_status()
                items += answer.json()["items"]
                if answer.json()["next"] is None:
                    return items
                query["cursor"] = answer.json()["next"]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with Store.open(self.clickhouse.url) as store, store._connections.reader() as client:
            return [tuple(row) for row in client.query(sql).result_rows]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """All of it, on a broker, a store and a Redis of its own, each of which may die."""
    with ExitStack() as stack:
        broker = stack.enter_context(KafkaBroker(tmp_path / "kafka"))
        log = broker.url("chaos")
        apply(plan(parse_address(log), partitions=3, wide=2))
        clickhouse = stack.enter_context(ClickHouse(tmp_path / "clickhouse"))
        redis = RedisServer(tmp_path / "redis", "--appendonly", "yes")
        redis.start()
        stack.callback(redis.stop, signal.SIGKILL)
        disk = None
        if os.geteuid() == 0:
            with contextlib.suppress(subprocess.CalledProcessError):
                disk = SmallDisk(tmp_path / "store-events")
                stack.callback(disk.close)
        (tmp_path / "rules").mkdir()
        (tmp_path / "rules" / "r.yaml").write_text(RULES, encoding="utf-8")
        parts: dict[str, Process] = {}

        def add(name: str, role: str, *args: object) -> None:
            parts[name] = Process(tmp_path, role, *args, "--log", log)
            stack.callback(parts[name].kill)

        # At addresses of their own, to which senders and browsers come back.
        at = {name: ("--listen", f"127.0.0.1:{free_port()}", "--data", tmp_path / name) for name in ("door", *BOARDS)}
        add("door", "gateway", *at["door"], "--rules", tmp_path / "rules")
        for name in WORKERS:
            add(name, "worker")
        for name in SINKS:
            add(name, "sink", name, "--store", clickhouse.url, "--data", tmp_path / name)
        for name in BOARDS:
            add(name, "board", *at[name], "--store", clickhouse.url, "--live", redis.url)
        for part in parts.values():
            part.start().wait()
        yield Cluster(tmp_path, broker, clickhouse, redis, parts, disk)


class Sender(threading.Thread):
    """Sends what it draws, each body until it is taken; ``taken`` are its events."""

    def __init__(self, cluster: Cluster, draw: random.Random, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.taken: list[dict[str, Any]] = []
        self.courses: dict[str, tuple[float, ...]] = {}
        self.again = 0
        self.failure: BaseException | None = None
        self._cluster = cluster
        self._draw = draw
        self._pause_s = pause_s
        self._waiting: list[tuple[str, list[float]]] = []
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            headers = self._cluster.headers("door")
            while not self._ended.wait(self._pause_s) or self._waiting:
                body = self._body(last=self._ended.is_set())
                self._deliver(body, headers)
                self.taken += body
        except BaseException as error:  # the test looks
            self.failure = error

    def finish(self) -> None:
        """The readings of those that have begun are sent to their end."""
        self._ended.set()
        self.join(PATIENCE_S)
        assert not self.is_alive(), "the door takes nothing"
        if self.failure is not None:
            raise self.failure

    def _body(self, *, last: bool) -> list[dict[str, Any]]:
        events = []
        for _ in range(0 if last else self._draw.randint(1, 4)):
            subject = f"站{len(self.courses)}"
            self.courses[subject] = self._draw.choice(list(COURSES))
            self._waiting.append((subject, list(self.courses[subject])))
        for subject, values in self._waiting:
            if last or self._draw.random() < 0.7:
                events.append({"feed": "sensor", "subject": subject, "metric": "w01001", "value": values.pop(0)})
        self._waiting = [one for one in self._waiting if one[1]]
        if not last and self._draw.random() < 0.5:
            region = f"53{self._draw.randint(1, 60):02d}00"
            category = self._draw.choice(("食品安全", "价格"))
            events.append({"feed": "complaint", "region": region, "category": category})
        now_ms = time.time_ns() // 1_000_000
        first = len(self.taken)
        return [{"id": f"e{first + n}", "source": "chaos", "time": now_ms, **event} for n, event in enumerate(events)]

    def _deliver(self, body: list[dict[str, Any]], headers: dict[str, str]) -> None:
        if not body:
            return
        content = "\n".join(map(json.dumps, body)).encode()
        while True:
            with contextlib.suppress(httpx.HTTPError):
                url = f"{self._cluster.parts['door'].address}/api/v1/events"
                answer = httpx.post(url, content=content, headers=headers, timeout=8)
                if answer.status_code == 202:
                    receipt = answer.json()
                    assert receipt["accepted"] + receipt["duplicate"] == len(body), receipt
                    return
                assert answer.status_code == 503, answer.text
            self.again += 1
            time.sleep(0.2)


class Follower(threading.Thread):
    """A browser at a board: cut off, it comes back with the last seq it has seen."""

    def __init__(self, cluster: Cluster, board: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[dict[str, Any]] = []
        self.returns = 0
        #: boards that came back and said that they knew less than this browser
        self.behind: list[tuple[int, int]] = []
        self._cluster = cluster
        self._board = board
        self._ended = threading.Event()

    @property
    def last(self) -> int:
        return self.seen[-1]["seq"] if self.seen else 0

    def run(self) -> None:
        headers = self._cluster.headers(self._board)
        while not self._ended.wait(0.2):
            with contextlib.suppress(OSError, WebSocketException, TimeoutError, EOFError):
                self._follow(headers)
            self.returns += 1

    def _follow(self, headers: dict[str, str]) -> None:
        address = self._cluster.parts[self._board].address.replace("http", "ws", 1)
        url = f"{address}/api/v1/alerts/stream?after={self.last}"
        with connect(url, additional_headers=headers, close_timeout=1, max_size=None) as stream:
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    frame = json.loads(stream.recv(timeout=0.5))
                    if "hello" in frame and frame["hello"]["seq"] < self.last:
                        self.behind.append((frame["hello"]["seq"], self.last))
                    self.seen += frame.get("transitions", [])

    def finish(self) -> None:
        self._ended.set()
        self.join(60)


def play(cluster: Cluster, seed: int, faults: int, pause_s: float) -> None:
    """The faults of a seed one after another; then all that must hold."""
    draw = random.Random(seed)
    plan = blows(draw, faults, full=cluster.disk is not None)
    sender = Sender(cluster, random.Random(draw.random()), pause_s)
    followers = {board: Follower(cluster, board) for board in BOARDS}
    for thread in (sender, *followers.values()):
        thread.start()
    begun_s = time.monotonic()
    time.sleep(1.0)
    for number, blow in enumerate(plan, 1):
        print(f"{time.monotonic() - begun_s:6.1f} s  {number}/{len(plan)}  {blow}", flush=True)
        for fault in blow.faults:
            cluster.strike(fault)
        time.sleep(blow.lasts_s)
        for fault in sorted(blow.faults, key=lambda fault: fault.victim not in GROUND):
            cluster.heal(fault)
        cluster.watch()
        time.sleep(blow.then_s)
    sender.finish()
    print(
        f"{time.monotonic() - begun_s:6.1f} s  {len(sender.taken)} events are in, {sender.again} attempts were in vain"
    )
    come_about(lambda: missing(cluster, sender), cluster)
    print(f"{time.monotonic() - begun_s:6.1f} s  all is at the boards and in the store")
    told = judged(cluster)
    come_about(
        lambda: {board: len(told) - len(one.seen) for board, one in followers.items() if len(one.seen) < len(told)},
        cluster,
    )
    for board, follower in followers.items():
        follower.finish()
        seqs = [one["seq"] for one in follower.seen]
        assert seqs == sorted(set(seqs)), board
        assert [(one["alert"], one["n"], one["type"]) for one in follower.seen] == told, board
        assert not follower.behind, board
        print(f"{board}: {len(told)} transitions, the browser came back {follower.returns} times")
    stored_once(cluster, sender, told)
    openings(cluster, sender, told)
    assert not cluster.fallen, "\n".join(cluster.fallen)


def come_about(lacking: Callable[[], object], cluster: Cluster) -> None:
    """Until nothing is lacking."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        cluster.watch()
        lack: object = "an answer"
        with contextlib.suppress(httpx.HTTPError):
            lack = lacking()
        if not lack:
            return
        assert time.monotonic() < deadline_s, f"{lack}; {cluster.fallen}"
        time.sleep(0.5)


def wanted(sender: Sender) -> dict[str, Counter[str]]:
    """How often each rule opens for whom, by the events that were taken."""
    over = [subject for subject, values in sender.courses.items() for _ in COURSES[values]]
    food = {one["region"] for one in sender.taken if one.get("category") == "食品安全"}
    return {"t.ph": Counter(over), "t.over": Counter(over), "t.food": Counter(food)}


def opened(alerts: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {rule: Counter() for rule in ("t.ph", "t.over", "t.food")}
    for one in alerts:
        found[one["rule"]][one["subject"] or one["key"]["region"]] += 1
    return found


def missing(cluster: Cluster, sender: Sender) -> list[object]:
    """What of the events and openings is not there yet, by places; what is there too often is no reason to wait."""
    lack: list[object] = []
    should = wanted(sender)
    for board in BOARDS:
        found = opened(cluster.alerts(board))
        lack += [(board, rule, dict(list(less.items())[:5])) for rule in should if (less := should[rule] - found[rule])]
    ((events,),) = cluster.query("SELECT uniqExact(id) FROM events")
    if events < len(sender.taken):
        lack.append(("events in the store", events, len(sender.taken)))
    count = sum(one.total() for one in should.values())
    ((alerts,),) = cluster.query("SELECT uniqExact(alert) FROM transitions")
    if alerts < count:
        lack.append(("alerts in the store", alerts, count))
    expected = sum(len(one) for values in sender.courses.values() for one in COURSES[values])
    expected += should["t.over"].total() + should["t.food"].total()
    ((transitions,),) = cluster.query("SELECT uniqExact(alert, n) FROM transitions")
    if transitions < expected:
        lack.append(("transitions in the store", transitions, expected))
    return lack


def judged(cluster: Cluster) -> list[tuple[str, int, str]]:
    """The transitions of the log, as a reader has them that was there from its beginning."""
    with closing(Listener(parse_address(cluster.broker.url("chaos")))) as listener:
        listener.catch_up()
        print(f"the log has {len(listener.heard)} transitions, and {listener.repeats} that were told again")
        return [(one.alert, one.n, one.type) for one in listener.heard]


def stored_once(cluster: Cluster, sender: Sender, told: list[tuple[str, int, str]]) -> None:
    """Each event and each transition is in the store, and once."""
    events = Counter(str(one[0]) for one in cluster.query("SELECT id FROM events"))
    assert events == Counter(one["id"] for one in sender.taken)
    stored = Counter((str(a), int(n), str(t)) for a, n, t in cluster.query("SELECT alert, n, type FROM transitions"))
    assert stored == Counter(told)


def openings(cluster: Cluster, sender: Sender, told: list[tuple[str, int, str]]) -> None:
    """Each alert once, with the course that its events call for, numbered from 1 without a gap."""
    should = wanted(sender)
    courses: dict[str, list[str]] = defaultdict(list)
    for alert, n, type_ in told:
        courses[alert].append(type_)
        assert n == len(courses[alert]), (alert, n)
    for board in BOARDS:
        alerts = cluster.alerts(board)
        assert opened(alerts) == should, board
        assert {one["alert"] for one in alerts} == set(courses), board
        for one in alerts:
            assert one["n"] == len(courses[one["alert"]]), (board, one)
            course = [type_ for type_ in courses[one["alert"]] if type_ != "updated"]
            expected = COURSES[sender.courses[one["subject"]]] if one["rule"] == "t.ph" else [["opened"]]
            assert [course] == expected, (board, one)


@needs_redis
@pytest.mark.parametrize(("seed", "faults"), [(136, 6), pytest.param(40, 100, marks=pytest.mark.nightly)])
def test_chaos(cluster: Cluster, seed: int, faults: int) -> None:
    """Parts of a cluster are killed, frozen and left without room, one or two at a time; every event is judged, shown and stored once."""
    seed = int(os.environ.get("FENGSUI_SEED", seed))
    print(f"FENGSUI_SEED={seed} python -m pytest -s tests/cluster/test_chaos.py -k 'test_chaos and {faults}'")
    play(cluster, seed, faults, 0.3 if faults < 20 else 1.0)
