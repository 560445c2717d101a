"""Fixtures: the notation, its faults with their places, what a run makes of them."""

from __future__ import annotations

import pytest

from fengsui.workbench.fixture import Fixture
from fengsui.workbench.fixture_reader import read_fixtures
from fengsui.workbench.telling import tell_failure
from fengsui.workbench.trial import Stage, Verdict
from rules.errors import RuleErrors
from rules.load import load_rules
from rules.model import RuleSet

ZONE_MS = 28_800_000
RULES = """
rules:
  - id: t.over
    title: {zh: 超限, en: Over}
    feed: sensor
    where: metric = 'm'
    when: value > 10
    clear: value < 8
    severity: {red: value > 20, orange: true}
    summary: {zh: "{subject} 超限 {value}", en: "{subject} over {value}"}
    update_every: 1m

  - id: t.mean
    title: {zh: 均值, en: Mean}
    feed: sensor
    where: metric = 'm'
    by: [subject, metric]
    window: {tumbling: 1h}
    measure: {mean: avg(value), n: count(*)}
    when: mean > 10
    severity: yellow

  - id: t.silent
    title: {zh: 中断, en: Silent}
    feed: sensor
    absent: 30m
    expect: [甲]
    severity: yellow

  - id: t.confirmed
    title: {zh: 属实, en: Confirmed}
    domain: market
    by: [subject]
    within: 7d
    sequence:
      - {feed: complaint, where: category = '食品安全'}
      - {feed: inspection, where: result = '不合格'}
    severity: orange

  - id: t.expiring
    title: {zh: 到期, en: Expiring}
    feed: permit
    by: [subject, permit_no]
    when: expires - time BETWEEN 0 AND 30 * 86400
    severity: blue

  - id: t.off
    title: {zh: 停用, en: Off}
    feed: sensor
    when: value > 10
    severity: blue
    enabled: false
"""
HEAD = """
defaults:
  rule: t.over
  event: {subject: 甲, metric: m}
tests:
  - title: 用例
"""


@pytest.fixture(scope="module")
def ruleset() -> RuleSet:
    return load_rules({"t.yaml": RULES})


def read(ruleset: RuleSet, body: str, head: str = HEAD) -> tuple[Fixture, ...]:
    """The fixtures of a file: one test over the head, its keys as given."""
    text = head + "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    return read_fixtures(text, "t.test.yaml", ruleset, ZONE_MS)


def play(ruleset: RuleSet, body: str, head: str = HEAD) -> Verdict:
    (fixture,) = read(ruleset, body, head)
    return Stage(ruleset).run(fixture)


def faults(ruleset: RuleSet, body: str, head: str = HEAD) -> list[str]:
    with pytest.raises(RuleErrors) as caught:
        read(ruleset, body, head)
    return [str(error) for error in caught.value.errors]


def kinds(verdict: Verdict) -> list[str]:
    return [row.kind for row in verdict.rows]


def test_a_short_fixture_passes(ruleset):
    """Values a minute apart, what opens, escalates and closes."""
    body = """
events: [{value: [11, 21, 9, 7]}]
expect:
  - {opens: 0m, severity: orange, key: 甲, measures: {value: 11}, summary: 甲 超限 11}
  - {escalates: 1m, severity: red}
  - {closes: 3m, count: 2}
"""
    assert play(ruleset, body).passed


def test_a_fixture_that_must_fail_fails(ruleset):
    """A wrong severity, an opening that did not happen, a closing that nobody expected."""
    body = """
events: [{value: [11, 7]}]
expect:
  - {opens: 0m, severity: red}
  - {opens: 5m}
"""
    verdict = play(ruleset, body)
    assert not verdict.passed
    assert kinds(verdict) == ["differs", "unexpected", "missing"]
    assert [(d.name, d.wanted, d.got) for d in verdict.rows[0].differences] == [("severity", "red", "orange")]
    told = [text for text, _ in tell_failure(verdict)]
    assert told == [
        "失败 · FAILED  用例",
        "  t.test.yaml:6  t.over",
        "  ≠ 0m 08:00  opens orange  甲   不符 · differs  t.test.yaml:9",
        "              severity: 预期 · expected red, 实际 · happened orange",
        "  + 1m 08:01  closes orange  甲  没有预期 · not expected",
        "              value 7",
        "  - 5m 08:05  opens              没有发生 · did not happen  t.test.yaml:10",
    ]


def test_the_verdict_does_not_depend_on_batches(ruleset):
    """Late events, acts and all."""
    body = """
rules: [t.over, t.mean]
events:
  - {value: [11, 12, 5] }
  - {at: 2m, delay: 90s, value: 30}
  - {at: 10m..2h, every: 3m, value: 1..30}
acts: [{resolve: 1h, rule: t.over}]
until: 4h
expect: nothing
"""
    (fixture,) = read(ruleset, body)
    stage = Stage(ruleset)
    whole = stage.run(fixture)
    assert len(whole.rows) > 3
    assert whole.late == 1
    assert all(stage.run(fixture, batch=batch) == whole for batch in (1, 2, 7))
