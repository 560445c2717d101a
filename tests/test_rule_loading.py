"""Rule files: what they mean, and what is said of every fault, with its file, line and column."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.feeds import FeedCatalog
from rules.load import RuleErrors, load_bundle, load_rules
from rules.model import Rule
from rules.summary import TemplateError, escape, placeholders, render
from rules.yaml_source import MAX_NODES

HEAD = "rules:\n"
EACH = """\
  - id: a
    title: {zh: 甲, en: A}
    feed: sensor
    when: value > 5
    severity: red
"""
WINDOW = """\
  - id: env.cod.hourly-mean
    title: {zh: 化学需氧量小时均值超标, en: Hourly mean COD above the permit limit}
    domain: environment
    feed: sensor
    where: metric = 'w01018' AND quality = 'N'
    by: [subject, metric]
    window: {tumbling: 1h}
    measure: {mean: avg(value), limit: max(limit), n: count(*)}
    when: mean > limit AND n >= 45
    severity: {red: mean > 2 * limit, orange: true}     # or one word; the first that holds
    summary: {zh: "{subject} COD 小时均值 {mean:.1f} mg/L，限值 {limit:.0f}", en: "..."}
    enabled: true          # or shadow
"""


def rules_of(*texts: str, **options: str) -> list[Rule]:
    return list(load_rules({"r.yaml": HEAD + "".join(texts)}, **options).rules)


def rule_of(text: str) -> Rule:
    (rule,) = rules_of(text)
    return rule


def errors_of(text: str, name: str = "r.yaml") -> list[str]:
    """Each fault as ``line:column: message (hint)``."""
    with pytest.raises(RuleErrors) as caught:
        load_rules({name: text})
    assert all(error.file == name for error in caught.value.errors)
    return [str(error).removeprefix(f"{name}:") for error in caught.value.errors]


def assert_fault(text: str, error: str) -> None:
    """``§`` in the text marks where the fault must be found; without one the error begins with its place."""
    before, mark, after = text.partition("§")
    if mark:
        error = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: {error}"
    found = errors_of(before + after)
    assert any(line.startswith(error) for line in found), (error, found)


# --- what is understood -----------------------------------------------------------------------------------------------


def test_the_rule_of_the_contract():
    """The example that the documentation begins with, key by key."""
    rule = rule_of(WINDOW)
    assert (rule.kind, rule.feed, rule.by, rule.mode) == ("window", "sensor", ("subject", "metric"), "on")
    assert rule.window is not None
    assert (rule.window.shape, rule.window.size_ms, rule.window.every_ms) == ("tumbling", 3_600_000, 3_600_000)
    assert [m.name for m in rule.measures] == ["mean", "limit", "n"]
    assert [word for word, _ in rule.severity] == ["red", "orange"]
    assert rule.severity[1][1] is None
    assert rule.clear_after_ms == 3_600_000
    assert rule.update_every_ms == 60_000
    assert rule.auto_resolve == {"blue"}
    assert rule.title["en"].startswith("Hourly")
    assert (rule.place.file, rule.place.line) == ("r.yaml", 2)


def test_the_defaults():
    """By subject, the feed's domain, never cleared by time, the title for a summary, one language for both."""
    rule = rule_of(EACH.replace("{zh: 甲, en: A}", "A {B}"))
    assert (rule.by, rule.domain, rule.clear_after_ms, rule.forget_ms) == (
        ("subject",),
        "environment",
        None,
        604_800_000,
    )
    assert rule.title == {"zh": "A {B}", "en": "A {B}"}
    assert render(rule.summary["zh"], {}) == "A {B}"


def test_every_key_of_each():
    """hold, clear, clear_after, update_every, auto_resolve, enabled and source are kept."""
    rule = rule_of(
        EACH
        + """\
    where: metric = 'gas_lel'
    clear: value < 4
    clear_after: 2h
    hold: 30s
    update_every: 5m
    auto_resolve: [blue, yellow]
    enabled: shadow
    source: GB/T 50493-2019
    forget: 30d
    summary: {zh: "{subject} {value:.1f}%", en: "{subject} {value:.1f}%, limit {limit}"}
"""
    )
    assert (rule.clear_after_ms, rule.hold_ms, rule.update_every_ms) == (7_200_000, 30_000, 300_000)
    assert (rule.auto_resolve, rule.mode, rule.source) == ({"blue", "yellow"}, "shadow", "GB/T 50493-2019")
    assert rule.clear is not None
    assert rule.shown == ("value", "limit")
    assert rule.forget_ms == 30 * 86_400_000


def test_windows_from_a_day_up_begin_at_midnight():
    """The offset is that of the zone, modulo the step; shorter windows are aligned to the epoch."""

    def offset(window: str, zone: str = "Asia/Shanghai") -> int:
        (rule,) = rules_of(WINDOW.replace("{tumbling: 1h}", window), zone=zone)
        assert rule.window is not None
        return rule.window.offset_ms

    hour = 3_600_000
    assert offset("{tumbling: 1d}") == 16 * hour
    assert offset("{tumbling: 7d}") == 7 * 24 * hour - 8 * hour
    assert offset("{hopping: 1d, every: 1h}") == 0
    assert offset("{hopping: 2d, every: 1d}") == 16 * hour
    assert offset("{tumbling: 12h}") == 0
    assert offset("{sliding: 2d}") == 0
    assert offset("{tumbling: 1d}", zone="UTC") == 0
    assert offset("{tumbling: 1d}", zone="America/New_York") == 5 * hour


def test_hopping_and_sliding():
    """Any step up to the size; sliding has none."""
    rule = rule_of(WINDOW.replace("{tumbling: 1h}", "{hopping: 1h, every: 25m}"))
    assert rule.window is not None
    assert (rule.window.size_ms, rule.window.every_ms, rule.clear_after_ms) == (3_600_000, 1_500_000, 3_600_000)
    rule = rule_of(WINDOW.replace("{tumbling: 1h}", "{sliding: 90s}"))
    assert rule.window is not None
    assert (rule.window.shape, rule.window.every_ms, rule.clear_after_ms) == ("sliding", 0, 90_000)


def test_a_key_is_remembered_for_as_long_as_the_rule_looks_back():
    """A week, or the window where that is longer."""
    assert rule_of(WINDOW).forget_ms == 7 * 86_400_000
    assert rule_of(WINDOW.replace("{tumbling: 1h}", "{sliding: 30d}")).forget_ms == 30 * 86_400_000


def test_absent_with_keys_to_expect():
    """A code without quotes stays the text that it is; several fields of by need mappings."""
    text = "  - {id: s, title: t, feed: sensor, absent: 1h, severity: yellow, expect: [S1, 0531, no]}\n"
    rule = rule_of(text)
    assert (rule.kind, rule.absent_ms, rule.clear_after_ms) == ("absent", 3_600_000, None)
    assert rule.expect == ({"subject": "S1"}, {"subject": "0531"}, {"subject": "no"})
    rule = rule_of(
        "  - {id: s, title: t, feed: opinion, by: [subject, rank], absent: 1h, severity: red,\n"
        "     expect: [{rank: 1, subject: a}, {subject: a, rank: 2}]}\n"
    )
    assert rule.expect == ({"subject": "a", "rank": 1}, {"subject": "a", "rank": 2})


def test_a_sequence():
    """Steps, an unless between two, an absence at the end; a step without a feed takes the rule's."""
    rule = rule_of(
        """\
  - id: q
    title: t
    feed: complaint
    severity: orange
    within: 7d
    sequence:
      - {where: category = '食品安全'}
      - unless: {feed: inspection, where: result = '合格'}
      - {feed: inspection, where: result = '不合格'}
      - unless: {feed: inspection, where: result = '合格'}
      - absent: {feed: penalty}
"""
    )
    assert (rule.kind, rule.feed, rule.within_ms, rule.clear_after_ms) == ("sequence", "complaint", 604_800_000, None)
    assert [(step.feed, step.absent) for step in rule.sequence] == [
        ("complaint", False),
        ("inspection", False),
        ("penalty", True),
    ]
    assert [step.unless and step.unless[0] for step in rule.sequence] == [None, "inspection", "inspection"]
    assert rule.feeds == {"complaint", "inspection", "penalty"}


def test_rules_come_in_the_order_of_their_ids_from_all_files(tmp_path):
    """Every .yaml of the tree but feeds.yaml and tests; what begins with a dot is left alone."""
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "z.yaml").write_text(HEAD + EACH, encoding="utf-8")
    (tmp_path / "b" / "y.yaml").write_text("\ufeff" + HEAD + EACH.replace("id: a", "id: 0"), encoding="utf-8")
    (tmp_path / "b" / "y.test.yaml").write_text("tests: [}", encoding="utf-8")
    (tmp_path / ".git" / "x.yaml").write_text("nonsense", encoding="utf-8")
    (tmp_path / "feeds.yaml").write_text("feeds: {mine: {domain: own, fields: {v: number}}}", encoding="utf-8")
    (tmp_path / "own.yaml").write_text(
        HEAD + EACH.replace("sensor", "mine").replace("value", "v").replace(": a", ": c")
    )
    loaded = load_rules(tmp_path)
    assert [(rule.id, rule.place.file) for rule in loaded.rules] == [
        ("0", "b/y.yaml"),
        ("a", "z.yaml"),
        ("c", "own.yaml"),
    ]
    assert [rule.domain for rule in loaded.rules] == ["environment", "environment", "own"]


def test_a_bundle_brings_the_same_rules_back(tmp_path):
    """What an activation record holds is all that is needed, own feeds included."""
    (tmp_path / "feeds.yaml").write_text("feeds: {mine: {domain: own, fields: {value: string}}}", encoding="utf-8")
    text = HEAD + WINDOW + EACH.replace("sensor", "mine").replace("value > 5", "value = '5'")
    (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
    loaded = load_rules(tmp_path, zone="UTC")
    again = load_bundle(loaded.bundle)
    assert again.rules == loaded.rules
    assert again.version == loaded.version
    assert again.bundle == loaded.bundle
    assert loaded.bundle["zone"] == "UTC"
    when = next(rule for rule in again.rules if rule.id == "a").when
    assert when is not None
    assert when.fields == {"value@string"}


def test_one_file_alone_can_be_loaded(tmp_path):
    """A path may name a file."""
    (tmp_path / "r.yaml").write_text(HEAD + EACH, encoding="utf-8")
    (tmp_path / "other.yaml").write_text("broken: [", encoding="utf-8")
    assert [rule.id for rule in load_rules(tmp_path / "r.yaml").rules] == ["a"]


@pytest.mark.parametrize("text", ["", "rules:\n", "rules: []\n", "# nothing\n", "---\n...\n"])
def test_a_file_without_rules_is_no_fault(text):
    """An empty file and an empty list give no rules."""
    assert load_rules({"r.yaml": text}).rules == ()


def test_a_catalogue_may_be_given():
    """The caller's catalogue wins over the built-in one."""
    catalog = FeedCatalog.parse("feeds: {mine: {domain: own, fields: {v: number}}}")
    text = HEAD + EACH.replace("sensor", "mine").replace("value", "v")
    assert load_rules({"r.yaml": text}, catalog).rules[0].domain == "own"


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: {zh: 化学需氧量", "title: {zh: 化学的需氧量"),
        ("# or one word; the first that holds", ""),
        ("{subject} COD 小时均值", "COD {subject}"),
        ("by: [subject, metric]", "by: [metric, subject]"),
        ("avg(value), limit: max(limit)", "AVG( value ), limit: MAX((limit))"),
        ("metric = 'w01018' AND quality = 'N'", "(metric) = 'w01018' and (\"quality\"='N')"),
        ("window: {tumbling: 1h}", "window: {tumbling: 60m}"),
        ("    enabled: true          # or shadow\n", ""),
        ("    enabled: true ", "    clear_after: 1h\n    enabled: true "),
        ("    enabled: true ", "    source: GB 18918-2002\n    enabled: true "),
    ],
)
def test_what_does_not_change_a_version(old, new):
    """Comments, titles, summaries, order, writing and defaults written out do not count."""
    assert old in WINDOW
    assert rule_of(WINDOW.replace(old, new)).version == rule_of(WINDOW).version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("w01018", "w01019"),
        ("n >= 45", "n > 45"),
        ("by: [subject, metric]", "by: [subject]"),
        ("{tumbling: 1h}", "{sliding: 1h}"),
        ("avg(value)", "max(value)"),
        ("red: mean > 2", "red: mean > 3"),
        ("enabled: true", "enabled: shadow"),
        ("    enabled: true ", "    hold: 1s\n    enabled: true "),
        ("domain: environment", "domain: other"),
    ],
)
def test_what_changes_a_version(old, new):
    """Everything that changes what the rule finds counts."""
    assert old in WINDOW
    assert rule_of(WINDOW.replace(old, new)).version != rule_of(WINDOW).version


def test_the_type_of_a_field_is_part_of_the_meaning():
    """A feed whose field changed its type gives the rule another version."""
    versions = set()
    for kind in ("number", "integer"):
        catalog = FeedCatalog.parse(f"feeds: {{mine: {{domain: own, fields: {{value: {kind}}}}}}}")
        versions.add(load_rules({"r": "", "r.yaml": HEAD + EACH.replace("sensor", "mine")}, catalog).rules[0].version)
    assert len(versions) == 2


def test_a_known_version_stays():
    """Versions are kept in snapshots: an upgrade of the program must not change them unawares."""
    assert rule_of(EACH).version == "6fcd4b7932830ea1"
    assert rule_of(WINDOW).version == "afcf853922e8f6f7"


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("when: value", "wenn: value", "5:5: unknown key 'wenn' (did you mean 'when'?)"),
        (
            "value > 5",
            "valeu > 5",
            "5:11: unknown name valeu: the feed sensor has no such field (did you mean 'value'?)",
        ),
        (
            "when: value",
            "expr: value",
            "5:5: unknown key 'expr' (here it is called when)",
        ),
        (
            "value > 5",
            "metric = w01018",
            "5:20: unknown name w01018: the feed sensor has no such field (a text stands in single quotes: 'w01018')",
        ),
        (
            "value > 5",
            'metric IN ("甲")',
            "5:22: unknown name 甲: the feed sensor has no such field (a text stands in single quotes: '甲')",
        ),
        ("value > 5", "'value > 5 AND metric > 1'", "5:26: a number and a string cannot be compared (numbers stand"),
        ("value > 5", '"value > 5 AND nope"', "5:26: unknown name nope"),
        ("value > 5", "|\n      value > 5\n      AND nope", "7:11: unknown name nope"),
        ("value > 5", ">-\n      value > 5\n\n      AND   nope", "8:13: unknown name nope"),
        ("value > 5", "value > 5\n      AND nope", "6:11: unknown name nope"),
        ("value > 5", "'metric = ''x'' AND §nope'", "unknown name nope"),
        ("value > 5", '"metric = \\x27x\' AND\\t\\\n      §nope"', "unknown name nope"),
        ("value > 5", '"\\u0076alue > 5 AND §nope"', "unknown name nope"),
        ("value > 5", "avg(value) > 5", "5:11: the aggregate avg is only allowed in measure"),
        ("value > 5", "value", "5:11: this is a number, where a condition is needed"),
        ("value > 5", "", "5:5: when is empty"),
        ("value > 5", "[value > 5]", "5:11: when must be a single value"),
        ("    when: value > 5\n", "", "2:5: the rule has no when (such as when: value > 50, or when: true)"),
        ("    severity: red\n", "", "2:5: the rule has no severity"),
        ("    title: {zh: 甲, en: A}\n", "", "2:5: the rule has no title"),
        ("    feed: sensor\n", "", "2:5: the rule has no feed"),
        ("id: a", "tag: a", "2:5: the rule has no id"),
        ("id: a", "id: a b", "2:9: 'a b' is no id"),
        ("id: a", "id: [a]", "2:9: id must be a single value"),
        ("zh: 甲, en: A", "zh: 甲, §de: A", "title is given in zh and en, not in 'de'"),
        ("zh: 甲, en: A", "zh: 甲, §en: ", "title in en must be a text"),
        ("{zh: 甲, en: A}", "{}", "3:5: title has no text"),
        ("feed: sensor", "feed: sensro", "4:11: unknown feed 'sensro' (did you mean 'sensor'?)"),
        ("feed: sensor", "feed: alert", "5:11: unknown name value: the feed alert has no such field"),
        ("severity: red", "severity: rde", "6:15: 'rde' is no severity (did you mean 'red'?)"),
        ("severity: red", "severity: {red: value > 9, orange: nope}", "6:40: unknown name nope"),
        ("severity: red", "severity: {red: true, blue: true}", "6:27: blue is never reached"),
        ("severity: red", "severity: {blue: value > 9, red: true}", "6:33: red stands below a lower severity"),
        ("severity: red", "severity: {red: }", "6:16: red has no condition"),
        ("severity: red", "severity: []", "6:5: severity must be a word or a ladder"),
        (
            "severity: red",
            "severity: red\n    enabled: maybe",
            "7:14: enabled must be true, false or shadow, not 'maybe'",
        ),
        ("severity: red", "severity: red\n    hold: 5", "7:11: hold: '5' is no duration (write 5s, 5m or 5h)"),
        ("severity: red", "severity: red\n    hold: 5 parsecs", "7:11: hold: '5 parsecs' is no duration"),
        ("severity: red", "severity: red\n    hold: 9999d", "7:11: hold must lie between 0ms and 400d, not 9999d"),
        ("severity: red", "severity: red\n    clear_after: 0s", "7:18: clear_after must lie between 1ms"),
        (
            "severity: red",
            "severity: red\n    hold: 2h\n    forget: §1h",
            "forget is shorter than the 2h that the rule",
        ),
        ("severity: red", "severity: red\n    domain: Über All", "7:13: 'Über All' is no domain"),
        ("severity: red", "severity: red\n    auto_resolve: [blau]", "7:20: 'blau' is no severity"),
        ("severity: red", "severity: red\n    by: [subject, nope]", "7:19: unknown field nope: the feed sensor has no"),
        ("severity: red", "severity: red\n    by: []", "7:5: by needs 1 to 8 fields"),
        ("severity: red", "severity: red\n    by: [time]", "7:10: time is a time: it cannot be part of a key"),
        ("severity: red", "severity: red\n    by: [id, id]", "7:14: id stands twice in by"),
        ("severity: red", "severity: red\n    by: [{a: b}]", "7:10: by is a list of field names"),
        (
            "severity: red",
            "severity: red\n    measure: {n: count(*)}",
            "7:5: measure has no meaning in a rule of kind each",
        ),
        (
            "severity: red",
            "severity: red\n    within: 1h",
            "7:5: within has no meaning in a rule of kind each (within goes",
        ),
        (
            "severity: red",
            "severity: red\n    baseline: x",
            "7:5: baseline has no meaning in a rule of kind each (a baseline",
        ),
        (
            "severity: red",
            "severity: red\n    new: [source]",
            "5:5: when has no meaning in a rule of kind new (the absence",
        ),
        ("severity: red", "severity: red\n    max_open: 0", "7:15: max_open must be a whole number from 1 to 100,000"),
        ("severity: red", "severity: red\n    detector: {name: x}", "7:5: detector is not supported yet"),
        ("severity: red", "severity: red\n    cluster: {}", "7:5: cluster is not supported yet"),
        (
            "severity: red",
            "severity: red\n    summary: '{subject} {nope}'",
            "7:25: the summary names nope, which this rule",
        ),
        (
            "severity: red",
            "severity: red\n    summary: '{metric:.1f}'",
            "7:15: metric is a string: the format .1f is for",
        ),
        (
            "severity: red",
            "severity: red\n    summary: 'a §{value:date}'",
            "value is a number: the format date is for times",
        ),
        (
            "severity: red",
            "severity: red\n    summary: 'a §{time:.1f}'",
            "time is a time: the format .1f is for numbers",
        ),
        ("severity: red", "severity: red\n    summary: '{value.real}'", "7:15: '{value.real}' is no placeholder"),
        ("severity: red", "severity: red\n    summary: '{value!r}'", "7:15: '{value!r}' is no placeholder"),
        ("severity: red", "severity: red\n    summary: '{value:>99999}'", "7:15: '{value:>99999}' is no placeholder"),
        ("severity: red", "severity: red\n    summary: 'a } b'", "7:17: '}' is no placeholder"),
        ("severity: red", "severity: red\n    id: b", "7:5: the key 'id' stands twice (first in line 2)"),
        ("severity: red", "severity: red\n\thold: 5s", "7:1: not YAML"),
        ("severity: red", "severity: 'red", "7:1: not YAML"),
        ("severity: red", "severity: *nope", "6:15: the alias *nope has no anchor before it"),
    ],
)
def test_a_fault_and_its_place(old, new, error):
    """Line, column, what is wrong, and what to write instead."""
    assert old in EACH
    assert_fault(HEAD + EACH.replace(old, new), error)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("{tumbling: 1h}", "1h", "8:5: window must name its shape"),
        ("{tumbling: 1h}", "{tumblin: 1h}", "8:14: unknown key 'tumblin' in window (did you mean 'tumbling'?)"),
        ("{tumbling: 1h}", "{session: 1h, max: 30m}", "8:32: max is shorter than the gap"),
        ("{tumbling: 1h}", "{tumbling: 1h, max: 2h}", "8:28: max goes with session, not with tumbling"),
        ("{tumbling: 1h}", "{tumbling: 1h, sliding: 1h}", "8:5: a window has one shape"),
        ("{tumbling: 1h}", "{hopping: 1h}", "8:14: a hopping window needs every"),
        ("{tumbling: 1h}", "{hopping: 1h, every: §2h}", "every is longer than the window"),
        ("{tumbling: 1h}", "{hopping: 1d, every: §1s}", "an event would lie in more than 10,000 windows"),
        ("{tumbling: 1h}", "{tumbling: 1h, §every: 1h}", "every goes with hopping, not with tumbling"),
        ("{tumbling: 1h}", "{tumbling: 0s}", "8:24: tumbling must lie between 1ms"),
        ("{tumbling: 1h}", "{tumbling: [1h]}", "8:24: tumbling must be a duration"),
        ("{mean: avg(value), limit: max(limit), n: count(*)}", "{}", "9:5: measure names 1 to 50 aggregates"),
        ("mean: avg(value)", "mean: avg(valu)", "9:25: unknown name valu"),
        ("mean: avg(value)", "mean: value", "9:21: value must stand inside of an aggregate (such as avg(value))"),
        ("mean: avg(value)", "mean: unit", "9:21: unit must stand inside of an aggregate (such as last(unit))"),
        (
            "mean: avg(value)",
            "mean: \"lookup('l.csv', 'x', §subject)\"",
            "subject must stand inside of an aggregate (such as max(lookup(...)))",
        ),
        ("mean: avg(value)", "mean: median(unit)", "9:28: median needs a number, this is a string"),
        ("mean: avg(value)", "mean: round(avg(value), §1)", "the measure '1)' has no expression (an expression with"),
        ("mean: avg(value)", "metric: max(value), mean: avg(value)", "9:15: metric is a field of by already"),
        ("mean: avg(value)", "a b: max(value), mean: avg(value)", "9:15: 'a b' is no name for a measure"),
        ("when: mean > limit", "when: value > limit", "10:11: value cannot be used here (the condition reads measures"),
        (
            "AND quality = 'N'",
            "AND §n > 45",
            "n cannot be used here (where reads the event; what is asked of a measure goes into when)",
        ),
        ("when: mean > limit", "when: meen > limit", "10:11: unknown name meen: the window has no such measure"),
        ("when: mean > limit", "when: metric > limit", "10:11: a number and a string cannot be compared"),
        (
            "{mean:.1f} mg/L",
            "§{unit} mg/L",
            "the summary names unit, which this rule does not have (there are mean, limit, n, subject, metric)",
        ),
        (
            "enabled: true",
            "absent: 1h\n    enabled: true",
            "13:5: a rule is of one kind: absent does not go with window",
        ),
    ],
)
def test_a_fault_of_a_window(old, new, error):
    """The shape, its measures, and what its conditions may name."""
    assert old in WINDOW
    assert_fault(HEAD + WINDOW.replace(old, new), error)


def test_a_measure_with_a_fault_is_reported_once():
    """What uses a broken measure is not at fault."""
    assert len(errors_of(HEAD + WINDOW.replace("mean: avg(value)", "mean: avg(nope)"))) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("absent: 1h, §expect: S1", "expect lists"),
        ("absent: 1h, expect: [§[S1]]", "an expected key must be a value of subject"),
        ("absent: 1h, expect: [{§subjekt: S1}]", "'subjekt' is not in by (did you mean 'subject'?)"),
        ("absent: 1h, expect: [§{}]", "the expected key lacks subject"),
        ("absent: 1h, expect: [a, §a]", "this key is expected twice"),
        ("absent: 1h, by: [limit], expect: [§x]", "limit must be a number"),
        ("absent: 1h, §when: value > 1", "when has no meaning in a rule of kind absent (the absence"),
        ("absent: 1h, §hold: 1h", "hold has no meaning"),
        ("§sequence: [{where: true}], within: 1h", "a sequence has 2 to 20 steps"),
        ("sequence: [{where: true}, {where: true}]", "2:5: the rule has no within"),
        (
            "within: 1h, sequence: [{where: true}, {§were: true}]",
            "unknown key 'were' in a step (did you mean 'where'?)",
        ),
        ("within: 1h, sequence: [{where: true}, {feed: §nope}]", "unknown feed 'nope'"),
        ("within: 1h, sequence: [§unless: {feed: news}, {where: true}]", "unless stands between two steps"),
        ("within: 1h, sequence: [{where: true}, §unless: {feed: news}]", "unless stands between two steps"),
        ("within: 1h, sequence: [§absent: {feed: news}, {where: true}]", "absent can only be the last step"),
        ("within: 1h, sequence: [{where: true}, absent: §news]", "absent must name its events"),
        ("within: 1h, sequence: [{where: §nope}, {where: true}]", "unknown name nope"),
        (
            "within: 1h, sequence: [{where: true}, {feed: opinion}], by: [§metric]",
            "unknown field metric: the feed opinion",
        ),
        ("within: 1h, sequence: [{where: true}, {where: true}], §where: true", "where has no meaning"),
    ],
)
def test_a_fault_of_an_absence_or_a_sequence(text, error):
    """Expected keys, steps, and what has no meaning there."""
    assert_fault(f"rules:\n  - {{id: a, title: t, feed: sensor, severity: red, {text}}}\n", error)


def test_a_ladder_needs_something_to_judge():
    """Absences and sequences have one severity."""
    text = "rules:\n  - {id: a, title: t, feed: sensor, absent: 1h, severity: §{red: true}}\n"
    assert_fault(text, "a rule of kind absent has one severity, not a ladder (write it as one word)")


def test_a_key_has_one_type_in_all_steps():
    """A field of by that two feeds type differently cannot join them."""
    catalog = FeedCatalog.parse(
        "feeds: {one: {domain: d, fields: {k: string}}, two: {domain: d, fields: {k: integer}}}"
    )
    text = "rules:\n  - {id: a, title: t, severity: red, within: 1h, by: k, sequence: [{feed: one}, {feed: two}]}\n"
    with pytest.raises(
        RuleErrors, match=r"r.yaml:2:54: k must have one type in all steps: string in one, integer in two"
    ):
        load_rules({"r.yaml": text}, catalog)


def test_all_faults_of_all_files_come_at_once(tmp_path):
    """Six faults in three files, in the order of file, line and column."""
    (tmp_path / "a.yaml").write_text(
        HEAD + EACH.replace("value > 5", "valeu > 5 or metrik = 'x'").replace("red", "rot")
    )
    (tmp_path / "b.yaml").write_text("rules: [")
    (tmp_path / "c.yaml").write_bytes(b"rules:\n  - id: \xff\n")
    (tmp_path / "feeds.yaml").write_text("feeds: {x: {domain: d, fields: {v: nummer}}}")
    with pytest.raises(RuleErrors) as caught:
        load_rules(tmp_path)
    places = [(error.file, error.line, error.column) for error in caught.value.errors]
    assert places == [
        ("a.yaml", 5, 11),
        ("a.yaml", 5, 24),
        ("a.yaml", 6, 15),
        ("b.yaml", 2, 1),
        ("c.yaml", 2, 9),
        ("feeds.yaml", 1, 36),
    ]
    assert str(caught.value).splitlines()[4] == "c.yaml:2:9: the file is not UTF-8 (save it as UTF-8)"


def test_an_id_is_taken_once():
    """Two rules of one id are a fault of the second, also across files and beside other faults."""
    with pytest.raises(RuleErrors) as caught:
        load_rules({"a.yaml": HEAD + EACH, "b.yaml": HEAD + EACH.replace("red", "rot")})
    assert str(caught.value.errors[0]) == "b.yaml:2:9: the id a is taken (by the rule at a.yaml:2)"
    assert len(caught.value.errors) == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("- id: a\n", "1:1: a file of rules begins with rules: (put rules: above the list)"),
        ("just a text\n", "1:1: a file of rules begins with rules:"),
        ("ruels: []\n", "1:1: unknown key 'ruels' (did you mean 'rules'?)"),
        ("rules: {}\n", "1:8: rules must be a list (each rule begins with - id:)"),
        ("rules: [1]\n", "1:9: a rule must be a mapping (begin with - id: ...)"),
        ("rules: []\n---\nrules: []\n", "2:1: a second YAML document in one file (put it into a file of its own)"),
        ("rules: []\n? [a]\n: b\n", "2:3: a key must be a word"),
        ("rules:\n  - &a [*a]\n", "2:9: the alias *a stands for something that holds it"),
        ("rules: \x07\n", "1:8: a character that YAML does not allow"),
        ("rules:\n  - \ud800\n", "2:5: half of a character (a surrogate)"),
    ],
)
def test_a_file_of_another_form(text, error):
    """What is not a list under rules: is told so."""
    assert errors_of(text)[0] == error


def test_an_anchor_is_expanded():
    """Aliases mean what they stand for."""
    rule = rule_of(EACH.replace("{zh: 甲, en: A}", "&t {zh: 甲, en: A}") + "    summary: *t\n")
    assert rule.summary == rule.title


@pytest.mark.parametrize(
    "text",
    [
        "a: &a ["
        + "x," * 10
        + "]\n"
        + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [" + f"*{chr(97 + i)}," * 10 + "]\n" for i in range(9)),
        "rules: " + "[" * 400_000,
        "rules: " + "{a: " * 200_000,
        "rules: [" + "x, " * 300_000 + "]",
        "- " * 400_000,
        "rules: [" + "{}," * MAX_NODES + "]",
        "x" * 2_000_000,
        "rules: '" + "\n" * 900_000,
        "? " * 300_000,
        "&a " * 100_000,
        "rules:\n" + "  - {id: a, when: x}\n" * 20_000,
    ],
)
def test_a_bomb_is_a_fault_within_seconds(text):
    """Nesting, aliases, length and number are bounded, whatever the file holds."""
    begun = time.monotonic()
    assert 1 <= len(errors_of(text)) <= 201
    assert time.monotonic() - begun < 3


@settings(max_examples=150, deadline=None)
@given(
    cuts=st.lists(
        st.tuples(
            st.integers(0, 700),
            st.integers(0, 12),
            st.sampled_from(
                ["", "{", "}", "[", ":", "\n", "'", '"', "|", "- ", "null", "1h", "&a ", "*a", "by", "\t", "#", "§"]
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_file_gives_rules_or_faults_in_it(cuts):
    """Whatever is cut out or put in: no other error, and every fault lies within the file."""
    text = HEAD + WINDOW + EACH
    for start, length, put in cuts:
        text = text[:start] + put + text[start + length :]
    try:
        load_rules({"r.yaml": text})
    except RuleErrors as caught:
        errors = caught.errors
    else:
        return
    lines = text.split("\n")
    for error in errors:
        assert 1 <= error.line <= len(lines) + 1
        assert 1 <= error.column <= len(lines[min(error.line, len(lines)) - 1]) + 2


def test_a_key_that_stands_twice_hides_no_other_fault():
    """All faults at once: those of the other rules of the file too."""
    text = (
        "rules:\n"
        "  - {id: a, id: b, title: t, feed: sensor, when: value > 1, severity: red}\n"
        "  - {id: c, title: t, feed: sensor, when: valu > 1, severity: red}\n"
    )
    with pytest.raises(RuleErrors) as caught:
        load_rules({"a.yaml": text})
    assert [(error.line, error.column) for error in caught.value.errors] == [(2, 13), (3, 43)]


def test_a_directory_that_is_not_there(tmp_path):
    """The path is named."""
    with pytest.raises(RuleErrors, match="nowhere: no such directory of rules"):
        load_rules(tmp_path / "nowhere")


def test_a_zone_that_is_not_there():
    """The time zone is checked before anything else."""
    with pytest.raises(RuleErrors, match="unknown time zone 'Mars/Olympus'"):
        load_rules({}, zone="Mars/Olympus")


# --- summaries --------------------------------------------------------------------------------------------------------


def test_a_summary_shows_what_it_is_given():
    """Whole numbers without a point, a dash for what is missing, texts cut and on one line."""
    template = "{a} {a:.2f} {b} {c:,.0f} {d:.1%} {e} {f} {{x}}"
    values = {"a": 5.0, "b": None, "c": 1234567.8, "d": 0.256, "e": "x\n\u202ey", "f": True}
    assert render(template, values) == "5 5.00 — 1,234,568 25.6% x y true {x}"
    assert len(render("{e}", {"e": "烽" * 10_000})) == 200
    assert render("{e}", {"e": "{a} %s {e.__class__}"}) == "{a} %s {e.__class__}"
    assert render("{a} {a:d}", {"a": float("nan")}) == "— —"
    assert render("{a} {b} {c:.1f}", {"a": 1 / 3, "b": 12, "c": "text"}) == "0.333333 12 text"


@pytest.mark.parametrize(
    "template", ["{", "}", "{}", "{a.b}", "{a[0]}", "{a!r}", "{a:{b}}", "{0}", "{a:999999d}", "{a:>9}"]
)
def test_what_is_no_template(template):
    """There is no attribute, no index, no width and no nesting."""
    with pytest.raises(TemplateError):
        placeholders(template)
    assert render(escape(template), {}) == template
