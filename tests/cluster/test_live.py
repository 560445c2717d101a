"""The live state in Redis over the topic of the transitions: boards of a cluster that share it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

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
