"""A rule set takes force at a position of the log: what means the same goes on, what is gone is closed."""

from __future__ import annotations

import pytest

from events.decode import Decoder
from events.record import Activation
from rules.load import load_rules
from streams.engine import Engine
from tests.timeline import T0, Timeline, told

HEAD = "rules:\n  - title: {zh: 试验, en: Trial}\n    domain: environment\n    feed: sensor\n"
MEAN = "    id: mean\n    window: {tumbling: 1m}\n    measure: {mean: avg(value), n: count(*)}\n    when: mean > 10\n    severity: red\n"
EACH = "    id: each\n    when: value > 10\n    severity: orange\n"
SEQUENCE = """
rules:
  - id: seq
    title: {zh: 试验, en: Trial}
    domain: environment
    sequence: [{feed: sensor, where: value > 10}, {feed: sensor, where: value < 1}]
    within: 1h
    severity: red
"""


def activate(line: Timeline, files: dict[str, str], t: float) -> list[tuple[str, str, str | None]]:
    """-> (rule, type, reason) of what it caused."""
    line.pos += 1
    made = line.step(Activation(line.pos, T0 + round(t * 1000), dict(load_rules(files).bundle)))
    return [(m.rule, m.type, m.reason) for m in made]


def started(files: dict[str, str]) -> Timeline:
    line = Timeline("id: unused\nfeed: sensor\nwhen: value > 1e9\nseverity: blue")
    line.engine = Engine(load_rules({}))
    activate(line, files, 0)
    return line


def test_what_means_the_same_goes_on() -> None:
    """Titles, order and other rules may change: windows, open alerts and partial matches stay."""
    line = started({"a.yaml": HEAD + MEAN, "b.yaml": HEAD + EACH, "c.yaml": SEQUENCE})
    line.values((10, 20), (20, 30))
    other = {"b.yaml": HEAD.replace("Trial", "Renamed") + EACH, "c.yaml": SEQUENCE, "z.yaml": HEAD + MEAN}
    assert activate(line, other, 25) == []
    line.values((30, 0.5), (200, 1))
    assert [(m.rule, *told([m])[0]) for m in line.made] == [
        ("each", "opened", 10),
        ("each", "closed", 30),
        ("seq", "opened", 30),
        ("mean", "opened", 60),
        ("mean", "closed", 120),
    ]
    mean = next(m for m in line.made if m.rule == "mean")
    assert mean.measures["n"] == 3  # events from before and after the change


def test_what_is_gone_is_closed() -> None:
    """Alerts of a removed or changed rule are closed with that reason, at the time of the change."""
    line = started({"a.yaml": HEAD + EACH, "c.yaml": SEQUENCE})
    line.values((10, 20), (11, 0.5))
    line.values((30, 50))  # the watermark moves to 25: the sequence is complete
    assert activate(line, {"a.yaml": HEAD + EACH.replace("> 10", "> 40")}, 31) == [
        ("each", "closed", "rule_changed"),
        ("seq", "closed", "rule_removed"),
    ]
    assert told(line.values((32, 50))) == [("opened", 32)]


def test_the_closing_of_what_is_gone_counts_all_true_evaluations() -> None:
    """Also those that came too soon after the last transition to be told."""
    line = started({"a.yaml": HEAD + EACH})
    line.values((10, 20), (11, 30), (12, 40))
    activate(line, {"c.yaml": SEQUENCE}, 31)
    assert [(m.type, m.count) for m in line.made] == [("opened", 1), ("closed", 3)]


def test_a_feeds_lateness_may_change() -> None:
    """A new catalogue takes force with the rules; the watermark never moves back."""
    feeds = (
        "feeds:\n  sensor:\n    title: {{zh: 监测, en: Sensor}}\n    domain: environment\n    lateness: {}\n"
        "    fields: {{metric: {{type: string, title: {{zh: 因子, en: Metric}}}}, value: {{type: number, title: {{zh: 值, en: Value}}}}}}\n"
    )
    line = started({"a.yaml": HEAD + MEAN})
    line.values((100, 1))
    before = line.engine.watermarks()["sensor"]
    activate(line, {"a.yaml": HEAD + MEAN, "feeds.yaml": feeds.format("50s")}, 101)
    assert line.engine.watermarks()["sensor"] == before
    line.values((130, 1))
    assert line.engine.watermarks()["sensor"] == before
    line.values((160, 1))
    assert line.engine.watermarks()["sensor"] == T0 + 110_000


CODED = """
feeds:
  sensor:
    title: {{zh: 监测, en: Sensor}}
    domain: environment
    fields:
      metric: {{type: string, title: {{zh: 因子, en: Metric}}}}
      value: {{type: number, title: {{zh: 值, en: Value}}}}
      code: {{type: {}, title: {{zh: 编码, en: Code}}}}
"""


@pytest.mark.parametrize(("old", "new"), [(("string", "5"), ("integer", 5)), (("number", 5.0), ("string", "x"))])
@pytest.mark.parametrize(
    ("rule", "opened"),
    [
        ("by: [code]\n    when: value > 10", 2),
        ("by: [code]\n    window: {tumbling: 1m}\n    measure: {n: count(*)}\n    when: n > 0", 1),
        ("new: [code]", 1),
        ("new: [metric]\n    summary: {zh: '{code}', en: '{code}'}", 1),
    ],
)
def test_a_field_may_change_its_type(rule: str, opened: int, old: tuple[str, object], new: tuple[str, object]) -> None:
    """With keys of the old type known and events of it waiting: these are of no rule whose key means another thing now."""

    def made(*, restored: bool) -> list[tuple[str, str, object]]:
        files = {"a.yaml": HEAD + f"    id: coded\n    {rule}\n    severity: red\n"}
        line = started({**files, "feeds.yaml": CODED.format(old[0])})
        line.decoder = Decoder(line.engine.ruleset.catalog)
        line.events([{"t": 1, "value": 20, "code": old[1]}, {"t": 2, "value": 20, "code": old[1]}])
        activate(line, {**files, "feeds.yaml": CODED.format(new[0])}, 3)
        line.decoder = Decoder(line.engine.ruleset.catalog)
        line.events([{"t": 4, "value": 20, "code": new[1]}])
        if restored:
            line.engine = Engine.restore(line.engine.snapshot())
        line.events([{"t": 5, "value": 20, "code": new[1]}])
        line.tick(1000)
        return [(m.type, m.at, m.key) for m in line.made]

    assert made(restored=True) == made(restored=False)
    assert [type_ for type_, _, _ in made(restored=False)].count("opened") == opened


def test_a_snapshot_in_between_changes_nothing() -> None:
    """The rule set in force is part of a snapshot."""
    line = started({"a.yaml": HEAD + MEAN, "c.yaml": SEQUENCE})
    line.values((10, 20))
    line.engine = Engine.restore(line.engine.snapshot())
    activate(line, {"a.yaml": HEAD + MEAN, "c.yaml": SEQUENCE, "b.yaml": HEAD + EACH}, 11)
    line.engine = Engine.restore(line.engine.snapshot())
    line.values((20, 0.5), (100, 1))
    assert [(m.rule, *told([m])[0]) for m in line.made] == [("seq", "opened", 20), ("mean", "opened", 60)]


def test_a_changed_rule_begins_anew() -> None:
    """What came before it came into force is in no window of it, whatever other rules made of that."""
    line = started({"a.yaml": HEAD + MEAN})
    line.values((10, 20), (20, 30))
    stricter = HEAD + MEAN.replace("> 10", "> 5")
    other = HEAD + MEAN.replace("id: mean", "id: other")
    activate(line, {"a.yaml": stricter, "b.yaml": other}, 21)
    line.values((30, 7), (200, 1))
    assert [(m.rule, *told([m])[0], m.measures["n"]) for m in line.made] == [
        ("mean", "opened", 60, 1),
        ("mean", "closed", 120, 1),
    ]


@pytest.mark.parametrize("shape", ["tumbling: 1h", "hopping: 1h, every: 10s", "sliding: 1h", "session: 1h"])
@pytest.mark.parametrize(
    ("stays", "goes"),
    [
        ("stddev(value)", "sum(value)"),
        ("max(value)", "avg(value)"),
        ("median(value)", "'quantile(value, 0.1)'"),
        ("count(distinct value)", "last(value)"),
    ],
)
def test_a_rule_keeps_its_windows_when_one_beside_it_goes(shape: str, stays: str, goes: str) -> None:
    """Whatever the other one asked of the same events, and also where the engine is restored in between."""

    def rule(name: str, measure: str) -> str:
        return HEAD + (
            f"    id: {name}\n    window: {{{shape}}}\n    measure: {{x: {measure}}}\n    when: x > 0\n"
            "    severity: red\n    update_every: 0s\n"
        )

    def shown(*, change: bool) -> list[tuple[str, str, object]]:
        line = started({"a.yaml": rule("stays", stays), "b.yaml": rule("goes", goes)})
        line.values((10, 20), (20, 31), (25, 3))
        if change:
            line.engine = Engine.restore(line.engine.snapshot())
            activate(line, {"a.yaml": rule("stays", stays)}, 26)
            line.engine = Engine.restore(line.engine.snapshot())
        line.values((30, 7), (40, 9))
        line.tick(20_000)
        return [(m.type, m.at, m.measures) for m in line.made if m.rule == "stays"]

    untouched = shown(change=False)
    assert untouched
    assert shown(change=True) == untouched


def test_what_waited_while_a_rule_came_is_not_for_it() -> None:
    """A rule sees what arrives after it came into force; what only waited for the watermark then is for the older ones."""
    line = started({"a.yaml": HEAD + MEAN})
    line.values((58, 20))
    activate(line, {"a.yaml": HEAD + MEAN, "b.yaml": HEAD + MEAN.replace("id: mean", "id: other")}, 59)
    line.engine = Engine.restore(line.engine.snapshot())
    line.tick(200)
    assert [(m.rule, *told([m])[0]) for m in line.made] == [("mean", "opened", 60), ("mean", "closed", 120)]


def test_a_changed_rule_does_not_open_twice_at_one_instant() -> None:
    """Openings of one key in one millisecond are one; what is true at a later evaluation opens a new alert."""
    line = started({"a.yaml": HEAD + EACH})
    line.values((10, 20))
    activate(line, {"a.yaml": HEAD + EACH.replace("orange", "red")}, 10)
    line.values((10, 20), (11, 20))
    assert told(line.made) == [("opened", 10), ("closed", 10), ("opened", 11)]


@pytest.mark.parametrize("restored", [False, True])
def test_a_rule_that_comes_back_has_opened_nothing_lately(restored: bool) -> None:
    """What it opened before it was taken away does not count against its rate, whether the engine is restored meanwhile or not."""
    files = {"a.yaml": HEAD + EACH + "    max_rate: 1\n"}
    line = started(files)
    line.values((10, 20))
    activate(line, {"c.yaml": SEQUENCE}, 11)
    if restored:
        line.engine = Engine.restore(line.engine.snapshot())
    activate(line, files, 12)
    line.values((13, 20))
    assert [(m.type, "storm" in m.key) for m in line.made] == [("opened", False), ("closed", False), ("opened", False)]


def test_a_rule_that_comes_to_stand_higher_begins_anew() -> None:
    """Where a rule that it names becomes one over alerts, it reads other alerts than before: none of its keys are mixed up."""
    above = HEAD.replace("feed: sensor", "feed: alert")
    up = above + "    id: up\n    where: rule = 'below'\n    when: type = 'opened'\n    severity: blue\n"
    below = EACH.replace("id: each", "id: below")
    line = started({"a.yaml": HEAD + EACH, "b.yaml": HEAD + below, "c.yaml": up})
    line.values((10, 20), subject="s1")
    lifted = above + below.replace("when: value > 10", "where: rule = 'each'\n    when: type = 'opened'")
    changed = activate(line, {"a.yaml": HEAD + EACH, "b.yaml": lifted, "c.yaml": up}, 11)
    assert sorted(changed) == [("below", "closed", "rule_changed"), ("up", "closed", "rule_changed")]
    line.values((12, 20), subject="s2")
    assert [(m.key["subject"], m.type) for m in line.made if m.rule == "up"] == [
        ("s1", "opened"),
        ("s1", "closed"),
        ("s2", "opened"),
    ]


def test_the_end_of_a_rule_over_alerts_is_seen_by_those_that_name_it() -> None:
    """Also when it is gone by then: its alerts do not become those of an ordinary rule."""
    up = EACH.replace("id: each", "id: up").replace("value > 10", "type = 'opened'")
    above = HEAD.replace("feed: sensor", "feed: alert")
    line = started({"a.yaml": HEAD + EACH, "b.yaml": above + up})
    line.values((10, 20))
    other = above + up.replace("id: up", "id: other").replace("'opened'", "'closed'")
    told_ = activate(line, {"a.yaml": HEAD + EACH, "c.yaml": other}, 11)
    assert told_ == [("up", "closed", "rule_removed")]


def test_the_storm_of_a_changed_rule_ends_by_what_the_rule_was() -> None:
    """As its other alerts do: what is resolved of itself is what the old rule said."""
    line = started({"a.yaml": HEAD + EACH + "    max_open: 1\n"})
    line.values((10, 20), subject="a")
    line.values((10, 20), subject="b")
    activate(line, {"a.yaml": HEAD + EACH + "    max_open: 1\n    auto_resolve: [orange]\n"}, 11)
    assert [(m.type, m.state, "storm" in m.key) for m in line.made[2:]] == [
        ("closed", "open", True),
        ("closed", "open", False),
    ]
