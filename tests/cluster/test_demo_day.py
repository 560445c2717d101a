"""The generated day by all shipped rules: workers open what one engine opens, rule by rule."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from events.decode import Decoder
from events.times import parse_instant
from events.transition import Transition
from fengsui.demo.day import Day
from rules.load import load_rules, packs_directory
from rules.model import RuleSet
from streams.cluster.address import Address
from streams.cluster.identity import Identity
from tests.cluster.kafka_broker import KafkaBroker
from tests.cluster.played import Listener, Sender
from tests.cluster.processes import Process, processes
from tests.small_cluster import on_time
from tests.test_cluster_engines import alone, openings

HOUR_MS = 3_600_000
#: In the future: workers' ticks are of now, and an engine whose clock is ahead of them does not mind.
BEGIN_MS = 1_780_009_200_000 + 3650 * 24 * HOUR_MS
BODY = 500
Body = tuple[int, list[bytes], list[str | None]]


def day_of(ruleset: RuleSet, hours: int) -> list[Body]:
    """Some hours of the day in bodies, without what comes too late or again, each received when its newest event happened."""
    lines = [
        line
        for _, line in itertools.takewhile(
            lambda one: one[0] < BEGIN_MS + hours * HOUR_MS, Day(7, live=False).lines(BEGIN_MS)
        )
    ]
    decoded = Decoder(ruleset.catalog).decode(b"\n".join(lines))
    rows = decoded.frame.select("id", "source", "feed", "time", "subject").with_row_index("row").to_dicts()
    kept = on_time(rows, ruleset)
    bodies: list[Body] = []
    clock = BEGIN_MS
    for some in _batched(kept):
        clock = max(clock, *(row["time"] for row in some))
        bodies.append((clock, [decoded.raw(row["row"]) for row in some], [row["subject"] for row in some]))
    return bodies


def _batched(rows: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    return [rows[at : at + BODY] for at in range(0, len(rows), BODY)]


def until(transitions: list[Transition], end_ms: int) -> Counter[tuple[str, str, str]]:
    return openings([t for t in transitions if parse_instant(t.at) <= end_ms])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_day_opens_the_same(
    workers: int, made: Callable[..., tuple[Address, Identity]], broker: KafkaBroker, tmp_path: Path
) -> None:
    """73 rules over 16 feeds, six hours: every opening, by rule, key and time."""
    address, identity = made(partitions=4, wide=2)
    ruleset = load_rules(packs_directory())
    bodies = day_of(ruleset, 6)
    end_ms = bodies[-1][0] + 2 * HOUR_MS
    expected = until(alone(ruleset, [body[:2] for body in bodies], BEGIN_MS, end_ms), end_ms - 600_000)
    with (
        processes(*(Process(tmp_path, "worker", "--log", broker.url(address.name)) for _ in range(workers))),
        closing(Sender(address, identity)) as sender,
        closing(Listener(address)) as listener,
    ):
        sender.activate(ruleset, BEGIN_MS)
        for at_ms, lines, subjects in bodies:
            sender.post(lines, subjects, at_ms)
        ticks = itertools.count()

        def settled(heard: list[Transition]) -> bool:
            done = until(heard, end_ms - 600_000) == expected
            if not done:
                sender.tick(end_ms + 1000 * next(ticks))
            return done

        try:
            listener.listen(settled, within_s=180)
        finally:
            found = until(listener.heard, end_ms - 600_000)
            missing, beyond = expected - found, found - expected
            assert found == expected, f"{len(missing)} missing, {len(beyond)} beyond: {[*missing][:5]}, {[*beyond][:5]}"
    assert sum(expected.values()) > 50
    assert len({rule for rule, _, _ in expected}) > 20
