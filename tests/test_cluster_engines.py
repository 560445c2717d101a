"""Engines that share the work, whoever is quicker and whoever dies, against one engine that does it alone."""

from __future__ import annotations

import random
import re
from collections import Counter

import polars as pl
import pytest

from events.decode import Decoder
from events.record import Activation, EventBatch, Tick
from events.transition import Transition, key_json
from rules.load import load_rules
from rules.model import RuleSet
from streams.cluster.stages import Division
from streams.engine import Engine
from tests.small_cluster import Cluster, on_time
from tests.strategies.case import line
from tests.strategies.crowd import crowd

DAY_MS = 86_400_000
SEEDS, QUICK = 100, 16


def openings(transitions: list[Transition]) -> Counter[tuple[str, str, str]]:
    return Counter((t.rule, key_json(t.key), t.at) for t in transitions if t.type == "opened")


def alone(ruleset: RuleSet, bodies: list[tuple[int, list[bytes]]], begin_ms: int, end_ms: int) -> list[Transition]:
    """One engine over one log."""
    engine = Engine(load_rules({}))
    told = engine.step([Activation(1, begin_ms, dict(ruleset.bundle))]).transitions
    decoder, pos = Decoder(ruleset.catalog), 1
    for at_ms, lines in bodies:
        frame = decoder.decode(b"\n".join(lines)).frame
        numbers = pl.int_range(pos + 1, pos + 1 + len(frame), eager=True)
        receipt = pl.repeat(at_ms, len(frame), dtype=pl.Int64, eager=True)
        told += engine.step([EventBatch(frame, numbers, receipt)]).transitions
        pos += len(frame)
    return told + engine.step([Tick(pos + 1, end_ms)]).transitions


def case_of(
    seed: int, *, shift_ms: int = 0
) -> tuple[RuleSet, list[tuple[int, list[bytes], list[str | None]]], int, int]:
    """Rules without storms and a stream without late events, in bodies of any size. ``shift_ms``: how much later it happens."""
    case = crowd(seed)
    texts = {name: re.sub(r"max_open: \d+", "max_open: 100000", text) for name, text in case.sets[0].files.items()}
    texts = {name: re.sub(r"max_rate: \d+", "max_rate: 100000", text) for name, text in texts.items()}
    ruleset = load_rules(texts)
    happened = [op[1] | {"time": op[1]["time"] + shift_ms} for op in case.ops if op[0] == "event"]
    events = on_time(happened, ruleset)
    rng = random.Random(seed)
    bodies, clock = [], events[0]["time"]
    while events:
        some, events = events[: (size := rng.choice([1, 3, 20]))], events[size:]
        clock = max(clock, *(event["time"] for event in some))
        bodies.append((clock, [line(event) for event in some], [event.get("subject") for event in some]))
    return ruleset, bodies, bodies[0][0] - 1000, clock + 400 * DAY_MS


@pytest.mark.parametrize(
    "seed", [seed if seed < QUICK else pytest.param(seed, marks=pytest.mark.nightly) for seed in range(SEEDS)]
)
def test_engines_that_share_the_work_open_what_one_alone_opens(seed: int) -> None:
    """Rule by rule and key by key, at the same times, over any number of partitions, with crashes; nothing is told twice."""
    ruleset, bodies, begin_ms, end_ms = case_of(seed)
    expected = openings(alone(ruleset, [body[:2] for body in bodies], begin_ms, end_ms))
    rng = random.Random(seed)
    cluster = Cluster(Division(rng.choice([1, 2, 4]), rng.choice([1, 2, 3])), rng, crashes=rng.choice([0, 0.05, 0.3]))
    cluster.activate(ruleset, begin_ms)
    for at_ms, lines, subjects in bodies:
        cluster.post(lines, subjects, at_ms)
    cluster.tick(end_ms)
    cluster.run()
    cluster.tick(end_ms + 1000)
    cluster.run()
    told = cluster.transitions()
    found = openings(told)
    assert found == expected, f"seed {seed}: missing {expected - found}, beyond {found - expected}"
    names = [(t.alert, t.n) for t in told]
    assert len(names) == len(set(names))
    newest: dict[str, int] = {}
    for transition in told:
        assert transition.n == newest.get(transition.alert, 0) + 1
        newest[transition.alert] = transition.n
