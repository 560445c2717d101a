"""Fixtures: the notation, its faults with their places, what a run makes of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from random import Random

import polars as pl
import pytest

from events.decode import Decoder
from events.record import EventBatch, Record, Tick
from events.times import format_ms, parse_instant
from fengsui.workbench.coverage import Coverage, cover
from fengsui.workbench.fixture import Fixture
from fengsui.workbench.fixture_reader import read_fixtures
from fengsui.workbench.telling import tell_coverage, tell_failure
from fengsui.workbench.trial import Stage, Verdict
from fengsui.workbench.trials import run_trials
from rules.errors import RuleErrors
from rules.load import load_rules
from rules.model import RuleSet
from streams.engine import Engine

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

  - id: t.hop
    title: {zh: 均值, en: Mean}
    feed: sensor
    window: {hopping: 3m, every: 1m}
    measure: {mean: avg(value), n: count(*)}
    when: mean > 12
    severity: yellow

  - id: t.silent
    title: {zh: 中断, en: Silent}
    feed: sensor
    absent: 5m
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
        "              最后一次判定 · last judged 1m 08:01: value 7",
    ]


def test_long_values_stand_one_below_the_other(ruleset):
    """And wide characters take the columns that they have."""
    subject = "某市第三化工园区污水处理厂二期工程总排口一号在线监测站"
    body = (
        f"event: {{subject: {subject}}}\nevents: [{{value: 11}}]\nexpect: [{{opens: 0m, summary: {subject} 超限 12}}]"
    )
    told = [text for text, _ in tell_failure(play(ruleset, body))]
    assert told[2:] == [
        f"  ≠ 0m 08:00  opens orange  {subject}  不符 · differs  t.test.yaml:9",
        f"              summary: 预期 · expected {subject} 超限 12",
        f"                       实际 · happened {subject} 超限 11",
    ]


def test_steps_tell_what_they_heard(ruleset):
    """Of a sequence that is not complete."""
    body = """
rule: t.confirmed
events: [{feed: complaint, category: 食品安全, times: 2}, {feed: inspection, result: 合格}]
expect: [{opens: 2m}]
"""
    told = [text.strip() for text, _ in tell_failure(play(ruleset, body))]
    assert told[3:] == [
        "步骤 · step 1 complaint: 2 条 · 2 events, 最后 · last 1m 08:01",
        "步骤 · step 2 inspection: 没有事件 · no event",
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


# --- events


def lines(ruleset: RuleSet, body: str) -> list[dict[str, object]]:
    """The events of a test that expects nothing."""
    (fixture,) = read(ruleset, f"{body}\nexpect: nothing")
    return [json.loads(put.line) for put in fixture.puts]


def minutes(events: list[dict[str, object]]) -> list[float]:
    start_ms = parse_instant("2026-03-02T08:00:00+08:00")
    return [(event["time"] - start_ms) / 60_000 for event in events]


def test_an_entry_without_words_is_one_event_with_all_its_defaults(ruleset):
    """Id, source and feed are made up; the time is the start, a working Monday."""
    assert lines(ruleset, "events: [{value: 3}]") == [
        {
            "id": "e1",
            "source": "test",
            "feed": "sensor",
            "time": parse_instant("2026-03-02T08:00:00+08:00"),
            "subject": "甲",
            "metric": "m",
            "value": 3,
        }
    ]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ("[{at: 5m}]", [5]),
        ("[{at: 1h30m}, {}]", [90, 91]),
        ("[{at: [1m, 5m, 09:00]}]", [1, 5, 60]),
        ("[{at: 0m..4m}]", [0, 1, 2, 3, 4]),
        ("[{at: 08:10..09:00, every: 20m}]", [10, 30, 50]),
        ("[{times: 3, every: 10m}, {times: 2}]", [0, 10, 20, 21, 22]),
        ("[{value: [1, 2, 3], every: 30s}]", [0, 0.5, 1]),
        ("[{value: [1 x 3, 2]}, {value: 5}]", [0, 1, 2, 3, 4]),
        ("[{at: 2026-03-03 08:00}, {at: '2026-03-02T00:30:00Z'}]", [1440, 30]),
    ],
)
def test_when_the_events_of_an_entry_lie(ruleset, entries, expected):
    """One time, a list, a range, a number of times, or as many as there are values."""
    assert minutes(lines(ruleset, f"events: {entries}")) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("value: 5", [5, 5, 5]),
        ("value: 10..20", [10, 15, 20]),
        ("value: 0.1..0.3", [0.1, 0.2, 0.3]),
        ("value: [1, null, -2.5]", [1, None, -2.5]),
        ("value: [7 x 2, 9]", [7, 7, 9]),
        ('subject: "户{n}"', ["户1", "户2", "户3"]),
        ("subject: [a x 2, 'a x 2']", ["a", "a", "a x 2"]),
        ("status: 0531", ["0531"] * 3),
    ],
)
def test_what_a_field_stands_for(ruleset, field, expected):
    """One value for all, one for each, an even rise, and a number that counts."""
    name = field.split(":")[0]
    assert [event.get(name) for event in lines(ruleset, f"events: [{{times: 3, {field}}}]")] == expected


def test_times_are_told_by_date_or_from_the_event(ruleset):
    """In the zone; relative ones follow each event."""
    body = """
rule: t.expiring
events: [{permit_no: A, every: 1d, expires: [2026-03-31, 2026-03-31 08:00, +30d, -1d]}]
"""
    told = [event["expires"] for event in lines(ruleset, body)]
    assert told == [
        "2026-03-30T16:00:00.000Z",
        "2026-03-31T00:00:00.000Z",
        "2026-04-03T00:00:00.000Z",
        "2026-03-04T00:00:00.000Z",
    ]


def test_defaults_are_taken_back_by_null_and_left_out_of_feeds_without_the_field(ruleset):
    """`metric` is no field of a complaint."""
    body = """
rule: t.confirmed
events: [{feed: complaint, category: 食品安全}, {feed: inspection, subject: null}]
"""
    first, second = lines(ruleset, body)
    assert "metric" not in first
    assert "subject" in first
    assert "subject" not in second


def test_the_feed_beside_a_rule_over_alerts_is_that_of_the_rules_below():
    """Alerts have no events of their own; over them alone, the feed must be said."""
    over = """
  - id: t.wave
    title: {zh: 多起, en: Several}
    feed: alert
    by: [rule]
    where: rule = 't.over' AND type = 'opened'
    window: {sliding: 1h}
    measure: {n: count(*)}
    when: n >= 2
    severity: red
"""
    ruleset = load_rules({"t.yaml": RULES + over})
    (fixture,) = read(ruleset, "rules: [t.over, t.wave]\nevents: [{value: 11}]\nexpect: nothing")
    assert json.loads(fixture.puts[0].line)["feed"] == "sensor"
    (fault,) = faults(ruleset, "rule: t.wave\nevents: [{value: 11}]\nexpect: nothing")
    assert "8:14: the entry has no feed" in fault


def test_a_field_that_is_called_like_a_word_stands_under_fields():
    """A feed may declare `times`."""
    feeds = "feeds:\n  f: {title: f, domain: market, fields: {times: {type: integer, title: t}}}\n"
    rules = "rules:\n  - {id: r, title: r, feed: f, when: times > 3, severity: red}\n"
    ruleset = load_rules({"r.yaml": rules, "feeds.yaml": feeds})
    body = "tests: [{title: t, events: [{times: 2, subject: s, fields: {times: 5}}], expect: [{opens: 0m, count: 1}]}]"
    (fixture,) = read_fixtures(body, "r.test.yaml", ruleset, ZONE_MS)
    assert Stage(ruleset).run(fixture).passed


# --- faults


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("events: []\nexpects: nothing", "t.test.yaml:8:5: unknown key 'expects' (did you mean 'expect'?)"),
        ("events: []", "t.test.yaml:6:5: the test expects nothing, and does not say so"),
        ("expect: nothing", "t.test.yaml:6:5: the test has no events"),
        ("rule: t.ovr\nevents: []\nexpect: nothing", "t.test.yaml:7:11: no rule 't.ovr'"),
        ("start: soon\nevents: []\nexpect: nothing", "t.test.yaml:7:12: start: "),
        ("events: [5]\nexpect: nothing", "t.test.yaml:7:14: an entry of events must be a mapping"),
        ("events: [{vaule: 5}]\nexpect: nothing", "t.test.yaml:7:15: the feed sensor has no field 'vaule'"),
        ("events: [{value: x}]\nexpect: nothing", "t.test.yaml:7:22: 'x' is no number"),
        ("events: [{value: '5'}]\nexpect: nothing", "t.test.yaml:7:22: '5' is no number"),
        ("events: [{at: 5}]\nexpect: nothing", "t.test.yaml:7:19: at: '5' is no length of time"),
        ("events: [{at: 07:00}]\nexpect: nothing", "t.test.yaml:7:19: at: '07:00' is before the start"),
        ("events: [{times: 0}]\nexpect: nothing", "t.test.yaml:7:22: times must be a whole number"),
        ("events: [{at: 0m..400d, every: 1s}]\nexpect: nothing", "t.test.yaml:7:19: more than 100,000 events"),
        ("events: [{value: [1 x 999999]}]\nexpect: nothing", "t.test.yaml:7:23: more than 100,000 events"),
        ("events: [{times: 2, value: [1, 2, 3]}]\nexpect: nothing", "7:25: value has 3 values, but the entry has 2"),
        ("events: [{value: [1, 2], limit: [1, 2, 3]}]\nexpect: nothing", "7:30: limit has 3 values, but value has 2"),
        ("events: [{time: 3}]\nexpect: nothing", "7:15: the time of an event is told by at"),
        ("events: [{delay: -6m}]\nexpect: nothing", "7:22: an event may lie at most 5m ahead of its arrival"),
        ("events: [{feed: sensr}]\nexpect: nothing", "7:21: unknown feed 'sensr' (did you mean 'sensor'?)"),
        ("rule: t.confirmed\nevents: [{}]\nexpect: nothing", "8:14: the entry has no feed"),
        ("events: []\nexpect: [{opens: 1h, severity: pink}]", "8:36: no severity 'pink'"),
        ("events: []\nexpect: [{opens: 1h, closes: 2h}]", "8:14: an expectation has one of opens,"),
        ("events: []\nexpect: [{opens: later}]", "8:22: opens: 'later' is no length of time"),
        ("events: []\nexpect: [{opens: 1h, measures: {mean: 3}}]", "8:37: t.over has no measure 'mean'"),
        ("events: []\nexpect: [{opens: 1h, key: {metric: m}}]", "8:32: the key of t.over has no 'metric'"),
        ("events: []\nuntil: 1h\nexpect: [{opens: 2h}]", "9:14: 2h is after until"),
        ("events: []\nexpect: [{never: opened}]", "8:22: never what? 'opened'"),
        ("events: []\nexpect: [{opens: 0m, summary: 1,500 yuan}]", "a text with a comma must stand in quotes"),
        ("events: []\nacts: [{close: 1h}]\nexpect: nothing", "8:13: unknown key 'close'"),
        ("rules: [t.over, t.mean]\nevents: []\nexpect: [{opens: 1h}]", "9:14: of which rule?"),
        ("rules: [t.over, t.mean]\nevents: []\nexpect: [{opens: 1h, rule: t.off}]", "9:32: t.off is not tested"),
    ],
)
def test_a_fault_has_its_place_and_says_what_to_do(ruleset, body, fault):
    """What is misspelt, of a wrong type or impossible."""
    told = faults(ruleset, body)
    assert any(fault in line for line in told), told


def test_all_faults_come_at_once(ruleset):
    """Also those of several tests and entries."""
    body = """
events: [{vaule: 5, at: 5x}, {value: abc, every: 0s}]
expect: [{open: 1h}, {opens: 1h, severity: crimson}]
"""
    assert len(faults(ruleset, body)) == 7


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tests: 5", "t.test.yaml:1:8: tests must be a list"),
        ("[1]", "t.test.yaml:1:1: a file of tests begins with tests:"),
        ("test: []", "t.test.yaml:1:1: unknown key 'test' (did you mean 'tests'?)"),
        ("defaults: 3\ntests: []", "t.test.yaml:1:11: defaults must be a mapping"),
        ("tests: [{title: a", "not YAML"),
        (
            "tests:\n  - {title: t, title: u, rule: t.over, events: [], expect: nothing}",
            "2:16: the key 'title' stands twice",
        ),
        ("tests:\n  - {title: t, events: [], expect: nothing}", "2:5: the test has no rule"),
    ],
)
def test_a_file_that_is_no_file_of_tests(ruleset, text, fault):
    """As a whole."""
    with pytest.raises(RuleErrors) as caught:
        read_fixtures(text, "t.test.yaml", ruleset, ZONE_MS)
    assert fault in str(caught.value)


def test_a_file_beside_a_single_rule_needs_no_name():
    """`cod.test.yaml` is about the rule of `cod.yaml`."""
    rule = "rules:\n  - {id: r.cod, title: r, feed: sensor, when: value > 3, severity: red}\n"
    ruleset = load_rules({"water/cod.yaml": rule, "air/pm.yaml": rule.replace("r.cod", "r.pm")})
    text = "tests: [{title: t, events: [{subject: 甲, value: 4}], expect: [{opens: 0m}]}]"
    (fixture,) = read_fixtures(text, "/packs/water/cod.test.yaml", ruleset, ZONE_MS)
    assert fixture.rules == ("r.cod",)


GARBLED = (
    HEAD
    + """    start: 2026-03-02 08:00
    event: {subject: 甲, limit: 5}
    until: 3h
    events: [{at: 0m..5m, every: 30s, value: 1..9}, {times: 3, delay: 90s, value: [11 x 2, null]}, {at: [1h, 2h]}]
    acts: [{resolve: 2h30m, key: 甲, by: 李}]
    expect: [{opens: [1m, 2m], severity: red, measures: {value: ~1.5}}, {never: anything, key: {subject: 乙}}]
"""
)
JUNK = (
    "null", "~", "[]", "{}", "-3", "1e308", "9" * 20, "'x'", "1h..", "..", "any", "nothing", "true", "400d", "2026-13-01",
    "9999-12-31 23:59", "0001-01-01", "+30d", "- a", "5 x 5", "[[1]]", "{a: {b: c}}", "*a", "&a 1", "alert", "24:00", "0.1ms",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_garbled_file_is_refused_and_nothing_else(ruleset, seed):
    """A word here and there taken away, or replaced by something that stands elsewhere."""
    noise, stage, played = Random(seed), Stage(ruleset), 0
    for _ in range(250):
        parts = re.split(r"(\s+|[{}\[\],:]+)", GARBLED)
        words = [place for place in range(0, len(parts), 2) if parts[place]]
        for _ in range(noise.choice((1, 1, 2))):
            parts[noise.choice(words)] = noise.choice(("", *JUNK))
        try:
            fixtures = read_fixtures("".join(parts), "t.test.yaml", ruleset, ZONE_MS)
        except RuleErrors:
            continue
        played += len([stage.run(fixture) for fixture in fixtures if len(fixture.puts) < 1000])
    assert played > 3


# --- what must come of it


@pytest.mark.parametrize(
    "expected",
    [
        "{opens: 0m}",
        "{opens: any}",
        "{opens: 08:00}",
        "{opens: 0m..2m}",
        "{opens: 0m, key: 甲}",
        "{opens: 0m, key: {subject: 甲}, subject: 甲, region: null}",
        "{opens: 0m, measures: {value: ~11.3}}",
        "{opens: 0m, measures: {value: 11..12}}",
        "{opens: 0m, summary: {zh: 甲 超限 11.26, en: 甲 over 11.26}, title: 超限}",
        "{opens: 0m, summary: 甲 over 11.26}",
        "{opens: 0m, state: open, shadow: false, count: 1, evidence: [e1]}",
    ],
)
def test_what_is_written_is_compared_and_nothing_else(ruleset, expected):
    """In any of the forms."""
    assert play(ruleset, f"events: [{{value: 11.26}}]\nexpect: [{expected}]").passed


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ("{opens: 1m}", "at"),
        ("{opens: 1m..2m}", "at"),
        ("{opens: 0m, measures: {value: 11.27}}", "measures.value"),
        ("{opens: 0m, measures: {value: ~11.2}}", "measures.value"),
        ("{opens: 0m, measures: {value: null}}", "measures.value"),
        ("{opens: 0m, summary: 甲 超限}", "summary"),
        ("{opens: 0m, summary: {en: 甲 超限 11.26}}", "summary.en"),
        ("{opens: 0m, shadow: true}", "shadow"),
        ("{opens: 0m, evidence: [e2]}", "evidence"),
    ],
)
def test_what_is_written_and_not_so_differs(ruleset, expected, name):
    """The difference says where."""
    verdict = play(ruleset, f"events: [{{value: 11.26}}]\nexpect: [{expected}]")
    assert [d.name for row in verdict.rows for d in row.differences] == [name]


def test_expectations_find_their_transitions_whatever_their_order(ruleset):
    """A loose one does not take what a narrow one needs."""
    body = """
events: [{subject: 甲, value: 11}, {subject: 乙, value: 12}, {subject: 丙, value: 13}]
expect: [{opens: any}, {opens: 0m..1m}, {opens: any, key: 甲}]
"""
    assert play(ruleset, body).passed


def test_what_nobody_expected_fails(ruleset):
    """Each transition that opens, escalates or closes must be expected; updates only where one is."""
    events = "events: [{value: [11, 12, 13, 7]}]\n"
    assert kinds(play(ruleset, events + "expect: [{opens: 0m}, {closes: 3m}]")) == ["same", "same"]
    assert kinds(play(ruleset, events + "expect: [{opens: 0m}]")) == ["same", "unexpected"]
    some = play(ruleset, events + "expect: [{opens: 0m}, {updates: 1m}, {closes: 3m}]")
    assert kinds(some) == ["same", "same", "unexpected", "same"]
    assert play(ruleset, events + "expect: [{opens: 0m}, {updates: [1m, 2m]}, {closes: 3m}]").passed


def test_what_must_never_happen(ruleset):
    """Said for its own sake; and where it happens the place of the sentence is told."""
    body = "events: [{value: [11, 7]}]\nexpect: [{opens: 0m}, {closes: 1m}, {never: opens, key: 乙}]"
    assert play(ruleset, body).passed
    verdict = play(ruleset, "events: [{value: 21}]\nexpect: [{never: anything, severity: red}]")
    assert kinds(verdict) == ["forbidden"]
    assert "must not happen  t.test.yaml:8" in "\n".join(text for text, _ in tell_failure(verdict))


def test_a_quiet_fixture_waits_for_the_windows_of_its_events(ruleset):
    """Else it would pass because nothing was judged yet."""
    body = "rule: t.mean\nevents: [{value: 20}]\n"
    assert kinds(play(ruleset, body + "expect: nothing")) == ["unexpected"]
    assert play(ruleset, body + "until: 59m\nexpect: nothing").passed


def test_closings_count_as_far_as_the_test_tells(ruleset):
    """A window's default closing comes one window later; with `until` it must be expected."""
    body = "rule: t.mean\nevents: [{value: 20}]\n"
    assert play(ruleset, body + "expect: [{opens: 1h}]").passed
    assert play(ruleset, body + "expect: [{opens: 1h}, {closes: 2h}]").passed
    assert kinds(play(ruleset, body + "until: 2h\nexpect: [{opens: 1h}]")) == ["same", "unexpected"]
    hop = "rule: t.hop\nevents: [{value: 20}]\n"
    assert play(ruleset, hop + "expect: [{opens: 1m}]").passed
    assert play(ruleset, hop + "expect: [{opens: 1m}, {closes: any}]").passed


def test_keys_that_must_report_are_waited_for_from_the_start(ruleset):
    """`expect` of an absent rule counts from the moment the rules come into force."""
    assert play(ruleset, "rule: t.silent\nevents: []\nuntil: 5m\nexpect: [{opens: 5m, key: 甲}]").passed


def test_a_rule_that_is_off_can_be_tested(ruleset):
    """Before it is put in force."""
    assert play(ruleset, "rule: t.off\nevents: [{value: 11}]\nexpect: [{opens: 0m}]").passed


def test_a_late_event_is_late_and_told(ruleset):
    """It comes 90 s after its time, the feed waits 5 s and is idle after 60 s."""
    body = "rule: t.mean\nevents: [{at: 0m, value: 20, delay: %s}]\nuntil: 3h\nexpect: nothing"
    assert kinds(play(ruleset, body % "65s")) == ["unexpected", "unexpected"]
    late = play(ruleset, body.replace("nothing", "[{opens: 1h}]") % "66s")
    assert late.late == 1
    told = "\n".join(text for text, _ in tell_failure(late))
    assert "1 条迟到 · late" in told
    assert "the rule had nothing to judge by then" in told


def test_without_receipts_only_event_times_move_the_clock(ruleset):
    """As in a replay of files: a delayed event is late by what came before it."""
    body = """
rule: t.mean
receipts: false
events: [{at: 0m, value: 20, delay: 2m}, {at: 30s, value: 20}]
expect: [{opens: 1h, measures: {n: 1}}]
"""
    verdict = play(ruleset, body)
    assert verdict.passed
    assert verdict.late == 1


def test_people_may_act(ruleset):
    """A resolve ends the episode: the next true evaluation opens a new alert."""
    body = """
events: [{value: [11, 11, 11]}]
acts: [{ack: 30s, key: 甲}, {resolve: 90s, by: 李, text: 误报}]
expect: [{opens: 0m}, {opens: 2m, count: 1}]
"""
    assert play(ruleset, body).passed


def test_an_act_without_an_alert_fails_the_test(ruleset):
    """With its place; and so does one that the state does not allow."""
    verdict = play(ruleset, "events: [{at: 1m, value: 11}]\nacts: [{resolve: 30s}]\nexpect: [{opens: 1m}]")
    assert not verdict.passed
    assert "t.test.yaml:8: 当时没有可处理的预警 · no alert to resolve yet at 30s" in verdict.problems[0]
    again = play(ruleset, "events: [{value: 11}]\nacts: [{ack: 1m}, {ack: 2m}]\nexpect: [{opens: 0m}]")
    assert not again.passed
    assert "refused" in again.problems[0]


def test_the_same_id_twice_is_one_event(ruleset):
    """As at the door."""
    verdict = play(
        ruleset, "rule: t.mean\nevents: [{id: x, value: 20, times: 2}]\nexpect: [{opens: 1h, measures: {n: 1}}]"
    )
    assert verdict.passed
    assert verdict.duplicate == 1


def ticking(ruleset: RuleSet, fixture: Fixture) -> list[tuple[str, str, str, str]]:
    """The fixture's events as a live system takes them: one by one, and a tick whenever a second passed without one."""
    rules = tuple(rule for rule in ruleset.rules if rule.id in fixture.rules)
    engine = Engine(replace(ruleset, rules=rules))
    engine.begin(fixture.timeline.start_ms)
    pos, made = 0, []
    puts = sorted(fixture.puts, key=lambda put: put.receipt_ms)
    for second in range(fixture.timeline.start_ms, fixture.until_ms + 120_000, 1000):
        records: list[Record] = []
        if not puts or puts[0].receipt_ms > second or puts[0].time_ms < second:
            pos += 1
            records.append(Tick(pos, second))
        while puts and puts[0].receipt_ms <= second:
            put = puts.pop(0)
            pos += 1
            frame = Decoder(ruleset.catalog).decode(put.line).frame
            records.append(EventBatch(frame, pl.Series([pos]), pl.Series([put.receipt_ms])))
        for record in records:
            made += engine.step([record]).transitions
    last = format_ms(fixture.until_ms)
    return sorted((t.rule, t.at, t.type, str(t.measures)) for t in made if t.at <= last)


@pytest.mark.parametrize("seed", range(6))
def test_a_fixture_makes_what_a_live_system_would(ruleset, seed):
    """Ticks that cannot change anything are left out, and only those."""
    noise = Random(seed)
    entries = [
        f"{{feed: sensor, at: {noise.randrange(600)}s, subject: {noise.choice('甲乙')}, value: {noise.randrange(30)}, "
        f"delay: {noise.choice([0, 0, 0, 3, 6, 59, 64, 66, 90, 200])}s}}"
        for _ in range(25)
    ]
    others = [f"{{at: {noise.randrange(600)}s, feed: complaint, category: 食品安全}}" for _ in range(3)]
    body = f"""
rules: [t.hop, t.over, t.silent, t.confirmed]
events: [{", ".join([*entries, *others])}]
until: 20m
expect: nothing
"""
    (fixture,) = read(ruleset, body)
    happened = [row.transition for row in Stage(ruleset).run(fixture).rows]
    whole = [entry for entry in ticking(ruleset, fixture) if entry[2] != "updated"]
    assert sorted((t.rule, t.at, t.type, str(t.measures)) for t in happened) == whole
    assert len(whole) > 3


# --- many


def test_processes_change_nothing(ruleset, tmp_path):
    """Parallel is the same as one after the other."""
    body = "events: [{value: [11, 21, 7]}]\nexpect: [{opens: 0m}, {escalates: 1m, severity: %s}, {closes: 2m}]"
    fixtures = [*read(ruleset, body % "red"), *read(ruleset, body % "orange")] * 15
    alone = [trial.verdict for trial in run_trials(fixtures, ruleset, processes=1)]
    assert [verdict.passed for verdict in alone] == [True, False] * 15
    assert [trial.verdict for trial in run_trials(fixtures, ruleset, processes=2)] == alone


def test_coverage_names_what_no_fixture_shows(ruleset):
    """Rules and rungs, firing and not."""
    body = "events: [{value: [11, 7]}]\nexpect: [{opens: 0m}, {closes: 1m}]"
    fixtures = [*read(ruleset, body), *read(ruleset, "rule: t.mean\nevents: [{value: 1}]\nexpect: nothing")]
    some = [rule for rule in ruleset.rules if rule.id in ("t.mean", "t.over")]
    made = cover(some, [trial.verdict for trial in run_trials(fixtures, ruleset, processes=1)])
    assert made == Coverage(
        rules=2,
        rungs=2,
        unfired=("t.mean",),
        unquiet=("t.over",),
        unreached=(("t.over", "red"),),
        unspared=(("t.over", "orange"),),
    )
    told = [text for text, _ in tell_coverage(made)]
    assert told == [
        "覆盖 · coverage: 1/2 rules with a test that fires, 1/2 with one that does not; 分级 · rungs: 1/2 reached, 1/2 not",
        "  没有触发的用例 · none that fires: t.mean",
        "  没有不触发的用例 · none that does not fire: t.over",
        "  没有用例到达的分级 · rungs that none reaches: t.over red",
        "  每个用例都到达的分级 · rungs that all reach: t.over orange",
    ]


def test_rules_of_one_text_count_as_one(ruleset):
    """A template for three hundred outfalls needs one fixture that fires and one that does not."""
    over = next(rule for rule in ruleset.rules if rule.id == "t.over")
    many = replace(ruleset, rules=tuple(replace(over, id=f"t.over-{number}") for number in range(300)))
    head = HEAD.replace("t.over", "t.over-7")
    fires, quiet = "events: [{value: [11, 21]}]\nexpect: [{opens: 0m}, {escalates: 1m}]", "events: []\nexpect: nothing"
    fixtures = [*read(many, fires, head), *read(many, quiet, head)]
    made = cover(many.rules, [trial.verdict for trial in run_trials(fixtures, many, processes=1)])
    assert made == Coverage(1, 2, (), (), (), ())
