"""Rules over alerts, sentence by sentence, as timelines."""

from __future__ import annotations

import pytest

from rules.errors import RuleErrors
from tests.timeline import Timeline, told

GAS = "id: gas\nfeed: sensor\nwhen: value > 10\nseverity: {red: value > 50, blue: true}"
FAULT = "id: fault\nfeed: sensor\nby: [subject, metric]\nwhen: value > 10\nseverity: yellow"


def of(line: Timeline, rule: str) -> list[tuple[str, float]]:
    return told([t for t in line.made if t.rule == rule])


def test_transitions_are_events() -> None:
    """At a transition's `at`, with its severity as a rank; evidence names the alert and its `n`."""
    line = Timeline(GAS, "id: up\nfeed: alert\nwhen: type = 'escalated' AND rank = 4 AND n = 2\nseverity: red")
    line.values((0, 20), (1, 60), (2, 70))
    assert of(line, "up") == [("opened", 1)]
    up = next(t for t in line.made if t.rule == "up")
    assert up.key == {"subject": "s"}
    assert up.evidence.feed == "alert"
    assert up.evidence.events == (f"{line.made[0].alert}/2",)


def test_they_come_with_the_record_that_caused_them() -> None:
    """A rule of kind each over alerts opens in the same step as the alert below."""
    line = Timeline(GAS, "id: up\nfeed: alert\nwhen: type = 'opened'\nseverity: red")
    assert [t.rule for t in line.values((0, 20))] == ["gas", "up"]


def test_peoples_acts_are_transitions() -> None:
    """A red alert that nobody takes within its time escalates; one that is acked does not."""
    line = Timeline(
        GAS,
        "id: up\nby: [alert]\nwithin: 10m\nsequence:\n  - {feed: alert, where: type = 'opened'}\n"
        "  - {absent: {feed: alert, where: type = 'acked'}}\nseverity: red",
    )
    line.values((0, 20), subject="a")
    line.values((1, 20), subject="b")
    line.act("ack", line.made[0].alert, 5)
    line.tick(1000)
    assert of(line, "up") == [("opened", 601)]
    assert next(t for t in line.made if t.rule == "up").key == {"alert": line.made[1].alert}


def test_who_acted_and_what_is_now_can_be_asked() -> None:
    """`by`, `state` and `condition` are fields."""
    line = Timeline(
        GAS,
        "id: up\nfeed: alert\nwhen: \"by = 'officer' AND state = 'resolved' AND condition = 'cleared'\"\nseverity: red",
    )
    alert = line.values((0, 20))[0].alert
    assert [(t.rule, t.type) for t in line.act("resolve", alert, 3)] == [("gas", "resolved"), ("up", "opened")]


def test_several_rules_at_one_subject() -> None:
    """A window over alerts counts what different rules say."""
    line = Timeline(
        GAS,
        FAULT,
        "id: both\nfeed: alert\nwhere: type = 'opened'\nwindow: {sliding: 1m}\nmeasure: {rules: count(distinct rule)}\n"
        "when: rules >= 2\nseverity: orange",
    )
    line.values((0, 20))
    line.values((100, 5), (130, 20), (140, 5), (150, 30))
    line.end(300)
    assert of(line, "both")[0] == ("opened", 0)
    assert next(t for t in line.made if t.rule == "both").measures == {"rules": 2}


def test_the_watermark_of_the_alerts_is_the_least_of_the_feeds_with_rules() -> None:
    """A window over alerts waits for the slowest feed that has a rule; a feed without one does not count."""
    count = "id: up\nfeed: alert\nwindow: {tumbling: 1m}\nmeasure: {n: count(*)}\nwhen: n >= 1\nseverity: red"
    line = Timeline(GAS, count)
    line.values((0, 20))
    assert [t.rule for t in line.tick(60 + 64.999)] == []
    assert [t.rule for t in line.tick(60 + 65)] == ["up"]
    # complaints have no lateness, but 60 s of idle time: now they hold the alerts back
    line = Timeline(GAS, count, "id: other\nfeed: complaint\nwhen: id = 'x'\nseverity: red")
    line.values((0, 20))
    line.values((65, 20))
    assert of(line, "up") == []
    line.tick(120)
    assert of(line, "up") == [("opened", 60)]


def test_a_feed_that_only_a_rule_over_alerts_reads_counts_too() -> None:
    """What that rule says is itself part of the alerts, and comes no sooner than its feeds."""
    line = Timeline(
        GAS,
        "id: up\nfeed: alert\nwindow: {tumbling: 1m}\nmeasure: {n: count(*)}\nwhen: n >= 1\nseverity: red",
        "id: mixed\nwithin: 1h\nsequence: [{feed: alert}, {feed: complaint}]\nseverity: red",
    )
    line.values((0, 20), (65, 20))
    assert of(line, "up") == []
    line.tick(120)
    assert of(line, "up") == [("opened", 60)]


def test_a_rule_over_alerts_sees_another_only_if_it_names_it() -> None:
    """And never its own."""
    first = "id: first\nfeed: alert\nwhen: type = 'opened'\nseverity: red"
    line = Timeline(GAS, first, "id: second\nfeed: alert\nby: [rule]\nwhen: type = 'opened'\nseverity: red")
    line.values((0, 20))
    assert [t.key["rule"] for t in line.made if t.rule == "second"] == ["gas"]
    named = "id: second\nfeed: alert\nby: [rule]\nwhen: type = 'opened' AND rule IN ('first', 'gas')\nseverity: red"
    line = Timeline(GAS, first, named)
    line.values((0, 20))
    assert sorted(str(t.key["rule"]) for t in line.made if t.rule == "second") == ["first", "gas"]


@pytest.mark.parametrize("other", ["a", "b"])
def test_a_circle_is_an_error(other: str) -> None:
    """Naming itself, or a rule that names it."""
    rule = "id: {}\nfeed: alert\nwhen: rule = '{}'\nseverity: red"
    with pytest.raises(RuleErrors):
        Timeline(GAS, rule.format("a", other), rule.format("b", "a"))


def test_shadows_are_seen_by_shadows_only() -> None:
    """What is tried out in the shadow moves nobody."""
    up = "id: {}\nfeed: alert\nwhen: type = 'opened'\nseverity: red\n"
    line = Timeline(GAS + "\nenabled: shadow", up.format("light"), up.format("dark") + "enabled: shadow")
    line.values((0, 20))
    assert [(t.rule, t.shadow) for t in line.made] == [("dark", True), ("gas", True)]


def test_absence_of_alerts() -> None:
    """An expected rule that says nothing: a heartbeat of a rule."""
    line = Timeline(GAS, "id: quiet\nfeed: alert\nby: [rule]\nabsent: 1h\nexpect: [gas]\nseverity: blue")
    line.values((0, 1))
    line.tick(3600 + 65.001)
    assert of(line, "quiet") == [("opened", 3600)]
    line.values((3700, 20))
    line.tick(3900)
    assert of(line, "quiet") == [("opened", 3600), ("closed", 3700)]


def test_levels_are_passed_within_one_record() -> None:
    """What the second level says of the first comes with the same record, in the contract's order."""
    line = Timeline(
        GAS,
        "id: a2\nfeed: alert\nwhere: rule = 'b1'\nwhen: type = 'opened'\nseverity: red",
        "id: b1\nfeed: alert\nwhen: type = 'opened'\nseverity: red",
    )
    assert [t.rule for t in line.values((0, 20))] == ["a2", "b1", "gas"]


def test_what_one_record_tells_comes_before_time_passes() -> None:
    """An alert that opened and closed in the past, by one late event: both are evaluations of the rule above before it closes."""
    line = Timeline(
        GAS.replace("severity", "clear_after: 3s\nseverity"),
        "id: up\nfeed: alert\nwhen: rank >= 1\nclear_after: 20s\nseverity: red",
    )
    line.values((200, 1), subject="other")
    line.values((100, 20))
    assert of(line, "up") == [("opened", 100), ("closed", 123)]
    assert line.made[-1].count == 2
