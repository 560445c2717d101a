"""The live state in Redis over the topic of the transitions: boards of a cluster that share it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np

from events.transition import Transition
from events.transition import encode as encoded
from sinks.live.memory import Live
from sinks.live.shared import SharedLive
from sinks.store.store import Store
from streams.cluster.address import Address
from streams.cluster.identity import Identity
from streams.cluster.producer import Producer
from streams.cluster.record import Stamped
from streams.cluster.topology import TRANSITIONS
from streams.cluster.transition_log import TransitionLog
from streams.log.entry import transition
from tests.cluster.clickhouse import ROOT, ClickHouse
from tests.cluster.processes import Process
from tests.redis_server import needs_redis, redis_server
from tests.test_live import alert
from tests.test_live_redis import same, until


def record(one: Transition, ordinal: int) -> Stamped:
    return Stamped("transition", 1, 1, encoded(one), np.array([ordinal], np.int64), "events-0", ordinal)


@needs_redis
def test_boards_share_it_and_go_on_without_it(made: Callable[..., tuple[Address, Identity]], tmp_path: Path) -> None:
    """One writes; repeats of the topic count once; the other goes on when it stops, and both when Redis is away."""
    address, identity = made()
    topic = address.topic(TRANSITIONS)
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path / "redis"))
        store = stack.enter_context(Store.open(f"chdb://{tmp_path / 'store'}"))
        producer = stack.enter_context(Producer(address, {topic: 1}))
        boards, logs = [], []
        ordinal = newest = 0

        def tell(count: int) -> None:
            nonlocal ordinal, newest
            for _ in range(count):
                ordinal += 1
                one = record(alert(ordinal % 20, ordinal // 20 + 1, ("red", "blue")[ordinal % 2]), ordinal)
                newest = producer.submit(topic, 0, one).result(30) + 1
                if ordinal % 7 == 0:
                    producer.submit(topic, 0, one).result(30)  # as after a crash

        def settled(source: str, *live: SharedLive) -> None:
            wanted = Live()
            until(lambda: logs[0].newest == logs[1].newest == newest, lambda: logs[0].newest)
            wanted.apply(map(transition, logs[0].read(0)))
            for one in live:
                until(
                    lambda one=one: one.live.newest_seq == newest and one.live.state.source == source,
                    lambda one=one: (one.live.state, one.live.newest_seq, newest, one.sink.state),
                    40,
                )
                same(one.live, wanted)

        tell(50)
        for _ in range(2):
            log = TransitionLog(address, identity.cluster).start()
            stack.callback(log.close)
            opened = SharedLive.open(stack, redis.address(), log, store, clock=lambda: 1, turns=True)
            opened.sink.start()
            stack.callback(opened.sink.stop)
            logs.append(log)
            boards.append(opened)
        settled("redis", *boards)
        tell(50)
        settled("redis", *boards)
        boards[0].sink.stop()
        tell(20)
        settled("redis", *boards)
        redis.stop(signal.SIGKILL)
        tell(20)
        settled("log", *boards)
        redis.start()
        tell(20)
        settled("redis", *boards)


@needs_redis
def test_two_board_processes(made: Callable[..., tuple[Address, Identity]], tmp_path: Path) -> None:
    """Signed in at one is signed in at the other; both follow Redis, and a rebuild beside them is followed, too."""
    address, _ = made()
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path / "redis"))
        clickhouse = ClickHouse(tmp_path / "store")
        stack.callback(clickhouse.kill)
        common = ["--log", str(address), "--store", clickhouse.url, "--live", redis.url]
        boards = []
        for name in ("a", "b"):
            data = tmp_path / name
            data.mkdir()
            (data / "admin.token").write_text("x" * 40)
            boards.append(Process(tmp_path, "board", *common, "--data", data).start())
            stack.callback(boards[-1].kill)
        first, second = (board.wait() for board in boards)
        with httpx.Client() as browser:
            assert browser.post(f"{first.address}/api/v1/session", json={"token": "x" * 40}).status_code == 200
            for board in (first, second):
                until(
                    lambda board=board: browser.get(f"{board.address}/api/v1/me").status_code == 200,
                    lambda board=board: board.errors,
                )
                assert browser.get(f"{board.address}/api/v1/live").json()["source"] == "redis"
            done = subprocess.run(
                [sys.executable, "-m", "fengsui", "live", "rebuild", *common, "--data", tmp_path / "none"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "0 unresolved and 0 resolved" in done.stdout
            for board in (first, second):
                until(
                    lambda board=board: browser.get(f"{board.address}/api/v1/live").json()["source"] == "redis",
                    lambda board=board: board.errors,
                )
