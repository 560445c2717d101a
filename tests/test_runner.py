"""The embedded runner: each transition once, under one number, whatever happens between; ticks, acts, and stops that are told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.transition import Transition
from rules.load import load_rules
from streams.embedded import ActPending, EngineRunner, EngineStopped, Refused, SnapshotPolicy
from streams.log import entry as entries
from streams.log.errors import LogFull, LogMismatch
from streams.log.sqlite import SqliteLog
from tests.small_world import RULES, T0_MS, System, batch, expected, read_all, written

OFTEN = SnapshotPolicy(events=40, seconds=0.0, some=40)
NEVER = SnapshotPolicy(events=10**9, seconds=10**9, at_most_s=10**9)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path)
    system.use()
    yield system
    system.close()


def play(system: System, first: int, last: int, *, seed: int = 1) -> None:
    for number in range(first, last):
        system.now_ms = T0_MS + number * 1000 + 500
        system.post(batch(seed, number))


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def reading(value: float, *, id: str = "x", at_ms: int = T0_MS) -> list[bytes]:
    event = {"id": id, "feed": "sensor", "source": "a", "time": at_ms, "subject": "站0", "metric": "ph", "value": value}
    return [json.dumps(event).encode()]


def test_events_become_numbered_transitions(system):
    """What the runner writes live, in whatever batches it happened to take, is what the engine makes of the log in one go."""
    play(system, 0, 60)
    system.settle()
    made = written(system.transitions)
    assert [t.seq for t in made] == list(range(1, len(made) + 1))
    assert {t.rule for t in made} == {"w.each", "w.mean", "w.hop", "w.slide", "w.silent", "w.follow"}
    assert made == expected(system.events) == expected(system.events, cut=3)
    health = system.runner.health
    assert (health.state, health.error, health.lag, health.lag_s) == ("running", "", 0, 0.0)
    assert health.pos == system.events.newest
    assert health.watermarks["sensor"] > T0_MS


@pytest.mark.parametrize("policy", [OFTEN, NEVER], ids=["snapshots", "no snapshots"])
def test_a_restart_goes_on_where_it_was(tmp_path, policy):
    """Stopped and started many times: the transitions are those of one run."""
    for part in range(5):
        system = System(tmp_path, snapshots=policy)
        system.use()
        play(system, part * 15, part * 15 + 15)
        if part % 2:
            system.settle()
        system.close()
    system = System(tmp_path, snapshots=policy)
    system.settle()
    made = written(system.transitions)
    assert len(made) > 50
    assert made == expected(system.events)
    system.close()


def test_lost_and_damaged_snapshots_cost_nothing(tmp_path):
    """The one before the newest is used; without any the log is stepped again. Nothing is written twice."""
    for part in range(4):
        system = System(tmp_path, snapshots=OFTEN)
        system.use()
        play(system, part * 15, part * 15 + 15)
        system.settle()
        system.close()
        files = sorted((tmp_path / "state").glob("engine-*.snapshot"))
        assert len(files) == 2
        assert not list((tmp_path / "state").glob("*.partial"))
        if part in (0, 2):
            files[-1].write_bytes(files[-1].read_bytes()[:-5])
        if part == 1:
            for file in files:
                file.unlink()
        if part == 2:
            files[0].write_bytes(b"rubbish")
    system = System(tmp_path)
    system.settle()
    assert written(system.transitions) == expected(system.events)
    system.close()


def test_the_log_keeps_what_the_older_snapshot_needs(tmp_path):
    """The engine lets go of the log only up to the snapshot before its newest."""
    system = System(tmp_path, snapshots=OFTEN)
    system.use()
    play(system, 0, 40)
    system.settle()
    until(lambda: system.runner.health.snapshot_pos > 0)
    system.close()
    positions = sorted(int(path.stem.split("-")[1]) for path in (tmp_path / "state").glob("engine-*.snapshot"))
    log = SqliteLog(tmp_path / "log" / "events.sqlite")
    assert log.committed("engine") == positions[0] < positions[1]
    log.close()


def test_silence_is_noticed(tmp_path):
    """When nothing arrives ticks move the clock, and the absence of a station is told."""
    system = System(tmp_path, tick_ms=20)
    system.use()
    system.post(reading(5))
    system.settle()
    assert not written(system.transitions)
    for second in range(1, 90):
        system.now_ms = T0_MS + second * 1000
        until(lambda: (system.runner.health.clock_ms or 0) >= system.now_ms)
    system.settle()
    assert [(t.rule, t.type, t.at) for t in written(system.transitions)] == [
        ("w.silent", "opened", "2026-05-28T20:26:48.000Z")
    ]
    ticks = [entry for entry in read_all(system.events) if entry.kind == "tick"]
    assert len(ticks) == 89
    assert written(system.transitions) == expected(system.events)
    system.close()


def test_no_tick_while_events_move_the_clock(system):
    """A stream of events that are in time is clock enough."""
    for number in range(20):
        system.now_ms = T0_MS + number * 900
        system.post(reading(5, id=f"x{number}", at_ms=system.now_ms))
        system.settle()
    assert not [entry for entry in read_all(system.events) if entry.kind == "tick"]


def test_people_act_on_alerts(system):
    """An act is answered by its transition, or by the reason why not; a restart replays it."""
    system.post(reading(9.9))
    system.settle()
    (opened,) = written(system.transitions)
    acked = system.runner.act(opened.alert, "ack", "王")
    assert isinstance(acked, Transition)
    assert (acked.type, acked.by, acked.seq, acked.n) == ("acked", "王", 2, 2)
    refused = system.runner.act(opened.alert, "ack", "李")
    assert isinstance(refused, Refused)
    assert "acked" in refused.reason
    assert isinstance(system.runner.act("0" * 16, "note", "李", note="?"), Refused)
    assigned = system.runner.act(opened.alert, "assign", "王", note="请去看", to="李")
    assert isinstance(assigned, Transition)
    assert (assigned.to, assigned.note) == ("李", "请去看")
    assert written(system.transitions) == expected(system.events)
    assert len(written(system.transitions)) == 3


def test_acts_of_many_people_at_once_are_each_answered(system):
    """Only one of many ackers wins; all are told."""
    system.post(reading(9.9))
    system.settle()
    (opened,) = written(system.transitions)
    outcomes: list[object] = []
    people = [
        threading.Thread(target=lambda n=n: outcomes.append(system.runner.act(opened.alert, "ack", f"{n}")))
        for n in range(12)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sum(isinstance(outcome, Transition) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 11


def test_a_full_transition_log_holds_the_engine_up_but_loses_nothing(tmp_path):
    """The engine waits and says so; when the slow consumer moves on, everything is there once."""
    system = System(tmp_path, transition_bytes=200_000, snapshots=OFTEN)
    system.transitions.register("board")
    system.use()
    number = 0
    while system.runner.health.state != "waiting":
        play(system, number, number + 5)
        number += 5
        assert number < 2_000
    assert "full" in system.runner.health.error
    assert system.runner.health.lag > 0
    with pytest.raises(ActPending):
        system.runner.act("0" * 16, "ack", "王", timeout_s=0.05)
    system.close()  # stopped while it waits: what it made but could not write is made again
    system = System(tmp_path, transition_bytes=100_000_000)
    system.settle()
    assert system.runner.health.state == "running"
    assert written(system.transitions) == expected(system.events)
    system.close()


def test_an_error_in_a_step_stops_the_engine_loudly(system):
    """The door goes on taking events, the health says what happened, people's acts are refused by name."""
    system.post(reading(9.9))
    system.settle()
    before = written(system.transitions)
    system.events.append([entries.NewEntry("events", 1, T0_MS, b"the disk has eaten this")])
    until(lambda: system.runner.health.state == "failed")
    health = system.runner.health
    assert not health.running
    assert "ZstdError" in health.error
    assert system.metrics.registry.get_sample_value("fengsui_engine_up") == 0
    with pytest.raises(EngineStopped, match="ZstdError"):
        system.runner.act(before[0].alert, "ack", "王")
    system.post(reading(9.9, id="y"))
    assert not system.runner.wait_for(system.events.newest, 5)
    assert written(system.transitions) == before


def test_a_new_rule_set_takes_its_turn(system):
    """Events before an activation are judged by the old rules, those after it by the new ones, by the new catalogue."""
    system.post(reading(9.5))
    feeds = "feeds: {tide: {domain: environment, fields: {height: number}}}"
    text = RULES + "\n  - {id: w.tide, title: t, domain: environment, feed: tide, when: height > 3, severity: red}\n"
    rules = load_rules({"rules.yaml": text.replace("w.each", "w.other"), "feeds.yaml": feeds})
    system.door.activate(rules)
    tide = {"id": "t", "feed": "tide", "source": "a", "time": T0_MS, "subject": "港", "height": 4}
    system.post([*reading(9.6, id="y"), json.dumps(tide).encode()])
    system.settle()
    assert system.runner.ruleset.version == rules.version
    opened = [t.rule for t in written(system.transitions) if t.type == "opened"]
    assert opened == ["w.each", "w.other", "w.tide"]
    assert written(system.transitions) == expected(system.events)
    directory = system.directory
    system.close()
    again = System(directory)
    assert again.runner.newest_rules().version == rules.version
    again.close()


def test_rules_that_this_version_refuses_do_not_stop_it(system):
    """An activation that cannot be loaded is passed over with a warning; the rules before it go on, in every replay."""
    system.events.append([entries.rules_entry({"files": {"a.yaml": "rules: 7"}, "feeds": None}, at_ms=T0_MS)])
    system.post(reading(9.9))
    system.settle()
    assert [t.rule for t in written(system.transitions)] == ["w.each"]
    assert "a.yaml" in system.runner.health.warnings[0]
    assert system.runner.newest_rules().version == system.runner.ruleset.version
    system.use(
        RULES + "  - {id: w.more, title: t, domain: environment, feed: sensor, when: value > 9, severity: red}\n"
    )
    system.post(reading(9.9, id="y", at_ms=T0_MS + 1))
    system.settle()
    assert not system.runner.health.warnings
    assert [t.rule for t in written(system.transitions)] == ["w.each", "w.more"]


def test_a_full_event_log_is_let_go_of_by_snapshots(tmp_path, monkeypatch):
    """However small the log: what only snapshots hold is let go of, and the door opens again."""
    monkeypatch.setattr("streams.embedded._PRESSED_S", 0.05)
    monkeypatch.setattr("streams.gateway.gateway._PRESSED_S", 0.05)
    system = System(tmp_path, snapshots=NEVER, event_bytes=90_000)
    system.use()
    sent = refused = 0
    deadline = time.monotonic() + 60
    while sent < 250:
        assert time.monotonic() < deadline, system.events.consumers()
        try:
            system.now_ms = T0_MS + sent * 1000 + 500
            system.post(batch(5, sent))
        except LogFull:
            refused += 1
            time.sleep(0.01)
        else:
            sent += 1
    assert refused > 0
    assert system.events.oldest > 1
    system.settle()
    seen = written(system.transitions)
    system.close()
    system = System(tmp_path, event_bytes=90_000)
    system.settle()
    assert written(system.transitions) == seen
    system.close()


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    """A transition log beside another event log, or one that is ahead of its event log."""
    system = System(tmp_path / "a")
    system.use()
    system.post(reading(9.9))
    system.settle()
    system.close()
    with SqliteLog(tmp_path / "b.sqlite") as other, SqliteLog(tmp_path / "a/log/transitions.sqlite") as transitions:
        runner = EngineRunner(other, transitions, directory=tmp_path / "b", clock=lambda: T0_MS)
        with pytest.raises(LogMismatch):
            runner.start()
    with SqliteLog(tmp_path / "a/log/events.sqlite") as events, SqliteLog(tmp_path / "c.sqlite") as transitions:
        transitions.append([], marks={"produced": events.newest + 1})
        runner = EngineRunner(events, transitions, directory=tmp_path / "c", clock=lambda: T0_MS)
        with pytest.raises(LogMismatch, match="ends at"):
            runner.start()
