"""The live state in Redis through what happens to a Redis: killed, emptied, hung, full, another's."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from events.transition import Transition
from sinks.consumer import SinkThread
from sinks.filters import Filter
from sinks.live.address import RedisAddress
from sinks.live.errors import LiveDown, LiveError, LiveForeign, LiveFull, LiveNewer, LiveRefused
from sinks.live.memory import Live
from sinks.live.mirror import Mirror
from sinks.live.outage import Outage
from sinks.live.redis import RedisLive
from sinks.live.writer import LiveWriter
from streams.log.entry import transition_entry
from streams.log.sqlite import SqliteLog
from tests.redis_server import RedisServer, needs_redis, redis_server
from tests.test_live import alert

pytestmark = needs_redis


class World:
    """A log, its writer's thread and a board over one Redis; ``wanted`` is the same log in memory."""

    def __init__(self, directory: Path, server: RedisServer, *, timeout_s: float = 1.0) -> None:
        self.server = server
        self.log = SqliteLog(directory / "transitions.sqlite")
        self.shared = [RedisLive(server.address(), self.log.identity, timeout_s=timeout_s) for _ in range(2)]
        self.writer = LiveWriter(self.shared[0], self.log)
        self.sink = SinkThread(
            "live", self.log, self.writer.handle, clock=lambda: 1, start_at=0, check=self.writer.check
        )
        self.board = Mirror(self.shared[1], self.log, clock=lambda: 1)
        self.wanted = Live()
        self._draw = random.Random(1)
        self._ns = [0] * 200
        self._numbers = count(1)

    def begin(self) -> None:
        self.board.begin()
        self.sink.start()
        self.board.start()

    def tell(self, transitions: int = 20) -> None:
        """So many transitions into the log."""
        made: list[Transition] = []
        for _ in range(transitions):
            number = self._draw.randrange(200)
            self._ns[number] += 1
            severity, state = self._draw.choice(["red", "blue"]), self._draw.choice(["open", "open", "resolved"])
            made.append(alert(number, self._ns[number], severity, state, seq=next(self._numbers)))
        self.wanted.apply(made)
        self.log.append([transition_entry(one, at_ms=0) for one in made])

    def settle(self, source: str, timeout_s: float = 20.0) -> None:
        """Until the board follows this source and stands at the log's end; then it must be right."""
        until(
            lambda: self.board.state.source == source and self.board.newest_seq == self.log.newest,
            lambda: f"{self.board.state} at {self.board.newest_seq} of {self.log.newest}, {self.sink.state}",
            timeout_s,
        )
        same(self.board, self.wanted)

    def close(self) -> None:
        self.board.stop()
        self.sink.stop()
        for shared in self.shared:
            shared.close()
        self.log.close()


def until(ask: Callable[[], Any], told: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not ask():
        assert time.monotonic() < deadline_s, told()
        time.sleep(0.02)


def same(live: Any, wanted: Live) -> None:
    assert list(live) == list(wanted)
    everything = Filter(shadow=True)
    assert live.counts(everything) == wanted.counts(everything)
    assert live.by_rule() == wanted.by_rule()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "everysec") as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: RedisServer) -> Iterator[World]:
    made = World(tmp_path, server)
    yield made
    made.close()


def test_a_board_follows_redis_and_hears_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word comes with each stretch: nobody waits for the next look."""
    monkeypatch.setattr("sinks.live.mirror._POLL_S", 60.0)
    monkeypatch.setattr("sinks.live.wake._TIMEOUT_S", 90.0)
    world.begin()
    world.tell()
    world.settle("redis")
    for _ in range(3):
        world.tell(1)
        world.settle("redis", 15)
    world.board._halt.set()
    world.tell(1)


def test_word_that_is_missed_costs_a_moment(world: World) -> None:
    """The subscription is cut without a sound: the next look finds what was not told."""
    world.begin()
    world.tell()
    world.settle("redis")
    with world.server.client() as client:
        for _ in range(3):
            client.client_kill_filter(_type="pubsub")
            world.tell(1)
            until(lambda: world.board.newest_seq == world.log.newest, lambda: world.board.state)
    world.settle("redis")


def test_redis_is_killed_and_comes_back(world: World) -> None:
    """The board goes on from the log without a wrong answer, says why and since when, and returns by itself."""
    world.begin()
    world.tell()
    world.settle("redis")
    world.server.stop(signal.SIGKILL)
    world.tell()
    world.settle("log")
    assert world.board.state.since_ms == 1
    assert "does not answer" in world.board.state.error
    world.server.start()
    world.tell()
    world.settle("redis")
    assert world.board.state.error == ""


def test_a_board_starts_without_redis(world: World) -> None:
    """From the log; once Redis is there it is filled, and the board moves over."""
    world.server.stop(signal.SIGKILL)
    world.tell(50)
    world.board.begin()
    same(world.board, world.wanted)
    assert world.board.state.source == "log"
    world.server.start()
    world.sink.start()
    world.board.start()
    world.settle("redis")
    started = Mirror(world.shared[1], world.log, clock=lambda: 0)
    started.begin()
    assert started.state.source == "redis"
    same(started, world.wanted)


def test_redis_is_emptied_in_flight(world: World) -> None:
    """FLUSHALL between any two stretches: built again, and no look at the board is ever wrong in between."""
    world.begin()
    wrong: list[object] = []
    done = threading.Event()

    def look() -> None:
        """What the board shows is some moment of the log: alerts only ever gain transitions."""
        newest: dict[str, int] = {}
        total = 0
        try:
            while not done.is_set():
                shown = {one.alert: one.n for one in world.board}
                back = [name for name, n in newest.items() if shown.get(name, 0) < n]
                if back or len(shown) < total:
                    wrong.append((len(shown), total, back))
                newest, total = shown, len(shown)
        except BaseException as error:  # the test reports it
            wrong.append(error)

    looker = threading.Thread(target=look)
    looker.start()
    with world.server.client() as client:
        for turn in range(12):
            world.tell()
            time.sleep(0.05 * (turn % 3))
            if turn % 2:
                client.flushall()
    done.set()
    looker.join()
    assert wrong == []
    world.settle("redis")


def test_a_part_that_is_lost_is_noticed(world: World) -> None:
    """One key gone, as by a policy that evicts: none of it is believed, and it is built again, also when nothing happens."""
    world.begin()
    world.tell(100)
    world.settle("redis")
    head = world.shared[0].head()
    assert head is not None
    with world.server.client() as client:
        for part in ("body", "unresolved", "meta"):
            assert client.delete(f"test:live:{head.build}:{part}") == 1
            until(
                lambda: (now := world.shared[0].head()) is not None and now.intact,
                lambda: world.sink.state,
            )
            head = world.shared[0].head()
            assert head is not None
    world.settle("redis")
    started = Mirror(world.shared[1], world.log, clock=lambda: 0)
    started.begin()
    same(started, world.wanted)


def test_an_old_copy_of_the_data_is_brought_up(world: World, tmp_path: Path) -> None:
    """Redis comes back with what it had a while ago: the writer goes on from there, and the board does not go back."""
    world.begin()
    world.tell()
    world.settle("redis")
    with world.server.client() as client:
        client.config_set("appendonly", "no")
        client.save()
    kept = (tmp_path / "redis" / "dump.rdb").read_bytes()
    world.tell()
    world.settle("redis")
    world.server.stop(signal.SIGKILL)
    world.server._options = []
    (tmp_path / "redis" / "dump.rdb").write_bytes(kept)
    world.server.start()
    world.tell()
    world.settle("redis")
    head = world.shared[0].head()
    assert head is not None
    assert head.position == world.log.newest


def test_a_redis_that_hangs_holds_nobody_up(world: World) -> None:
    """Questions are answered all the while; after a moment the log is read; then it is believed again."""
    world.begin()
    world.tell()
    world.settle("redis")
    world.server.stop(signal.SIGSTOP)
    world.tell()
    begun_s = time.monotonic()
    world.board.alerts()
    world.board.counts()
    assert time.monotonic() - begun_s < 0.5
    world.settle("log")
    world.server.stop(signal.SIGCONT)
    world.settle("redis")


def test_a_writer_that_stands_still_is_noticed(world: World) -> None:
    """Redis answers but is behind: the log is read, until it has caught up."""
    world.board.begin()
    world.board.start()
    world.writer.check()
    world.tell()
    world.settle("log")
    assert "behind" in world.board.state.error
    world.sink.start()
    world.settle("redis")


def test_of_many_writers_one_writes_and_the_next_goes_on(world: World) -> None:
    """Boards of a cluster each have one; the others stand by, and where it falls silent one goes on from where Redis stands."""
    first, second = (LiveWriter(shared, world.log, turns=True) for shared in world.shared)
    world.tell()
    first.check()
    world.tell()
    second.check()
    second.handle(world.log.read(20))

    def reached() -> int:
        head = world.shared[0].head()
        assert head is not None
        return head.position

    assert reached() == 20
    first.handle(world.log.read(20))
    assert reached() == 40
    world.tell()
    until(lambda: (second.check(), reached())[1] == 60, reached)
    world.board.begin()
    same(world.board, world.wanted)
    assert world.board.state.source == "redis"


def test_a_full_redis_is_told_and_left(tmp_path: Path) -> None:
    """Without eviction it refuses: the sink says so and tries again, the board reads the log."""
    with redis_server(tmp_path / "redis", "--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as server:
        world = World(tmp_path, server)
        try:
            world.board.begin()
            world.board.start()
            world.tell(500)
            with pytest.raises(LiveFull, match="maxmemory"):
                world.writer.check()
            world.settle("log")
            with server.client() as client:
                client.config_set("maxmemory", "100mb")
            world.sink.start()
            world.settle("redis")
        finally:
            world.close()


def test_a_rebuild_takes_the_place_of_what_was_wrong(world: World) -> None:
    """Beside a board that is served all the while; the old build's keys are gone afterwards."""
    world.begin()
    world.tell(100)
    world.settle("redis")
    stages: list[tuple[str, int, int]] = []
    made = world.writer.rebuild(tell=lambda *told: stages.append(told))
    assert made.position == world.log.newest
    assert made.unresolved + made.resolved == len(world.wanted)
    assert stages[-1] == ("write", len(world.wanted), len(world.wanted))
    assert {stage for stage, _, _ in stages} == {"read", "write"}
    world.tell()
    world.settle("redis")
    with world.server.client() as client:
        builds = {key.split(b":")[2] for key in client.scan_iter("test:live:*:*")}
        assert builds == {made.build.encode()}
        assert all(client.ttl(key) == -1 for key in ["test:live", *client.scan_iter("test:live:*:*")])


def test_the_state_of_another_system_is_left_alone(world: World, tmp_path: Path) -> None:
    """By the writer and the board; ``replace`` takes its place."""
    world.begin()
    world.tell()
    world.settle("redis")
    with SqliteLog(tmp_path / "other.sqlite") as log:
        other = RedisLive(world.server.address(), log.identity)
        writer = LiveWriter(other, log)
        with pytest.raises(LiveForeign, match="prefix"):
            writer.check()
        with pytest.raises(LiveForeign):
            writer.rebuild()
        board = Mirror(other, log, clock=lambda: 0)
        board.begin()
        assert (len(board), board.state.source) == (0, "log")
        writer.rebuild(replace=True)
        board.turn()
        other.close()
    with pytest.raises(LiveForeign):
        world.shared[0].head()


def test_a_restored_copy_does_not_write_beside_the_original(world: World, tmp_path: Path) -> None:
    """They have one identity and two futures: while one writes the other is told; when it has gone, all is built anew."""
    world.begin()
    world.tell()
    world.settle("redis")
    with (
        SqliteLog(tmp_path / "transitions.sqlite", read_only=True) as original,
        SqliteLog(tmp_path / "c.sqlite") as log,
    ):
        shared = RedisLive(world.server.address(), original.identity, lineage="copy")
        writer, board = LiveWriter(shared, log), Mirror(shared, log, clock=lambda: 0)
        with pytest.raises(LiveForeign, match="another copy"):
            writer.check()
        board.begin()
        assert (len(board), board.state.source) == (0, "log")
        world.sink.stop()
        with world.server.client() as client:
            assert 0 < client.pttl("test:live:owner") <= 15_000
            client.delete("test:live:owner")  # as when that time is over
        writer.check()
        until(lambda: (board.turn(), board.state.source)[1] == "redis", lambda: board.state)
        assert len(board) == 0
        with pytest.raises(LiveForeign, match="another copy"):
            world.shared[0].head()
        shared.close()
    world.tell()
    world.settle("log")


def test_what_a_newer_version_wrote_is_left_alone(world: World) -> None:
    """It says which it is, and what to do."""
    world.writer.check()
    with world.server.client() as client:
        client.hset("test:live", "format", "2")
    with pytest.raises(LiveNewer, match="format 2"):
        world.shared[0].head()


def test_errors_of_the_way_there_are_named(tmp_path: Path) -> None:
    """Refused, a wrong password, TLS where there is none: each says what to do, and none shows a password."""
    with redis_server(tmp_path / "redis", password="hunter2") as server:
        address = server.address()
        for url, wanted in (
            (f"redis://:wrong@127.0.0.1:{server.port}/0", LiveRefused),
            (f"redis://127.0.0.1:{server.port}/0", LiveRefused),
            (f"rediss://:hunter2@127.0.0.1:{server.port}/0", LiveDown),
            ("redis://127.0.0.1:1/0", LiveDown),
        ):
            made = RedisAddress.parse(url)
            assert made is not None
            shared = RedisLive(made, "me", timeout_s=0.5)
            with pytest.raises(wanted) as caught:
                shared.head()
            assert "hunter2" not in str(caught.value)
            assert ":wrong" not in str(caught.value)
            shared.close()
        assert RedisLive(address, "me").head() is None
        assert "hunter2" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "http://127.0.0.1/0",
        "redis://127.0.0.1/first",
        "redis://127.0.0.1/0?prefix=a%20b",
        "redis://127.0.0.1/0?prefix=",
        "redis://127.0.0.1/0?name=x",
        "memory://here",
    ],
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    """Each is a ValueError that says what to write."""
    with pytest.raises(ValueError, match=r".{10}"):
        RedisAddress.parse(url)


def test_an_outage_is_tried_again_more_and_more_rarely() -> None:
    """0.5 s, then twice as long each time up to the bound; one success and all is as before."""
    now_s = [0.0]
    outage = Outage(most_wait_s=2.0, monotonic_s=lambda: now_s[0])
    assert outage.may_try()
    waits = []
    for _ in range(4):
        outage.failed(OSError("gone"))
        failed_s = now_s[0]
        while not outage.may_try():
            now_s[0] += 0.25
        waits.append(now_s[0] - failed_s)
    assert waits == [0.5, 1.0, 2.0, 2.0]
    assert outage.error == "gone"
    outage.over()
    assert not outage.on
    assert outage.may_try()


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
def test_boards_are_right_through_a_storm_of_faults(tmp_path: Path, seed: int) -> None:
    """40 faults while transitions come: every look at a board is some moment of the log, and at the end all are right."""
    print(f"pytest -m nightly tests/test_live_redis.py -k 'storm and {seed}'")
    draw = random.Random(seed)
    with redis_server(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "no") as server:
        world = World(tmp_path, server, timeout_s=0.5)
        second = LiveWriter(world.shared[1], world.log)
        wrong: list[object] = []
        done = threading.Event()

        def look() -> None:
            newest: dict[str, int] = {}
            while not done.is_set():
                shown = {one.alert: one.n for one in world.board}
                wrong.extend(name for name, n in newest.items() if shown.get(name, 0) < n)
                newest = shown

        def flush() -> None:
            with server.client() as client:
                client.flushall()

        def lose() -> None:
            with server.client() as client:
                keys = list(client.scan_iter("test:live*"))
                if keys:
                    client.delete(draw.choice(sorted(keys)))

        def cut() -> None:
            with server.client() as client:
                client.client_kill_filter(_type=draw.choice(["normal", "pubsub"]))

        def slow() -> None:
            with server.client() as client:
                client.client_pause(draw.choice([100, 400, 1_500]))

        def kill() -> None:
            server.stop(signal.SIGKILL)
            time.sleep(draw.choice([0.0, 0.3, 1.0]))
            server.start()

        def hang() -> None:
            server.stop(signal.SIGSTOP)
            time.sleep(draw.choice([0.1, 1.0]))
            server.stop(signal.SIGCONT)

        def repeat() -> None:
            with contextlib.suppress(LiveError):
                second.handle(world.log.read(draw.randrange(world.log.newest)))

        def rebuild() -> None:
            with contextlib.suppress(LiveError):
                second.rebuild()

        try:
            world.tell(50)
            world.begin()
            looker = threading.Thread(target=look)
            looker.start()
            for _ in range(40):
                world.tell(draw.choice([1, 5, 60]))
                with contextlib.suppress(redis.RedisError):
                    draw.choice([flush, lose, cut, slow, kill, hang, repeat, rebuild])()
                time.sleep(draw.choice([0.0, 0.05, 0.5]))
            world.settle("redis", 60)
            done.set()
            looker.join()
            assert wrong == []

            def start() -> bool:
                """The last fault may not have been noticed yet."""
                started = Mirror(world.shared[1], world.log, clock=lambda: 0)
                started.begin()
                same(started, world.wanted)
                return started.state.source == "redis"

            until(start, lambda: world.sink.state)
        finally:
            done.set()
            world.close()
