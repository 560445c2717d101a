"""Workers as processes on a real Kafka: what they open is what one engine alone opens, also while they are killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from streams.cluster.address import Address
from streams.cluster.identity import Identity
from tests.cluster.kafka_broker import KafkaBroker
from tests.cluster.played import Listener, Sender
from tests.cluster.processes import Process, processes
from tests.test_cluster_engines import alone, case_of, openings

Made = Callable[..., tuple[Address, Identity]]
#: The streams happen in the future: workers' ticks are of now, and an engine whose clock is ahead of them does not mind.
SHIFT_MS = 3650 * 86_400_000


def worker(directory: Path, broker: KafkaBroker, address: Address) -> Process:
    return Process(directory, "worker", "--log", broker.url(address.name))


def play(seed: int, sender: Sender, *, pause_s: float = 0.0, between: Callable[[int], object] = lambda n: n) -> int:
    """The stream of a seed into the cluster; when it ends."""
    ruleset, bodies, begin_ms, end_ms = case_of(seed, shift_ms=SHIFT_MS)
    sender.activate(ruleset, begin_ms)
    for number, (at_ms, lines, subjects) in enumerate(bodies):
        sender.post(lines, subjects, at_ms)
        between(number)
        time.sleep(pause_s)
    return end_ms


@pytest.mark.parametrize(("seed", "workers"), [(1, 1), (7, 2), (11, 4)])
def test_workers_open_what_one_engine_opens(
    seed: int, workers: int, made: Made, broker: KafkaBroker, tmp_path: Path
) -> None:
    """Rule by rule and key by key; nothing twice."""
    address, identity = made(partitions=4, wide=2)
    ruleset, bodies, begin_ms, end_ms = case_of(seed, shift_ms=SHIFT_MS)
    expected = openings(alone(ruleset, [body[:2] for body in bodies], begin_ms, end_ms))
    with (
        processes(*(worker(tmp_path, broker, address) for _ in range(workers))) as some,
        closing(Sender(address, identity)) as sender,
        closing(Listener(address)) as listener,
    ):
        play(seed, sender)
        found = listener.listen(lambda heard: settled(sender, end_ms, openings(heard) == expected), within_s=90)
        assert openings(found) == expected
        names = [(t.alert, t.n) for t in found]
        assert len(names) == len(set(names))
        assert all(one.ended is None for one in some)
        assert [one.stop() for one in some] == [0] * workers


def settled(sender: Sender, end_ms: int, done: bool) -> bool:
    """Time goes on until all has been judged: live, the doors' ticks do that."""
    if not done:
        sender.tick(end_ms + settled.ticks * 1000)
        settled.ticks += 1
    return done


settled.ticks = 0


def test_killed_workers_lose_and_double_nothing(made: Made, broker: KafkaBroker, tmp_path: Path) -> None:
    """One is killed, one is stopped in order, one stands still for longer than the group waits, while events come."""
    seed = 21
    rng = random.Random(seed)
    address, identity = made(partitions=4, wide=2)
    ruleset, bodies, begin_ms, end_ms = case_of(seed, shift_ms=SHIFT_MS)
    expected = openings(alone(ruleset, [body[:2] for body in bodies], begin_ms, end_ms))
    first, second, third = (worker(tmp_path, broker, address) for _ in range(3))
    with (
        processes(first, second, third),
        closing(Sender(address, identity)) as sender,
        closing(Listener(address)) as listener,
    ):
        third.freeze()

        def disturb(number: int) -> None:
            if number == len(bodies) // 3:
                first.kill()
            if number == len(bodies) // 2:
                first.start().wait()
                assert second.stop() == 0
                second.start().wait()

        play(seed, sender, pause_s=rng.uniform(0.05, 0.1), between=disturb)
        third.thaw()
        found = listener.listen(lambda heard: settled(sender, end_ms, openings(heard) == expected), within_s=120)
        assert openings(found) == expected
        names = [(t.alert, t.n) for t in found]
        assert len(names) == len(set(names))
