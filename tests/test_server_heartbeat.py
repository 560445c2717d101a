"""The heartbeat: what stands still, what lags, since when; from states that the parts report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from dashboards.server.heartbeat import Pulse, take_pulse
from dashboards.server.services import InForce, Refusal, Services, Settings
from events.times import format_ms
from rules.errors import RuleError
from rules.load import load_rules
from sinks.consumer import SinkState
from sinks.live.mirror import MirrorState
from streams.embedded import RunnerHealth
from streams.log.errors import LogBroken

NOW_MS = 1_780_000_000_000


@dataclass
class Waiting:
    at_ms: int


@dataclass
class LogState:
    """A log as the heartbeat sees it."""

    used_bytes: int = 10
    max_bytes: int = 100
    broken: Exception | None = None
    waiting: list[Waiting] = field(default_factory=list)

    def read(self, _after: int, _max_events: int, _max_bytes: int) -> list[Waiting]:
        return self.waiting


@dataclass
class World:
    """Parts in a given state."""

    health: RunnerHealth
    sink: SinkState
    event_log: LogState = field(default_factory=LogState)
    transition_log: LogState = field(default_factory=LogState)
    refused: Refusal | None = None
    settings: Settings = field(default_factory=Settings)
    followed: MirrorState | None = None

    def live_source(self) -> MirrorState | None:
        return self.followed

    @property
    def runner(self) -> World:
        return self

    def clock(self) -> int:
        return NOW_MS

    def sinks(self) -> list[SinkState]:
        return [self.sink]

    @property
    def rules(self) -> World:
        return self

    @property
    def in_force(self) -> InForce:
        return InForce(load_rules({}), 7, NOW_MS - 3_600_000)

    def pulse(self) -> Pulse:
        return take_pulse(cast(Services, self))


def well() -> World:
    health = RunnerHealth(state="running", pos=100, newest=100, stepped_at_ms=NOW_MS - 500)
    return World(
        health, SinkState("store-events", position=100, newest=100, last_success_ms=NOW_MS - 500, running=True)
    )


def test_all_is_well() -> None:
    """No problem, no lag."""
    assert well().pulse() == Pulse("ok", (), 0.0)


@pytest.mark.parametrize(
    ("changes", "part", "level"),
    [
        ({"state": "failed", "error": "boom"}, "engine", "stalled"),
        ({"state": "stopped"}, "engine", "stalled"),
        ({"state": "waiting", "error": "disk full"}, "engine", "stalled"),
        ({"stepped_at_ms": NOW_MS - 20_000}, "engine", "stalled"),
        ({"warnings": ("no snapshot",)}, "engine", "behind"),
    ],
)
def test_an_engine_that_does_not_move(changes: dict[str, Any], part: str, level: str) -> None:
    """Failed, stopped, waiting or silent: somebody must look; a warning is less."""
    world = well()
    world.health = replace(world.health, **changes)
    pulse = world.pulse()
    assert pulse.health == level
    assert [(p.part, p.level) for p in pulse.problems] == [(part, level)]
    assert pulse.problems[0].title["zh"]
    assert pulse.problems[0].title["en"]


def test_a_silent_engine_says_since_when() -> None:
    """The time of its last step."""
    world = well()
    world.health = replace(world.health, stepped_at_ms=NOW_MS - 42_000)
    (problem,) = world.pulse().problems
    assert problem.since == format_ms(NOW_MS - 42_000)
    assert "42" in problem.title["zh"]


def test_an_engine_that_lags() -> None:
    """By the age of the oldest record that it has not read, not by their number."""
    world = well()
    world.health = replace(world.health, newest=50_000)
    world.event_log.waiting = [Waiting(NOW_MS - 1_000)]
    assert world.pulse() == Pulse("ok", (), 1.0)
    world.event_log.waiting = [Waiting(NOW_MS - 9_000)]
    pulse = world.pulse()
    assert (pulse.health, pulse.lag_s) == ("behind", 9.0)


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"newest": 90_000}, None),
        ({"newest": 90_000, "last_success_ms": NOW_MS - 20_000}, "behind"),
        ({"newest": 90_000, "last_success_ms": NOW_MS - 200_000}, "stalled"),
        ({"last_success_ms": NOW_MS - 200_000}, None),
        ({"newest": 101, "error": "refused", "failing_since_ms": NOW_MS - 1_000}, "behind"),
        ({"newest": 101, "error": "refused", "failing_since_ms": NOW_MS - 130_000}, "stalled"),
        ({"running": False}, "stalled"),
    ],
)
def test_a_sink_that_lags(changes: dict[str, Any], level: str | None) -> None:
    """Entries on their way are no trouble; entries that do not get there are; an idle sink is well."""
    world = well()
    world.sink = replace(world.sink, **changes)
    assert [(p.part, p.level) for p in world.pulse().problems] == ([("sink:store-events", level)] if level else [])


def test_a_demo_that_runs_quickly_is_not_behind() -> None:
    """Ten times as fast, two minutes of its clock are twelve seconds for people."""
    world = well()
    world.settings = Settings(time_scale=10.0)
    world.health = replace(world.health, stepped_at_ms=NOW_MS - 120_000)
    assert world.pulse().health == "ok"


def test_logs_and_rules() -> None:
    """A full or broken log, and refused rules; the worst comes first."""
    world = well()
    world.refused = Refusal((RuleError("rules.yaml", 3, 1, "unknown key"),), 2, NOW_MS - 60_000)
    world.transition_log.used_bytes = 95
    world.event_log.broken = LogBroken("input/output error")
    pulse = world.pulse()
    assert pulse.health == "stalled"
    assert [(p.part, p.level) for p in pulse.problems] == [("log", "stalled"), ("log", "behind"), ("rules", "notice")]
    assert "95%" in pulse.problems[1].title["en"]


def test_a_board_without_its_redis_says_so() -> None:
    """Since when, and why; nothing stands still for it."""
    world = well()
    world.followed = MirrorState("redis")
    assert world.pulse() == Pulse("ok", (), 0.0)
    world.followed = MirrorState("log", "redis://127.0.0.1:6379/0?prefix=x does not answer", NOW_MS - 9_000)
    (problem,) = world.pulse().problems
    assert (problem.part, problem.level, problem.since) == ("live", "behind", format_ms(NOW_MS - 9_000))
    assert problem.title["zh"] == "Redis 不可用，已改读日志"
    assert "does not answer" in problem.detail


def test_refused_rules_are_no_ill_health() -> None:
    """Events flow and are judged: a notice says since when what is in force, and keeps the faults to itself."""
    world = well()
    world.refused = Refusal((RuleError("rules.yaml", 3, 1, "unknown key"),), 2, NOW_MS - 60_000)
    pulse = world.pulse()
    assert pulse.health == "ok"
    notice = pulse.problems[0]
    assert (notice.level, notice.since) == ("notice", format_ms(NOW_MS - 60_000))
    assert "3 faults" in notice.title["en"]
    assert format_ms(NOW_MS - 3_600_000) in notice.title["en"]
    assert "unknown key" not in str(notice)
