"""``rules explain --why`` and ``--why-not`` over what a system keeps: while it runs, and when it does not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from events.times import format_ms
from fengsui.exits import InputFault
from fengsui.settings import Settings
from fengsui.workbench.why import why
from fengsui.workbench.why_not import why_not
from tests.running import Running, alerts, eventually, running

RULES = """
rules:
  - id: t.each
    title: {zh: 车速过高, en: Too fast}
    feed: vehicle
    where: kind = 'coach'
    when: speed > 100
    hold: 1s
    severity: {red: speed >= 150, orange: speed >= 120, yellow: true}
    summary: {zh: "{subject} {speed:.0f} km/h", en: "{subject} {speed:.0f} km/h"}
  - id: t.window
    title: {zh: 均值超标, en: Mean too high}
    feed: complaint
    window: {sliding: 1h}
    measure: {n: count(*), amount: sum(amount)}
    when: n >= 3 AND amount > 100
    severity: {red: n >= 4, yellow: true}
  - id: t.absent
    title: {zh: 中断, en: Silent}
    feed: hazard
    absent: 1s
    severity: yellow
  - id: t.sequence
    title: {zh: 投诉属实, en: Confirmed}
    by: [subject]
    within: 1d
    sequence:
      - {feed: complaint, where: category = '食品安全'}
      - {feed: inspection, where: result = '不合格'}
    severity: orange
  - id: t.new
    title: {zh: 新设备, en: New device}
    feed: trading
    by: [project_no]
    new: [device]
    severity: blue
  - id: t.over
    title: {zh: 一处多警, en: Several at one place}
    feed: alert
    by: [subject]
    where: type = 'opened'
    window: {sliding: 1h}
    measure: {rules: count(distinct rule)}
    when: rules >= 2
    severity: red
  - id: t.storm
    title: {zh: 证件, en: Permit}
    feed: permit
    when: days_left < 0
    severity: blue
    max_open: 1
"""


@dataclass
class Kept:
    """A system that ran. ``at``: the times of its events, by name."""

    settings: Settings
    running: Running | None
    found: dict[str, dict[str, Any]]
    at: dict[str, int]

    def why(self, rule: str, language: Any = "zh") -> str:
        return why(self.found[rule]["alert"], self.settings, language)

    def why_not(self, rule: str, key: str, name: str, *, later_ms: int = 0, language: Any = "zh") -> str:
        return why_not(rule, key, format_ms(self.at[name] + later_ms), [], self.settings, language)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Runs `fengsui up`, hands in a few events of every kind, and goes on running."""
    directory = tmp_path_factory.mktemp("why")
    (directory / "rules").mkdir()
    (directory / "rules" / "r.yaml").write_text(RULES, encoding="utf-8")
    with running("up", directory / "data", "--rules", directory / "rules") as system, system.client() as client:
        at: dict[str, int] = {}
        number = iter(range(1000))

        def post(name: str, feed: str, *, subject: str | None = "甲", ms: int = 0, **fields: Any) -> None:
            at[name] = time.time_ns() // 1_000_000 + ms
            event = {"id": f"e{next(number)}", "source": "test", "feed": feed, "time": at[name], "subject": subject}
            body = json.dumps({k: v for k, v in {**event, **fields}.items() if v is not None}, ensure_ascii=False)
            answer = client.post("/api/v1/events", content=body.encode())
            assert answer.json()["accepted"] == 1, answer.text

        post("silent", "hazard", text="灭火器过期", level="一般")
        # from before the rules came into force
        for ms, speed in ((-64000, 90), (-63000, 110), (-61000, 125), (-60500, 155)):
            post(f"speed {speed}", "vehicle", kind="coach", speed=speed, ms=ms)
        for place, amount in enumerate((60, 70, 80, 90)):
            post(
                f"complaint {place}",
                "complaint",
                category="食品安全" if place == 0 else "其他",
                amount=amount,
                ms=place - 400,
            )
        post("late", "complaint", category="其他", amount=200, subject="乙", ms=-120_000)
        post("inspection", "inspection", result="不合格")
        post("bid", "trading", project_no="P1", device="D1", subject=None)
        post("permit 1", "permit", permit_no="A", days_left=-1, subject="许一")
        post("permit 2", "permit", permit_no="B", days_left=-1, subject="许二")
        wanted = {"t.each", "t.window", "t.absent", "t.sequence", "t.new", "t.over", "t.storm"}

        def all_there() -> dict[str, dict[str, Any]] | None:
            found = {one["rule"]: one for one in alerts(client, limit=1000)}
            storms = [one for one in alerts(client, rule="t.storm") if "storm" in one["key"]]
            return {**found, "storm": storms[0]} if wanted <= found.keys() and storms else None

        found = eventually(all_there)
        eventually(lambda: len(client.get("/api/v1/events?limit=1000").json()["items"]) >= 13)
        eventually(
            lambda: client.get(f"/api/v1/alerts/{found['t.each']['alert']}").json()["history"][-1]["severity"] == "red"
        )
        yield Kept(Settings(data=system.data), system, found, at)


def test_each(kept: Kept) -> None:
    """The parts of where and when with the event's values, the time it was held, the rung, and each escalation."""
    text = kept.why("t.each")
    assert "规则版本" in text
    assert "与现在的规则相同" in text
    assert "监管对象 = “甲”" in text
    assert "✓ 车辆类型为“coach”（车辆类型 = “coach”） → 成立" in text
    assert "✓ 车速超过 100 km/h（车速 = 125） → 成立" in text
    assert "到这时已连续成立满 1 秒" in text
    assert "✗ 红色（一级）：车速不低于 150 km/h（车速 = 125）" in text
    assert "✓ 橙色（二级）：车速不低于 120 km/h（车速 = 125）" in text
    assert "升为红色（一级）" in text
    assert "✓ 红色（一级）：车速不低于 150 km/h（车速 = 155）" in text
    english = kept.why("t.each", "en")
    assert "✓ the speed is above 100 km/h (speed = 125) → holds" in english


def test_window(kept: Kept) -> None:
    """The measures, the window, and the events that they were made of, personal data covered."""
    text = kept.why("t.window")
    assert "✓ 事件数不少于 3（n = 3） → 成立" in text
    assert "✓ 涉及金额合计超过 100 元（amount = 210） → 成立" in text
    assert "窗口里参与计算的事件 3 个：" in text
    assert "涉及金额 = 80" in text


def test_absent(kept: Kept) -> None:
    """When it was last heard, and by which event."""
    text = kept.why("t.absent")
    assert "之后满 1 秒" in text
    assert "隐患等级 = “一般”" in text


def test_sequence(kept: Kept) -> None:
    """Each step with its event and what its where came to."""
    text = kept.why("t.sequence")
    assert "第 1 步：" in text
    assert "✓ 诉求类别为“食品安全”（诉求类别 = “食品安全”） → 成立" in text
    assert "第 2 步：" in text
    assert "✓ 检查结果为“不合格”（检查结果 = “不合格”） → 成立" in text


def test_new(kept: Kept) -> None:
    """The value that was new."""
    text = kept.why("t.new")
    assert "上传设备特征码是 “D1”：此前 30 天内没有见过。" in text


def test_rule_over_alerts(kept: Kept) -> None:
    """Its events are other alerts."""
    text = kept.why("t.over")
    assert "✓ 不同规则的个数不少于 2（rules = 2） → 成立" in text
    assert re.search(r"窗口里参与计算的事件 [2-9] 个", text)
    assert "规则 = “t.sequence”" in text or "规则 = “t.window”" in text


def test_storm(kept: Kept) -> None:
    """A storm alert says what it stands for; what was folded finds it."""
    text = kept.why("storm")
    assert "这是一条“风暴”预警：本规则同时开着的预警已满 1 条" in text
    assert "许二" in text
    folded = kept.why_not("t.storm", "许二", "permit 2", later_ms=1)
    assert f"并入了“风暴”预警 {kept.found['storm']['alert']}" in folded


def test_why_not_finds_the_open_alert(kept: Kept) -> None:
    """Where an alert was open all the time it is named."""
    text = kept.why_not("t.each", "甲", "speed 155", later_ms=1)
    assert f"其实已经报了：预警 {kept.found['t.each']['alert']}" in text


def test_why_not_from_the_running_system(kept: Kept) -> None:
    """Measures of the engine's own windows, out of the history that the system gives."""
    text = kept.why_not("t.window", "甲", "complaint 1")
    assert "✗ 事件数不少于 3（n = 2） → 不成立" in text
    assert "起生效" in text
    text = kept.why_not("t.window", "subject=甲甲", "complaint 1", language="en")
    assert "The nearest:" in text
    assert "subject=甲" in text


def test_why_not_of_late_events(kept: Kept) -> None:
    """An event that came after its feed had gone on: when it came, and how much later."""
    text = kept.why_not("t.window", "乙", "late")
    assert "事件来得太晚" in text
    assert "晚了 2 分钟" in text


def test_why_not_before_the_rules(kept: Kept) -> None:
    """Before the first rule set there is nothing that could be in force, and no event."""
    text = why_not("t.each", "甲", "2020-01-01T00:00:00+08:00", [], kept.settings, "zh")
    assert "没有任何" in text


def test_what_is_not_there(kept: Kept) -> None:
    """An alert that never was, a rule that never was, a directory that is none: each says what to do."""
    with pytest.raises(InputFault, match="no alert 'ffff'"):
        why("ffff", kept.settings, "zh")
    with pytest.raises(InputFault, match=r"did you mean 't\.each'"):
        kept.why_not("t.eech", "甲", "speed 155")
    with pytest.raises(InputFault, match="no data directory"):
        why("ffff", Settings(data=Path("/nonexistent/nowhere")), "zh")


def test_a_changed_rule_and_a_stopped_system(kept: Kept) -> None:
    """After the rule has changed the alert is explained by the rule of then; and the same from the directory at rest."""
    assert kept.running is not None
    rules = kept.settings.data.parent / "rules" / "r.yaml"
    rules.write_text(RULES.replace("speed > 100", "speed > 140").replace("id: t.new", "id: t.newer"), encoding="utf-8")
    with kept.running.client() as client:
        eventually(lambda: client.get("/api/v1/rules/t.newer").status_code == 200)
        eventually(
            lambda: client.get(f"/api/v1/alerts/{kept.found['t.each']['alert']}").json()["condition"] == "cleared"
        )
    # the store is a moment behind the logs
    eventually(lambda: "是当时的规则；现在是另一版本" in kept.why("t.each"))
    eventually(lambda: "规则已改。" in kept.why("t.each"))
    while_running = kept.why("t.each")
    assert "✓ 车速超过 100 km/h（车速 = 125） → 成立" in while_running
    assert "规则已改。" in while_running
    at_rest = why_not("t.new", "P1", format_ms(time.time_ns() // 1_000_000), [], kept.settings, "zh")
    assert "这条规则已撤下" in at_rest
    early = kept.why_not("t.newer", "P1", "bid")
    assert "那时这条规则还没有生效" in early
    assert kept.running.stop() == 0
    assert kept.why("t.each") == while_running
