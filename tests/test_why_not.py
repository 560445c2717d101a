"""``rules explain --why-not``: each step that can keep a rule from opening an alert is found, by its name and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from events.times import MAX_MS, format_ms
from fengsui.exits import InputFault
from fengsui.settings import Settings
from fengsui.workbench.backtest import RecordedRun, Span
from fengsui.workbench.key_history import Gatherer, Until, gathered
from fengsui.workbench.question import Question, key_of
from fengsui.workbench.reason import Reason
from fengsui.workbench.reasons import Reasons
from fengsui.workbench.why_not import told, why_not
from rules.load import load_rules

#: 2026-01-01T00:00:00Z, a holiday in China
T0 = 1_767_225_600_000
HEAD = "rules:\n  - id: r\n    title: {zh: 试验, en: Trial}\n    feed: sensor\n    severity: yellow\n"


class Asking:
    """A rule (the keys beside id, title, feed and severity) over sensor events, for subject s unless they say otherwise."""

    def __init__(self, directory: Path, body: str, *events: dict[str, Any]) -> None:
        self.directory = directory
        lines = [f"    {line}\n" for line in body.strip().splitlines()]
        named = {line.split(":")[0].strip() for line in body.splitlines()}
        head = "".join(line + "\n" for line in HEAD.splitlines() if line.split(":")[0].strip() not in named)
        (directory / "rules.yaml").write_text(head + "".join(lines), encoding="utf-8")
        out = []
        for place, event in enumerate(events):
            given = {"id": f"e{place}", "feed": "sensor", "source": "test", "subject": "s", **event}
            given["time"] = T0 + round(given.pop("t") * 1000)
            out.append(
                json.dumps({name: value for name, value in given.items() if value is not None}, ensure_ascii=False)
            )
        (directory / "events.ndjson").write_text("\n".join(out) + "\n", encoding="utf-8")
        self.ruleset = load_rules(directory / "rules.yaml")
        self.rule = self.ruleset.rules[0]

    def reason(self, t: float, key: str = "s", *, begun: float | None = None) -> Reason:
        begun_ms = None if begun is None else T0 + round(begun * 1000)
        question = Question(
            self.ruleset, self.rule, key_of(key, self.rule, self.ruleset), T0 + round(t * 1000), begun_ms
        )
        run = RecordedRun([str(self.directory / "events.ndjson")], self.ruleset, Span())
        history = gathered(run.records(), Gatherer(self.ruleset.catalog, self.rule, question.key), Until(MAX_MS))
        found = Reasons(question, history, None, "zh").find()
        english = Reasons(question, history, None, "en").find()
        assert english.name == found.name
        for language, one in (("zh", found), ("en", english)):
            text = told(question, one, language)  # type: ignore[arg-type]  # both are languages
            assert "None" not in text
            assert "  - \n" not in text
        assert not any("一" <= char <= "鿿" for char in english.text.replace("合计", "")), english.text
        return found


def asking(tmp_path: Path, body: str, *events: dict[str, Any]) -> Asking:
    return Asking(tmp_path, body, *events)


EACH = "when: value > 50"


def test_a_rule_that_is_off(tmp_path: Path) -> None:
    """A rule that is switched off judges nothing."""
    found = asking(tmp_path, f"{EACH}\nenabled: false", {"t": 0, "value": 60}).reason(0)
    assert found.name == "off"
    assert "已停用" in found.text


def test_no_event_of_the_key(tmp_path: Path) -> None:
    """A key that was never heard gets the nearest ones that were."""
    case = asking(
        tmp_path, EACH, {"t": 0, "value": 60, "subject": "云岭磷化工 DW001"}, {"t": 1, "value": 1, "subject": "x"}
    )
    found = case.reason(0, "云岭磷化工 DW01")
    assert found.name == "no_events"
    assert found.lines[0].items[0] == "subject=云岭磷化工 DW001"


def test_no_event_of_the_feed(tmp_path: Path) -> None:
    """Where the feed was silent as a whole it says so."""
    case = asking(tmp_path, EACH, {"t": 0, "feed": "complaint"})
    assert case.reason(0).name == "no_feed"


def test_events_without_a_whole_key(tmp_path: Path) -> None:
    """Events that lack a field of the key are counted as keyless."""
    found = asking(tmp_path, f"{EACH}\nby: [subject, metric]", {"t": 0, "value": 60}).reason(
        0, "subject=s,metric=w01018"
    )
    assert found.name == "keyless"
    assert "监测因子" in found.text


def test_where_lets_nothing_through(tmp_path: Path) -> None:
    """The conjunct of where that fails is shown with the nearest event's values."""
    case = asking(
        tmp_path,
        f"where: metric = 'w01018' AND quality = 'N'\n{EACH}",
        {"t": 0, "value": 60, "metric": "w01018", "quality": "D"},
    )
    found = case.reason(0)
    assert found.name == "where"
    assert found.lines[0].items == (
        "✓ 监测因子为“w01018”（监测因子 = “w01018”） → 成立",
        "✗ 数据标记为“N”（数据标记 = “D”） → 不成立",
    )


def test_outside_of_the_hours(tmp_path: Path) -> None:
    """Outside of its calendar a rule sees nothing, and it says when it does next."""
    found = asking(tmp_path, f"{EACH}\nonly: {{workdays: 09:00-18:00}}", {"t": 0, "value": 60}).reason(0)
    assert found.name == "calendar"
    assert "2026-01-04 09:00:00" in found.text  # a make-up Sunday


def test_late_events(tmp_path: Path) -> None:
    """Windows do not see events below the watermark."""
    case = asking(
        tmp_path,
        "window: {tumbling: 1m}\nmeasure: {n: count(*)}\nwhen: n >= 1",
        {"t": 100, "value": 1, "subject": "other"},
        {"t": 10, "value": 60},
    )
    assert case.reason(10).name == "late"


def test_the_window_has_not_ended(tmp_path: Path) -> None:
    """A window whose end the data has not reached is not judged yet."""
    case = asking(tmp_path, "window: {tumbling: 1h}\nmeasure: {n: count(*)}\nwhen: n >= 1", {"t": 10, "value": 60})
    found = case.reason(10)
    assert found.name == "not_ended"
    assert "2026-01-01 08:00:00 至 09:00:00" in found.text


def test_an_empty_window(tmp_path: Path) -> None:
    """A window without events of the key is not judged."""
    case = asking(
        tmp_path,
        "window: {tumbling: 1m}\nmeasure: {n: count(*)}\nwhen: n >= 1",
        {"t": 10, "value": 60},
        {"t": 300, "value": 1},
    )
    assert case.reason(100).name == "empty"


def test_each_condition_that_fails(tmp_path: Path) -> None:
    """Kind each: the last event up to the instant, with the part that failed."""
    case = asking(
        tmp_path,
        "when: value > 50 AND limit < 10",
        {"t": 0, "value": 60, "limit": 5},
        {"t": 60, "value": 40, "limit": 5},
    )
    found = case.reason(90)
    assert found.name == "when"
    assert found.text == "报警条件不成立：没有满足“监测值超过 50（监测值 = 40）”。"
    assert found.lines[1].items[0].startswith("✗ 监测值超过 50")
    assert found.lines[1].items[1].startswith("✓ 限值低于 10")


@pytest.mark.parametrize(
    ("window", "t"),
    [("{tumbling: 1m}", 30), ("{hopping: 2m, every: 1m}", 30), ("{sliding: 1m}", 45), ("{session: 30s}", 30)],
)
def test_measures_that_fail(tmp_path: Path, window: str, t: float) -> None:
    """Every shape of window: the measures as the engine's own windows had them."""
    case = asking(
        tmp_path,
        f"window: {window}\nmeasure: {{mean: avg(value), n: count(*)}}\nwhen: mean > 50 AND n >= 3",
        {"t": 20, "value": 60},
        {"t": 40, "value": 70},
        {"t": 600, "value": 1, "subject": "other"},
    )
    found = case.reason(t)
    assert found.name == "when"
    assert found.lines[1].items == (
        "✓ 监测值"
        + {
            "{tumbling: 1m}": " 1 分钟均值",
            "{hopping: 2m, every: 1m}": " 2 分钟均值",
            "{sliding: 1m}": " 1 分钟均值",
        }.get(window, "均值")
        + "超过 50（mean = 65） → 成立",
        "✗ 事件数不少于 3（n = 2） → 不成立",
    )


def test_what_did_not_count_in_the_window(tmp_path: Path) -> None:
    """Too few events: those of the key that `where` shut out are counted, with what they lacked, and the late ones too."""
    body = "where: quality = 'N' AND (interval IS NULL OR interval = 'minute')\n"
    body += "window: {tumbling: 1m}\nmeasure: {n: count(*)}\nwhen: n >= 3"
    case = asking(
        tmp_path,
        body,
        {"t": 10, "quality": "N", "value": 1},
        {"t": 20, "quality": "D", "value": 1, "interval": "minute"},
        {"t": 100, "quality": "N", "value": 1},
        {"t": 30, "quality": "N", "value": 1},
    )
    found = case.reason(10)
    assert found.name == "when"
    assert found.lines[2].text.startswith("窗口里另有 1 个它的事件不符合“看什么”，例如 2026-01-01 08:00:20 e1")
    assert found.lines[2].items == ("✗ 数据标记为“N”（数据标记 = “D”） → 不成立",)
    assert found.lines[3].text == "窗口里另有 1 个来得太晚，没有算进去："


def test_a_baseline_that_is_too_short(tmp_path: Path) -> None:
    """Kind baseline: how many earlier windows there were is a measure like any other."""
    days = [{"t": day * 86_400 + 40_000, "value": 1} for day in range(4)]
    case = asking(
        tmp_path,
        "window: {tumbling: 1d}\nmeasure: {n: count(*)}\n"
        "baseline: {last: 7, measure: {mean: avg(n), days: count(n)}}\nwhen: days >= 5 AND n >= mean",
        *days,
        {"t": 6 * 86_400, "value": 1, "subject": "other"},
    )
    found = case.reason(3 * 86_400 + 40_000)
    assert found.name == "when"
    assert "往期窗口数不少于 5（days = 3）" in found.text


def test_a_missing_value_does_not_hold(tmp_path: Path) -> None:
    """What is null neither holds nor fails; it is said to be missing."""
    found = asking(tmp_path, "when: value > limit", {"t": 0, "value": 60}).reason(0)
    assert found.name == "when"
    assert "限值 = 没有值" in found.text
    assert found.lines[1].items[0].endswith("缺值，不算成立")


def test_hold_was_not_reached(tmp_path: Path) -> None:
    """A condition that has not held long enough: since when, and what broke it before."""
    case = asking(
        tmp_path,
        f"{EACH}\nhold: 5m",
        {"t": 0, "value": 40},
        {"t": 60, "value": 60},
        {"t": 180, "value": 70},
        {"t": 200, "value": 1},
    )
    found = case.reason(180)
    assert found.name == "hold"
    assert "连续成立了 2 分钟，要满 5 分钟才报警" in found.text
    assert found.lines[-2].text.startswith("之前一次不成立（2026-01-01 08:00:00）")
    assert found.lines[-1].text.startswith("后来不再成立（2026-01-01 08:03:20）")


def test_clear_wins(tmp_path: Path) -> None:
    """Where when and clear both hold, clear wins."""
    assert asking(tmp_path, f"{EACH}\nclear: limit = 1", {"t": 0, "value": 60, "limit": 1}).reason(0).name == "clear"


def test_no_rung_held(tmp_path: Path) -> None:
    """Where no severity holds the evaluation is false."""
    found = asking(
        tmp_path, f"{EACH}\nseverity: {{red: value > 100, orange: value > 80}}", {"t": 0, "value": 60}
    ).reason(0)
    assert found.name == "rungs"


def test_it_does_open(tmp_path: Path) -> None:
    """An instant at which the alert was open all the time: which, and since when."""
    case = asking(tmp_path, EACH, {"t": 0, "value": 60}, {"t": 60, "value": 60})
    found = case.reason(60)
    assert found.name == "would_open"
    assert "2026-01-01 08:00:00" in found.text


ABSENT = "absent: 10m"


def test_absent_was_heard(tmp_path: Path) -> None:
    """Kind absent: it was heard, and when the time would have been up."""
    found = asking(tmp_path, ABSENT, {"t": 0}, {"t": 3600, "subject": "other"}).reason(300)
    assert found.name == "heard"
    assert "2026-01-01 08:10:00" in found.text


def test_absent_was_never_heard(tmp_path: Path) -> None:
    """What was never heard is not missed, unless it is expected."""
    case = asking(
        tmp_path, f"{ABSENT}\nwhere: value > 5", {"t": 0, "value": 6, "subject": "other"}, {"t": 3600, "value": 9}
    )
    assert case.reason(1800).name == "never_heard"


def test_absent_is_not_due_by_the_data(tmp_path: Path) -> None:
    """The data's time must go beyond the instant at which it falls due."""
    assert asking(tmp_path, ABSENT, {"t": 0}, {"t": 300, "subject": "other"}).reason(700).name == "not_ended"


def test_absent_waits_for_the_hours(tmp_path: Path) -> None:
    """An absence that falls due outside of the hours is told when they begin."""
    case = asking(tmp_path, f"{ABSENT}\nonly: {{daily: 09:00-18:00}}", {"t": 0}, {"t": 86_400, "subject": "other"})
    found = case.reason(1200)
    assert found.name == "calendar"
    assert "2026-01-01 09:00:00" in found.text


def test_absent_of_an_expected_key(tmp_path: Path) -> None:
    """An expected key that was never heard counts from when the rule came into force."""
    case = asking(tmp_path, f"{ABSENT}\nexpect: [s]", {"t": 0, "subject": "other"}, {"t": 3600, "subject": "other"})
    assert case.reason(300, begun=0).name == "heard"
    assert case.reason(1800, begun=0).name == "would_open"


SEQUENCE = """by: [subject]
within: 10m
sequence:
  - {feed: sensor, where: value > 50}
  - unless: {feed: sensor, where: value < 0}
  - {feed: complaint, where: category = 'x'}
"""


def test_a_sequence_that_did_not_begin(tmp_path: Path) -> None:
    """No event of the first step: the nearest one, with what it lacked."""
    found = asking(tmp_path, SEQUENCE, {"t": 0, "value": 40}).reason(60)
    assert found.name == "not_begun"
    assert found.lines[0].items == ("✗ 监测值超过 50（监测值 = 40） → 不成立",)


def test_a_sequence_that_waits(tmp_path: Path) -> None:
    """Which step it waits for, until when, and what the nearest event lacked."""
    case = asking(tmp_path, SEQUENCE, {"t": 0, "value": 60}, {"t": 60, "feed": "complaint", "category": "y"})
    found = case.reason(120)
    assert found.name == "waiting"
    assert found.text == "还在等第 2 步，最迟到 2026-01-01 08:10:00。"
    assert "✗ 诉求类别为“x”（诉求类别 = “y”） → 不成立" in found.lines[-1].items


def test_a_sequence_that_was_broken(tmp_path: Path) -> None:
    """An unless discards the match."""
    case = asking(
        tmp_path,
        SEQUENCE,
        {"t": 0, "value": 60},
        {"t": 30, "value": -1},
        {"t": 60, "feed": "complaint", "category": "x"},
    )
    found = case.reason(60)
    assert found.name == "broken"
    assert "打断" in found.lines[-1].text


def test_a_sequence_out_of_time(tmp_path: Path) -> None:
    """The next step did not come in time."""
    case = asking(tmp_path, SEQUENCE, {"t": 0, "value": 60}, {"t": 900, "feed": "complaint", "category": "x"})
    assert case.reason(900).name == "expired"


def test_a_sequence_that_waits_for_an_absence(tmp_path: Path) -> None:
    """A last step absent opens only when the time is up."""
    body = SEQUENCE.replace("  - {feed: complaint", "  - absent: {feed: complaint").replace(
        "  - unless: {feed: sensor, where: value < 0}\n", ""
    )
    case = asking(tmp_path, body, {"t": 0, "value": 60}, {"t": 3600, "value": 1, "subject": "other"})
    assert case.reason(60).name == "waiting"


NEW = "new: [device]\nmemory: 1h\nlearn: 10m"


def test_a_value_that_was_seen(tmp_path: Path) -> None:
    """Kind new: when the value was seen before."""
    found = asking(tmp_path, NEW, {"t": 0, "device": "d1"}, {"t": 1800, "device": "d1"}).reason(1800)
    assert found.name == "seen"
    assert "2026-01-01 08:00:00" in found.text


def test_a_rule_that_still_learns(tmp_path: Path) -> None:
    """While it learns, nothing opens."""
    assert asking(tmp_path, NEW, {"t": 0, "device": "d1"}).reason(0).name == "learning"


def test_a_value_that_is_new(tmp_path: Path) -> None:
    """After the memory has run out a value is new again."""
    case = asking(tmp_path, NEW, {"t": 0, "device": "d1"}, {"t": 7200, "device": "d1"})
    assert case.reason(7200).name == "would_open"


def test_questions_that_cannot_be_asked(tmp_path: Path) -> None:
    """An unknown rule gets the nearest one; a key is explained by its fields."""
    case = asking(tmp_path, f"{EACH}\nby: [subject, metric]", {"t": 0, "value": 60})
    settings = Settings(rules=tmp_path / "rules.yaml")
    files = [str(tmp_path / "events.ndjson")]
    with pytest.raises(InputFault, match="no rule has the id 'rr'"):
        why_not("rr", "s", format_ms(T0), files, settings, "zh")
    with pytest.raises(InputFault, match=r"given as subject=\.\.\.,metric=\.\.\."):
        why_not("r", "s", format_ms(T0), files, settings, "zh")
    with pytest.raises(InputFault, match="metric is missing"):
        why_not("r", "subject=s", format_ms(T0), files, settings, "zh")
    assert case.reason(0, "subject=a,b,metric=m").name == "no_events"


OVER_ALERTS = """
rules:
  - id: below
    title: {zh: 超标, en: Too high}
    feed: sensor
    when: value > 50
    severity: red
  - id: above
    title: {zh: 多次, en: Again and again}
    feed: alert
    by: [subject]
    where: type = 'opened' AND severity = 'red'
    window: {sliding: 1h}
    measure: {n: count(*)}
    when: n >= 2
    severity: red
  - id: untaken
    title: {zh: 无人认领, en: Nobody took it}
    by: [subject]
    within: 10m
    sequence:
      - {feed: alert, where: type = 'opened' AND severity = 'blue'}
      - absent: {feed: alert, where: type = 'acked'}
    severity: red
"""


def test_a_rule_over_alerts(tmp_path: Path) -> None:
    """The alerts of the rules below are its events, made by playing all rules."""
    asking(tmp_path, EACH, {"t": 0, "value": 60}, {"t": 60, "value": 40}, {"t": 120, "value": 40})
    (tmp_path / "rules.yaml").write_text(OVER_ALERTS, encoding="utf-8")
    settings, files = Settings(rules=tmp_path / "rules.yaml"), [str(tmp_path / "events.ndjson")]
    text = why_not("above", "s", format_ms(T0 + 90_000), files, settings, "zh")
    assert "✗ 事件数不少于 2（n = 1） → 不成立" in text
    text = why_not("untaken", "s", format_ms(T0 + 90_000), files, settings, "en")
    assert "No event of the first step came" in text
