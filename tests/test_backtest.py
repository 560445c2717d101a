"""Backtests: over a real running system, over its directory, over files; what is compared with what."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.feeds import FeedCatalog
from events.times import MAX_MS, MIN_MS
from fengsui.settings import Settings
from fengsui.workbench.backtest import Span, backtest_store
from fengsui.workbench.candidate import load_candidate
from fengsui.workbench.matching import Counts, compare
from fengsui.workbench.opening import Opening
from fengsui.workbench.report import to_json
from fengsui.workbench.stored import opened_history
from rules.load import packs_directory
from tests.running import alerts, environment, eventually, running

FEEDS = """
feeds:
  probe: {domain: environment, idle: 2s, lateness: 0s, fields: {value: number}}
  visit: {domain: market, idle: 2s, lateness: 0s, fields: {kind: string}}
"""
RULES = """
rules:
  - {id: t.each, title: each, feed: probe, when: value > 10, clear: value < 4, severity: {red: value > 14, yellow: true}}
  - {id: t.tumbling, title: tumbling, feed: probe, window: {tumbling: 1s}, measure: {mean: avg(value)}, when: mean > 7, severity: blue}
  - {id: t.hopping, title: hopping, feed: probe, window: {hopping: 2s, every: 1s}, measure: {n: count(*)}, when: n >= 4, severity: blue}
  - {id: t.sliding, title: sliding, feed: probe, window: {sliding: 2s}, measure: {top: max(value)}, when: top > 12, severity: orange}
  - {id: t.session, title: session, feed: probe, window: {session: 700ms}, measure: {n: count(*)}, when: n >= 2, severity: blue}
  - {id: t.absent, title: absent, feed: probe, absent: 2s, severity: orange}
  - {id: t.expected, title: expected, feed: visit, by: [subject], absent: 3s, expect: [s0, never], severity: orange}
  - {id: t.new, title: new, feed: visit, new: [kind], memory: 3s, severity: blue}
  - id: t.sequence
    title: sequence
    within: 4s
    severity: yellow
    sequence: [{feed: probe, where: value > 8}, {feed: visit, where: kind <> 'x'}]
  - {id: t.alerts, title: alerts, feed: alert, by: [subject], where: type = 'opened', window: {tumbling: 2s}, measure: {n: count(*)}, when: n >= 2, severity: red}
"""
KINDS = [line.split("id: ")[1].split(",")[0].strip() for line in RULES.splitlines() if "id: t." in line]


def command(*args: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "fengsui", *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment(),
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def backtest(cwd: Path, rule: Path, *args: object) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(command("rules", "backtest", rule, *args, "--json", "-", cwd=cwd).stdout)
    return report


def of_rules(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {rule["rule"]: rule for rule in report["rules"]}


def assert_same(report: dict[str, Any]) -> None:
    """Everything that did open would have opened, at the same instant and as high, and nothing else."""
    for name, rule in of_rules(report).items():
        counts = rule["counts"]
        strange = [pair for pair in rule["openings"] if pair["relation"] != "same" or pair["severity_changed"]]
        assert counts["would"] == counts["did"] == counts["same"], (name, counts, strange[:3])
        assert not strange, (name, strange[:3])


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "feeds.yaml").write_text(FEEDS)
    (directory / "a.yaml").write_text(RULES)
    return directory


def lively(client: httpx.Client, seed: int, *, for_s: float) -> None:
    """Events as stations send them: some late, some out of order, with silences in which only time passes."""
    rng = random.Random(seed)
    number = 0
    end_s = time.monotonic() + for_s
    quiet = [(0.35, 0.6), (0.8, 0.9)]
    while (left_s := end_s - time.monotonic()) > 0:
        part = 1 - left_s / for_s
        if any(low < part < high for low, high in quiet):
            time.sleep(0.1)
            continue
        now_ms = time.time_ns() // 1_000_000
        events = []
        for _ in range(rng.randrange(1, 5)):
            number += 1
            at_ms = now_ms - rng.choice([0, 0, 0, 20, 300, 2500])
            event: dict[str, Any] = {
                "id": f"{seed}-{number}",
                "source": "t",
                "time": at_ms,
                "subject": f"s{rng.randrange(3)}",
            }
            if rng.random() < 0.75:
                event |= {"feed": "probe", "value": round(rng.uniform(0, 16), 2)}
            else:
                event |= {"feed": "visit", "kind": rng.choice("xyz")}
            events.append(event)
        answer = client.post("/api/v1/events", json=events)
        assert answer.status_code == 202, answer.text
        assert answer.json()["accepted"] == len(events), answer.text
        time.sleep(rng.uniform(0.02, 0.25))


def test_an_unchanged_rule_opens_exactly_what_did_open(tmp_path: Path, rules: Path) -> None:
    """Every kind, with late events, silences and a person's resolve: beside the running system, after it, and of a part."""
    data = tmp_path / "data"
    began_ms = time.time_ns() // 1_000_000 - 3_000
    rule = rules / "a.yaml"
    with running("up", data, "--rules", rules) as up, up.client() as client:
        lively(client, 1, for_s=7)
        standing = [one for one in alerts(client, rule="t.each") if one["condition"] == "active"]
        standing = standing or eventually(lambda: alerts(client, rule="t.absent"))
        assert client.post(f"/api/v1/alerts/{standing[0]['alert']}/resolve", json={"note": "看过"}).status_code == 200
        middle_ms = time.time_ns() // 1_000_000
        lively(client, 2, for_s=6)
        time.sleep(4)  # the last absences and windows come with ticks alone
        to_ms = time.time_ns() // 1_000_000 - 1_000
        eventually(lambda: client.get("/api/v1/events", params={"limit": 1}).json()["items"])
        time.sleep(2)
        span = ("--data", data, "--rules", rules, "--from", began_ms, "--to", to_ms)
        beside = backtest(tmp_path, rule, *span)
        assert_same(beside)
        opened = {name: found["counts"]["would"] for name, found in of_rules(beside).items()}
        assert opened.keys() == set(KINDS)
        assert all(opened.values()), opened
        assert up.stop() == 0
    after = backtest(tmp_path, rule, *span)
    assert_same(after)
    assert {name: found["counts"]["would"] for name, found in of_rules(after).items()} == opened
    # From the middle on: what was open then, and what windows and sequences held, is known from the history before.
    part = backtest(tmp_path, rule, "--data", data, "--rules", rules, "--from", middle_ms, "--to", to_ms)
    assert_same(part)
    assert sum(found["counts"]["would"] for found in part["rules"]) < sum(opened.values())
    # One rule alone reads its own feed only; that the clock went on with the others is known.
    for name in ("t.absent", "t.new", "t.tumbling", "t.sequence"):
        alone = tmp_path / f"{name}.yaml"
        head, *bodies = RULES.strip().split("  - ")
        alone.write_text(head + "".join(f"  - {body}" for body in bodies if f"id: {name}" in body))
        assert_same(backtest(tmp_path, alone, *span))


def events_of(values: Iterable[tuple[float, str, float]]) -> bytes:
    """(seconds, subject, value) as sensor events of a day."""
    lines = []
    for number, (second, subject, value) in enumerate(values):
        event = {"id": f"e{number}", "feed": "sensor", "source": "t", "time": 1_767_225_600_000 + round(second * 1000)}
        lines.append(json.dumps({**event, "subject": subject, "region": "530102", "value": value}, ensure_ascii=False))
    return "\n".join(lines).encode() + b"\n"


EACH = """
rules:
  - id: t.over
    title: {zh: 超限, en: Over}
    feed: sensor
    when: value > 10
    severity: {red: value > 100, orange: true}
    summary: {zh: "{subject} {value}", en: "{subject} {value}"}
"""


def test_files_are_compared_with_the_directory_as_it_is(tmp_path: Path) -> None:
    """A lower threshold adds, merges and moves; a changed ladder changes severities; each counted where it happened."""
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "a.yaml").write_text(EACH)
    changed = tmp_path / "changed.yaml"
    changed.write_text(EACH.replace("value > 10\n", "value > 8\n").replace("value > 100", "value > 50"))
    (tmp_path / "e.ndjson").write_bytes(
        events_of(
            [
                (0, "甲厂", 9),  # moved: it begins here, not at 60
                (60, "甲厂", 11),
                (120, "甲厂", 1),
                (130, "乙厂", 9),  # added
                (140, "乙厂", 1),
                (200, "丙厂", 60),  # the same, but red
                (210, "丙厂", 1),
                (300, "丁厂", 11),
                (310, "丁厂", 9),  # here it closed and opened again; now it goes on
                (320, "丁厂", 11),
                (330, "丁厂", 1),
            ]
        )
    )
    report = backtest(tmp_path, changed, "--rules", directory, "e.ndjson")
    found = of_rules(report)["t.over"]
    counts = found["counts"]
    assert (counts["would"], counts["did"]) == (4, 4)
    assert {
        name: counts[name] for name in ("same", "moved", "added", "gone", "split", "merged", "severity_changed")
    } == {
        "same": 2,
        "moved": 1,
        "added": 1,
        "gone": 0,
        "split": 0,
        "merged": 1,
        "severity_changed": 1,
    }
    red = next(pair for pair in found["openings"] if pair["severity_changed"])
    assert (red["did"]["peak"], red["would"]["peak"], red["subject"]) == ("orange", "red", "丙厂")
    assert red["would"]["summary"]["zh"].startswith("丙厂 60")
    assert found["days"] == [{"day": "2026-01-01", **counts}]
    assert found["regions"] == [{"region": "530102", **counts}]
    assert found["subjects"][0]["subject"] == "丁厂"
    assert [one["key"]["subject"] for one in found["loudest"]] == ["丁厂", "丙厂", "甲厂", "乙厂"]
    # The other way round, what was added is gone.
    (directory / "a.yaml").write_text(changed.read_text())
    changed.write_text(EACH)
    back = of_rules(backtest(tmp_path, changed, "--rules", directory, "e.ndjson"))["t.over"]["counts"]
    assert (back["gone"], back["split"], back["moved"], back["same"]) == (1, 1, 1, 2)


def test_what_the_range_leaves_out_still_warms_up(tmp_path: Path) -> None:
    """An alert that stood before --from is no opening in it; nor is what opens at --to."""
    rule = tmp_path / "r.yaml"
    rule.write_text(EACH)
    (tmp_path / "e.ndjson").write_bytes(events_of([(0, "a", 11), (60, "a", 12), (90, "b", 11), (120, "c", 11)]))
    start_ms = 1_767_225_600_000
    report = backtest(tmp_path, rule, "e.ndjson", "--from", start_ms + 30_000, "--to", start_ms + 120_000)
    found = report["rules"][0]
    assert [pair["subject"] for pair in found["openings"]] == ["b"]
    assert not found["compared"]
    assert report["notes"][0]["en"].endswith("--rules")


def opening(at: int, closed: int | None = None, *, key: str = "k", peak: str = "orange") -> Opening:
    return Opening(f"{key}{at}", "r", "v", key, "", "", "orange", peak, at, closed)


def relations(would: list[Opening], did: list[Opening], **more: Any) -> dict[str, int]:
    return dict(Counts.of(compare(would, did, **more)).by_relation)


def test_how_openings_are_matched() -> None:
    """By instant; then by what stood at the same time; each once; never across keys."""
    assert relations([opening(1, 5)], [opening(1, 9)]) == {"same": 1}
    assert relations([opening(2, 5)], [opening(1, 3)]) == {"moved": 1}
    assert relations([opening(2, 5)], [opening(6, 9)]) == {"added": 1, "gone": 1}
    assert relations([opening(2, 5)], [opening(2, 5, key="other")]) == {"added": 1, "gone": 1}
    assert relations([opening(1, 9)], [opening(2, 3), opening(5, 6)]) == {"moved": 1, "merged": 1}
    assert relations([opening(2, 3), opening(5, None)], [opening(1, None)]) == {"moved": 1, "split": 1}
    # what stood before the range
    assert relations([opening(12, 20)], [opening(5, None)], from_ms=10) == {"split": 1}
    assert relations([opening(5, None)], [opening(5, 11), opening(12, 13)], from_ms=10) == {"merged": 1}
    # where every match is an alert of its own, and never closes
    assert relations([opening(2)], [opening(1)], single=True) == {"added": 1, "gone": 1}
    changed = compare([opening(1, 5, peak="red")], [opening(1, 5)])
    assert Counts.of(changed).severity_changed == 1


def test_a_rule_is_checked_in_the_context_of_its_directory(tmp_path: Path) -> None:
    """Constants, feeds and lists are the directory's; other rules of the file's ids give way; faults have their place."""
    directory = tmp_path / "rules"
    directory.mkdir()
    (directory / "feeds.yaml").write_text(FEEDS)
    (directory / "constants.yaml").write_text("constants: {limit: 12}\n")
    (directory / "key.csv").write_text("subject\ns1\n")
    (directory / "a.yaml").write_text(RULES)
    trial = tmp_path / "trial.yaml"
    text = "rules:\n  - {id: t.each, title: each, feed: probe, where: \"subject IN list('key.csv')\", when: 'value > ${limit}', severity: red}\n"
    trial.write_text(text)
    candidate = load_candidate(trial, directory, zone="Asia/Shanghai")
    assert [rule.when.text for rule in candidate.rules if rule.when] == ["value > 12"]
    assert [rule.id for rule in candidate.played.rules] == ["t.each"]
    before = candidate.before()
    assert before is not None
    assert [rule.when.text for rule in before.rules if rule.when] == ["value > 10"]
    trial.write_text("rules:\n  - {id: t.alerts, title: x, feed: alert, when: \"rule = 't.each'\", severity: red}\n")
    over = load_candidate(trial, directory, zone="Asia/Shanghai")
    assert {rule.id for rule in over.played.rules} == set(KINDS)
    assert over.feeds == {"probe", "visit"}
    trial.write_text(text.replace("value >", "valu >"))
    failed = command("rules", "backtest", trial, "--rules", directory, cwd=tmp_path, code=1)
    assert "trial.yaml:2:" in failed.stderr
    assert "did you mean 'value'" in failed.stderr


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    """A directory that is none, a file that is not there, times the wrong way round, a time that is none."""
    rule = tmp_path / "r.yaml"
    rule.write_text(EACH)
    (tmp_path / "e.ndjson").write_bytes(events_of([(0, "a", 11)]))
    for code, said, args in (
        (1, "no data directory", [rule, "--data", tmp_path / "none"]),
        (1, "no such file", [rule, "none.ndjson"]),
        (1, "no such file of rules", [tmp_path / "none.yaml", "e.ndjson"]),
        (1, "--from must lie before --to", [rule, "e.ndjson", "--from", "2026-01-02", "--to", "2026-01-01"]),
        (2, "--from", [rule, "e.ndjson", "--from", "yesterday"]),
    ):
        assert said in command("rules", "backtest", *args, cwd=tmp_path, code=code).stderr


@pytest.mark.nightly
def test_the_demo_day_is_opened_again(tmp_path: Path) -> None:
    """Every shipped rule over a generated day that a real system lived through: the same alerts, of the whole and of its end."""
    data = tmp_path / "data"
    with running("demo", data, "--speed", "3600") as demo, demo.client() as client:
        summary = "/api/v1/board/summary"
        eventually(lambda: client.get(summary).json()["alerts"]["unresolved"] >= 12, within_s=240)
        assert demo.stop() == 0
    opened = 0
    with opened_history(Settings(data=data), FeedCatalog.builtin()) as (source, place):
        newest_ms = source.outline(["sensor"], MIN_MS, MAX_MS).newest_ms
        for file in sorted(packs_directory().rglob("*.yaml")):
            if file.name.endswith(".test.yaml"):
                continue
            candidate = load_candidate(file, packs_directory(), zone="Asia/Shanghai")
            for hours in (30, 2):
                span = Span(newest_ms - hours * 3_600_000, newest_ms)
                report = json.loads(to_json(backtest_store(candidate, source, place, span, zone="Asia/Shanghai")))
                assert_same(report)
                opened += sum(rule["counts"]["would"] for rule in report["rules"])
    assert opened > 12
