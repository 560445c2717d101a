"""The packs that come with the program: they load, say where their thresholds come from, and fire at those thresholds."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl
import pytest

from events.decode import Decoder
from events.record import End, EventBatch
from events.times import format_ms, parse_instant
from rules.load import load_rules, packs_directory
from rules.model import Rule, RuleSet
from rules.summary import placeholders
from streams.engine import Engine

#: A Thursday noon in UTC+8.
NOON_MS = parse_instant("2026-01-01T12:00:00+08:00")
MINUTE_MS = 60_000
DAY_MIN = 1440


@pytest.fixture(scope="module")
def packs() -> RuleSet:
    return load_rules(packs_directory())


def test_the_packs_cover_the_seven_fields(packs):
    """Every field of supervision has rules, some are over alerts of all fields, and the usual kinds and windows are used."""
    counts = {domain: sum(rule.domain == domain for rule in packs.rules) for domain in {r.domain for r in packs.rules}}
    assert counts.pop("governance") == sum(rule.level > 0 for rule in packs.rules)
    assert set(counts) == {"environment", "work-safety", "market", "opinion", "credit", "transport", "product"}
    assert min(counts.values()) >= 5
    assert len(packs.rules) >= 60
    assert {rule.kind for rule in packs.rules} == {"each", "window", "absent", "sequence"}
    assert {rule.window.shape for rule in packs.rules if rule.window} == {"tumbling", "hopping", "sliding"}


def test_every_rule_says_what_and_why(packs):
    """Two languages that differ, a source, and an id that begins with its pack's name."""
    prefixes = {"environment": "env", "work-safety": "safety"}
    for rule in packs.rules:
        folder = rule.place.file.split("/")[0]
        assert rule.domain == folder
        assert rule.id.startswith(prefixes.get(folder, folder) + "."), rule.id
        assert rule.title["zh"] != rule.title["en"], rule.id
        assert rule.summary["zh"] != rule.summary["en"], rule.id
        assert rule.source, rule.id
        names = [{p.name for p in placeholders(text)} for text in rule.summary.values()]
        assert names[0], rule.id
        assert names[0] == names[1] or rule.id == "env.noise.night", rule.id


def _frame(packs: RuleSet, events: list[dict[str, Any]]) -> pl.DataFrame:
    lines = []
    for number, event in enumerate(events):
        minute = event.pop("minute", 0)
        whole = {
            "id": str(number),
            "source": "test",
            "subject": "S",
            "region": "530100",
            "time": format_ms(NOON_MS + round(minute * MINUTE_MS)),
            **event,
        }
        lines.append(msgspec.json.encode(whole))
    decoded = Decoder(packs.catalog).decode(b"\n".join(lines))
    assert not decoded.rejected, decoded.rejected
    return decoded.frame


def run(packs: RuleSet, rule_id: str, events: list[dict[str, Any]], *, until_min: float | None = None) -> list[str]:
    """``type severity`` of every transition that one rule makes of the events."""
    rule: Rule = next(rule for rule in packs.rules if rule.id == rule_id)
    engine = Engine(RuleSet(rules=(rule,), catalog=packs.catalog, bundle=packs.bundle, version="test"))
    frame = _frame(packs, [dict(event) for event in events]).sort("time", maintain_order=True)
    batch = EventBatch(frame=frame, pos=pl.Series(range(1, len(frame) + 1), dtype=pl.Int64))
    until_ms = None if until_min is None else NOON_MS + round(until_min * MINUTE_MS)
    made = [*engine.step([batch]).transitions, *engine.step([End(pos=len(frame) + 1, at_ms=until_ms)]).transitions]
    for transition in made:
        assert "—" not in transition.summary["zh"], transition.summary
    return [f"{t.type} {t.severity}" for t in made]


def sensor(
    metric: str, values: list[float], *, start: int = 0, every: float = 1, **fields: Any
) -> list[dict[str, Any]]:
    """Readings of one metric, one a minute."""
    base = {"feed": "sensor", "metric": metric, "quality": "N", "interval": "minute", **fields}
    return [{**base, "value": value, "minute": start + i * every} for i, value in enumerate(values)]


def one(feed: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"feed": feed, **fields}]


GAS = "safety.gas.alarm"
COD_HOUR = "env.water.cod-hour"
NEXT_HOUR = 65


@pytest.mark.parametrize(
    ("rule", "events", "expected"),
    [
        # GB/T 50493-2019: 25 and 50 %LEL
        (GAS, sensor("gas_lel", [24.9, 24.9]), []),
        (GAS, sensor("gas_lel", [25.0, 22, 19.9]), ["opened orange", "closed orange"]),
        (GAS, sensor("gas_lel", [25.0, 50.0]), ["opened orange", "escalated red"]),
        (GAS, sensor("gas_lel", [80.0], quality="C"), []),
        # AQ 1029: 1.0 and 1.5 % methane
        ("safety.mine.methane", sensor("ch4", [0.99]), []),
        ("safety.mine.methane", sensor("ch4", [1.0, 1.5, 0.9]), ["opened orange", "escalated red", "closed red"]),
        # an hour's mean needs 45 valid minutes
        (COD_HOUR, sensor("w01018", [150.0] * 44, limit=100), []),
        (COD_HOUR, sensor("w01018", [100.0] * 60, limit=100), []),
        (COD_HOUR, sensor("w01018", [101.0] * 60, limit=100), ["opened yellow"]),
        (COD_HOUR, sensor("w01018", [151.0] * 45, limit=100), ["opened orange"]),
        (COD_HOUR, sensor("w01018", [201.0] * 60, limit=100), ["opened red"]),
        (COD_HOUR, sensor("w01018", [500.0] * 60, limit=100, quality="M"), []),
        ("env.stack.so2-hour", sensor("a21026", [301.0] * 50, limit=300, unit="mg/m3"), ["opened yellow"]),
        ("env.stack.nox-hour", sensor("a21002", [500.0] * 50, limit=300, unit="mg/m3"), ["opened orange"]),
        ("env.stack.dust-hour", sensor("a34013", [29.0] * 50, limit=30, unit="mg/m3"), []),
        # pH 6 to 9, for five minutes
        ("env.water.ph", sensor("w01001", [6.0, 9.0] * 5), []),
        ("env.water.ph", sensor("w01001", [5.9] * 5), []),
        ("env.water.ph", sensor("w01001", [5.9] * 6), ["opened yellow"]),
        ("env.water.ph", sensor("w01001", [9.6] * 6 + [8.9, 8.7]), ["opened orange", "closed orange"]),
        # HJ 633-2026: 115, 150, 250 ug/m3
        ("env.air.pm25-hour", sensor("a34004", [115.0] * 60, unit="ug/m3"), []),
        ("env.air.pm25-hour", sensor("a34004", [116.0] * 45, unit="ug/m3"), ["opened yellow"]),
        ("env.air.pm25-hour", sensor("a34004", [251.0], unit="ug/m3", interval="hour"), ["opened red"]),
        ("env.air.o3-hour", sensor("a05024", [201.0], unit="ug/m3", interval="hour"), ["opened blue"]),
        # art. 62(7): four hours
        ("transport.fatigue", one("vehicle", driving_h=4.0), []),
        ("transport.fatigue", one("vehicle", driving_h=4.1), ["opened orange"]),
        ("transport.fatigue", one("vehicle", driving_h=5.1), ["opened red"]),
        # 特种设备安全法 art. 40
        (
            "safety.equipment.overdue",
            one("equipment", code="T", kind="电梯", company="C", status="在用", expires="2025-12-31T00:00:00+08:00"),
            ["opened orange"],
        ),
        (
            "safety.equipment.expiring",
            one("equipment", code="T", kind="电梯", company="C", status="在用", expires="2026-01-30T00:00:00+08:00"),
            ["opened blue"],
        ),
        # catering grades: below 6.0, or two key items
        (
            "market.food.failed-check",
            one("inspection", result="合格", score=6.0, key_violations=1, text="无"),
            [],
        ),
        (
            "market.food.failed-check",
            one("inspection", result="责令改正", score=5.9, key_violations=0, text="台账不全"),
            ["opened orange"],
        ),
        # 招标投标法 art. 28
        ("credit.trading.few-bidders", one("trading", stage="开标", project_no="P", name="N", bidders=3), []),
        (
            "credit.trading.few-bidders",
            one("trading", stage="开标", project_no="P", name="N", bidders=2),
            ["opened yellow"],
        ),
    ],
)
def test_a_threshold(packs, rule, events, expected):
    """At the limit nothing, above it the severity of the rule."""
    made = run(packs, rule, events, until_min=NEXT_HOUR if "hour" in rule else None)
    assert [line for line in made if not line.startswith("updated")] == expected


@pytest.mark.parametrize(
    ("road", "speed", "expected"),
    [
        ("高速公路", 80, []),
        ("高速公路", 81, ["opened orange"]),
        ("高速公路", 96, ["opened red"]),
        ("国道", 60, []),
        ("国道", 61, ["opened orange"]),
        ("国道", 72, ["opened red"]),
    ],
)
def test_dangerous_goods_have_limits_of_their_own(packs, road, speed, expected):
    """80 km/h on expressways, 60 elsewhere (art. 46), for two minutes."""
    events = [
        {"feed": "vehicle", "kind": "dangerous_goods", "cargo": "汽油", "road": road, "speed": speed, "minute": minute}
        for minute in range(3)
    ]
    assert run(packs, "transport.goods.speed", events) == expected
    assert run(packs, "transport.goods.speed", events[:2]) == []


def test_a_daily_mean_needs_twenty_hours(packs):
    """Minutes and hourly records count alike; the day is that of the zone."""
    midnight = -12 * 60
    hourly = {"feed": "sensor", "metric": "a34004", "quality": "N", "interval": "hour", "unit": "ug/m3", "value": 61.0}
    for hours, expected in ((19, []), (20, ["opened blue"])):
        events = [{**hourly, "minute": midnight + 60 * hour} for hour in range(hours)]
        assert run(packs, "env.air.pm25-day", events, until_min=12 * 60 + 1) == expected


def test_a_silent_station_is_found_and_closes_when_it_reports(packs):
    """After thirty minutes without a reading, not at them."""
    events = sensor("a21026", [50.0] * 5)
    assert run(packs, "env.monitor.silent", events, until_min=34) == []
    assert run(packs, "env.monitor.silent", events, until_min=35) == ["opened yellow"]
    again = [*events, *sensor("a21026", [50.0], start=60)]
    assert run(packs, "env.monitor.silent", again) == ["opened yellow", "closed yellow"]


def test_complaints_about_one_canteen_escalate(packs):
    """Three yellow, six orange, ten red; a clean inspection between complaint and failure breaks the chain."""
    calls = [{"feed": "complaint", "category": "食品安全", "text": "腹泻", "minute": i} for i in range(10)]
    made = run(packs, "market.food.complaints", calls)
    assert [line for line in made if not line.startswith("updated")] == [
        "opened yellow",
        "escalated orange",
        "escalated red",
    ]
    assert run(packs, "market.food.illness", calls)[:2] == ["opened orange", "escalated red"]
    failed = {"feed": "inspection", "result": "不合格", "minute": 100}
    passed = {"feed": "inspection", "result": "合格", "minute": 50}
    assert run(packs, "market.food.complaint-confirmed", [calls[0], failed]) == ["opened orange"]
    assert run(packs, "market.food.complaint-confirmed", [calls[0], passed, failed]) == []


def test_a_major_hazard_that_nobody_closes(packs):
    """Fifteen days without a closing report."""
    found = {"feed": "hazard", "category": "消防", "level": "重大隐患", "status": "待整改", "text": "t"}
    rule = "safety.hazard.not-fixed"
    assert run(packs, rule, [found], until_min=15 * DAY_MIN + 1) == ["opened red"]
    assert run(packs, rule, [found, {**found, "status": "已整改", "minute": DAY_MIN}], until_min=20 * DAY_MIN) == []


def test_a_tank_that_creeps_up_is_told_before_its_alarm(packs):
    """Four percent in half an hour, fifteen percent below the high alarm."""
    creeping = sensor("tank_level", [60 + 0.2 * i for i in range(60)], limit=85)
    made = run(packs, "safety.tank.creep", creeping)
    assert made[0] == "opened yellow"
    assert run(packs, "safety.tank.creep", sensor("tank_level", [72.0] * 60, limit=85)) == []


def test_a_failed_batch_that_is_sold(packs):
    """Unless it was recalled."""
    failed = {"feed": "sampling", "batch": "B1", "result": "不合格"}
    recalled = {"feed": "trace", "batch": "B1", "action": "召回", "minute": 5}
    sold = {"feed": "trace", "batch": "B1", "action": "销售", "minute": 10}
    assert run(packs, "product.failed-then-sold", [failed, sold]) == ["opened orange"]
    assert run(packs, "product.failed-then-sold", [failed, recalled, sold]) == []
    assert run(packs, "product.recalled-sold", [failed, recalled, sold]) == ["opened red"]
