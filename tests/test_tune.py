"""Tuning: which numbers there are, the search on known answers, the whole command on events whose answer is known."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fengsui.workbench.search import Point, rounded, search
from fengsui.workbench.tune import chosen_place, places_of
from rules.expressions.numbers import numbers, with_number
from rules.load import load_rules
from rules.variants import text_of, with_text
from tests.test_backtest import command

DAY0_MS = 1_767_225_600_000 - 8 * 3_600_000
DAY_MS = 86_400_000


def curve(rule: Callable[[float], float]) -> Any:
    """A measure for the search: alerts a day of a value by a function; ``calls`` are its replays."""
    calls: list[Sequence[float]] = []

    def measure(values: Sequence[float]) -> list[Point]:
        calls.append(values)
        return [Point(value, (round(rule(value)),) * 10, rule(value)) for value in values]

    measure.calls = calls  # type: ignore[attr-defined]
    return measure


def test_a_known_answer_is_found() -> None:
    """1000/x alerts a day: 20 are had at 50, from far above and from far below, in a handful of replays."""
    for now in (500.0, 5.0, 49.0, 50.0):
        measure = curve(lambda x: 1000 / x if x > 0 else 1e6)
        found = search(measure, now, stricter=1, wanted=20, whole=False)
        assert found.verdict == "found"
        assert found.proposed.per_day <= 20.2
        assert 49.5 <= found.proposed.value <= 55, (now, found.proposed)
        assert len(measure.calls) <= 8
        assert found.now.value == now


def test_the_other_direction_and_whole_numbers() -> None:
    """A threshold that must fall to be stricter; a wrong guess of the direction is noticed; counts stay whole."""
    down = search(curve(lambda x: max(0.0, x)), 40.0, stricter=-1, wanted=10, whole=False)
    assert (down.verdict, down.proposed.value) == ("found", 10.0)
    wrong = search(curve(lambda x: max(0.0, x)), 40.0, stricter=1, wanted=10, whole=False)
    assert wrong.proposed.value == 10.0
    whole = search(curve(lambda x: max(0.0, 100 - 7 * x)), 3.0, stricter=1, wanted=30, whole=True)
    assert whole.proposed.value == 10
    assert all(point.value == round(point.value) for point in whole.points)
    zero = search(curve(lambda x: max(0.0, 8 - x)), 0.0, stricter=1, wanted=4, whole=False)
    assert zero.proposed.value == pytest.approx(4, abs=0.5)


def test_where_no_value_gives_it_that_is_the_verdict() -> None:
    """A leap over it, never as many, never as few; the nearest is proposed all the same."""
    jump = search(curve(lambda x: 50.0 if x < 7.3 else 1.0), 5.0, stricter=1, wanted=10, whole=False)
    assert jump.verdict == "jump"
    assert jump.beyond is not None
    assert (jump.proposed.per_day, jump.beyond.per_day) == (1.0, 50.0)
    assert jump.beyond.value < 7.3 <= jump.proposed.value < 7.5
    few = search(curve(lambda x: max(0.0, 6 - abs(x - 3))), 5.0, stricter=1, wanted=100, whole=False)
    assert (few.verdict, few.proposed.value > 2) == ("few", True)
    same = search(curve(lambda x: 1.0 if x <= 56 else 0.0), 45.0, stricter=1, wanted=5, whole=False)
    assert (same.verdict, same.proposed.value) == ("few", 45.0), "nothing gives more than the present value"
    many = search(curve(lambda _: 9.0), 5.0, stricter=1, wanted=3, whole=False)
    assert many.verdict == "many"


def test_round_numbers() -> None:
    """The fewest digits between two values, and never the looser one itself."""
    assert rounded(74.31, 73.12) == 74
    assert rounded(3.999, 4.0) == 3.999
    assert rounded(1234.0, 1180.0) == 1200
    assert rounded(-5.2, -4.1) == -5
    assert rounded(10.0, 20.0) == 10


RULES = """
rules:
  - id: t.mean
    title: {zh: 均值, en: Mean}
    feed: sensor
    window: {tumbling: 1h}
    measure: {mean: avg(value), n: count(*), cap: max(limit)}
    when: mean > 60 AND n >= 3
    severity: {red: mean > 2 * cap, orange: mean > 80, yellow: true}
"""


def test_the_numbers_of_a_rule() -> None:
    """Those of when and of the ladder, in order; the first that stands alone unless one is named; other texts compile."""
    ruleset = load_rules({"a.yaml": RULES})
    rule = ruleset.rules[0]
    places = places_of(rule)
    assert [(one.part, one.number.text, one.number.direct) for one in places] == [
        ("when", "60", True),
        ("when", "3", True),
        ("red", "2", False),
        ("orange", "80", True),
    ]
    assert chosen_place(rule, places, number=None, position=None).shown == "mean > [60] AND n >= 3"
    assert chosen_place(rule, places, number=80, position=None).part == "orange"
    assert chosen_place(rule, places, number=None, position=3).number.text == "2"
    changed = with_text(rule, "orange", places[3].with_value(72.5), ruleset, called="x")
    assert (changed.id, text_of(changed, "orange"), text_of(changed, "when")) == (
        "x",
        "mean > 72.5",
        rule.when and rule.when.text,
    )
    assert [one.text for one in numbers("NOT x BETWEEN 1 AND 2.5 OR round(y, 2) = 3 OR 'a 7' = s OR z IN (4)")] == [
        "1",
        "2.5",
    ]
    assert with_number("a < 5", numbers("a < 5")[0], "-1") == "a < (-1)"


def events(path: Path) -> None:
    """Ten days; on each, hours with means 1, 2, ... 20 above 50, each at its own station."""
    rng = random.Random(5)
    lines = []
    for day in range(10):
        for step in range(1, 21):
            for minute in (5, 25, 45):
                at_ms = DAY0_MS + day * DAY_MS + (step % 20) * 3_600_000 + minute * 60_000
                event = {
                    "id": f"{day}-{step}-{minute}",
                    "feed": "sensor",
                    "source": "t",
                    "time": at_ms,
                    "subject": f"s{step}",
                }
                lines.append((at_ms, rng.random(), json.dumps({**event, "value": 50 + step, "limit": 400})))
    path.write_text("\n".join(line for *_, line in sorted(lines)) + "\n")


def tuned(cwd: Path, *args: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("rules", "tune", *args, "--json", "-", cwd=cwd).stdout)
    return found


def test_the_command_on_a_known_day(tmp_path: Path) -> None:
    """Hourly means of 51 to 70 a day: for 5 a day the threshold is 65; of the ladder, for 2, it is 68. The file stays as it is."""
    events(tmp_path / "e.ndjson")
    rule = tmp_path / "a.yaml"
    rule.write_text(RULES)
    span = ("--from", "2026-01-01", "--to", "2026-01-11")
    found = tuned(tmp_path, rule, "e.ndjson", "--alerts-per-day", 5, *span)
    assert (found["verdict"], found["proposed"]["value"], found["proposed"]["days"]) == ("found", 65.0, [5] * 10)
    assert found["now"]["per_day"] == 10
    assert found["line"] == {"number": 8, "text": "    when: mean > 65 AND n >= 3"}
    totals = [point["total"] for point in found["curve"]]
    assert totals == sorted(totals, reverse=True)
    rung = tuned(tmp_path, rule, "e.ndjson", "--alerts-per-day", 2, "--number", 80, *span)
    assert (rung["part"], rung["proposed"]["value"], rung["proposed"]["worst"]) == ("orange", 68.0, 2)
    assert rung["line"]["text"].strip() == "severity: {red: mean > 2 * cap, orange: mean > 68, yellow: true}"
    never = tuned(tmp_path, rule, "e.ndjson", "--alerts-per-day", 50, *span)
    assert never["verdict"] == "few"
    assert never["proposed"]["total"] == 200
    told = command(
        "rules", "tune", rule, "e.ndjson", "--alerts-per-day", 5, *span, "--html", tmp_path / "t.html", cwd=tmp_path
    ).stdout
    assert "proposed: 65, which gives 5.00 a day (median 5, worst day 5)" in told
    assert "建议" in (tmp_path / "t.html").read_text()
    assert rule.read_text() == RULES
    refused = command("rules", "tune", rule, "e.ndjson", "--alerts-per-day", 5, "--number", 7, cwd=tmp_path, code=1)
    assert "has no number 7; there are 1: when mean > [60]" in refused.stderr
