"""Fixtures of the kinds that need more than single events: sessions, new values, baselines, rules over alerts, storms, lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from fengsui.workbench.fixture_files import load_fixtures
from fengsui.workbench.telling import tell_failure
from fengsui.workbench.trials import Trial, run_trials
from rules.load import load_rules

RULES = """
rules:
  - id: k.session
    title: 会话
    feed: sensor
    window: {session: 30m}
    measure: {n: count(*), top: max(value)}
    when: n >= 3
    severity: yellow
  - id: k.new
    title: 新设备
    feed: sensor
    by: [subject]
    new: [device]
    memory: 30d
    learn: 1d
    severity: blue
  - id: k.spike
    title: 突增
    feed: complaint
    by: [region]
    window: {tumbling: 1d}
    measure: {n: count(*)}
    baseline:
      - {last: 7, measure: {mean: avg(n), sd: stddev(n), days: count(n)}}
    when: days >= 5 AND n > mean + 3 * greatest(sd, 0.5)
    severity: orange
  - id: k.over
    title: 超限
    feed: sensor
    where: subject IN list('keys.csv')
    when: value > 10
    severity: {red: value > 20, orange: true}
  - id: k.many
    title: 多点超限
    feed: alert
    domain: environment
    by: [region]
    where: type = 'opened' AND rule = 'k.over'
    window: {sliding: 1h}
    measure: {n: count(*)}
    when: n >= 3
    severity: red
  - id: k.storm
    title: 风暴
    feed: sensor
    where: metric = 'storm'
    when: value > 10
    max_open: 3
    severity: orange
"""
TESTS = """
tests:
  - title: 会话
    rule: k.session
    events: [{subject: 甲, value: [1, 2, 3], every: 10m}]
    expect: [{opens: 50m, measures: {n: 3, top: 3}}]
  - title: 会话不足三条
    rule: k.session
    events: [{subject: 甲, value: [1, 2], every: 10m}]
    expect: nothing
  - title: 新设备
    rule: k.new
    events: [{at: [0h, 30h], subject: 甲, device: [A, B]}]
    expect: [{opens: 30h, severity: blue, key: {device: B}}]
  - title: 学习期内不报
    rule: k.new
    events: [{at: [0h, 10h], subject: 甲, device: [A, B]}]
    expect: nothing
  - title: 突增
    rule: k.spike
    start: 2026-03-02
    event: {region: "530100", category: 环境污染}
    events: [{every: 12h, times: 14}, {at: 7d, times: 10}]
    expect: [{opens: 8d, measures: {n: 10, mean: 2, days: 7}}]
  - title: 平稳
    rule: k.spike
    start: 2026-03-02
    event: {region: "530100", category: 环境污染}
    events: [{every: 12h, times: 16}]
    expect: nothing
  - title: 多点超限
    rule: k.many
    event: {region: "530100"}
    events: [{feed: sensor, subject: [甲, 乙, 丙], value: 11}]
    expect: [{opens: 2m, severity: red, key: "530100", measures: {n: 3}}]
  - title: 不在名单
    rules: [k.many, k.over]
    event: {region: "530100"}
    events: [{feed: sensor, subject: [甲, 乙, 丁], value: 11}]
    expect: [{opens: [0m, 1m], rule: k.over}]
  - title: 风暴
    rule: k.storm
    events: [{subject: "户{n}", metric: storm, value: 11, times: 6}, {at: 10m, every: 0s1ms, subject: "户{n}", metric: storm, value: 1, times: 6}]
    expect:
      - {opens: [0m, 1m, 2m]}
      - {opens: 3m, key: {storm: k.storm}, measures: {folded: 1, open: 1..4}}
      - {closes: any, key: {subject: 户1}}
      - {closes: any, key: {subject: 户2}}
      - {closes: any, key: {subject: 户3}}
      - {closes: any, key: {storm: k.storm}}
"""
ZONE_MS = 28_800_000


def trials(directory: Path, rules: str = RULES, processes: int = 1) -> list[Trial]:
    (directory / "k.yaml").write_text(rules, encoding="utf-8")
    (directory / "k.test.yaml").write_text(TESTS, encoding="utf-8")
    (directory / "keys.csv").write_text("subject\n甲\n乙\n丙\n", encoding="utf-8")
    ruleset = load_rules(directory)
    return run_trials(load_fixtures(directory, ruleset, ZONE_MS), ruleset, processes=processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_every_kind_is_tested_alike(tmp_path, processes):
    """Also in other processes, which take the lists with the rules."""
    made = trials(tmp_path, processes=processes)
    failed = [text for trial in made if not trial.verdict.passed for text, _ in tell_failure(trial.verdict)]
    assert not failed, "\n".join(failed)
    assert len(made) == 9


def test_what_was_judged_is_told_of_windows_baselines_and_rules_over_alerts(tmp_path):
    """With the measures of the moment, baselines too."""
    changed = RULES.replace("n >= 3", "n >= 4").replace("days >= 5", "days >= 9")
    told = "\n".join(text for trial in trials(tmp_path, changed) for text, _ in tell_failure(trial.verdict))
    for seen in ("那时 · then: n 3, top 3", "那时 · then: n 10, mean 2, sd 0, days 7", "那时 · then: n 3\n"):
        assert seen in told, told
