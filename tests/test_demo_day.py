"""The generated day: the same for the same seed, shaped as the catalogue says, with its stories in it."""

from __future__ import annotations

import json
from collections import Counter
from itertools import takewhile
from typing import Any

import pytest

from events.feeds import FeedCatalog
from fengsui.demo.clock import DemoClock
from fengsui.demo.clockwork import clock_min, local_text, minute_of_day
from fengsui.demo.credit_code import credit_check, credit_code, organization_check
from fengsui.demo.day import Day
from fengsui.demo.filings import Filings
from fengsui.demo.player import DAY_MS, STEP_MS, Plan, Player
from fengsui.demo.province import CANTEEN, CREEPING_TANK, NIGHT_OUTFALL, SILENT_STATION, Province
from fengsui.demo.readings import Readings
from fengsui.demo.talk import Talk
from streams.log.errors import LogFull

MIDNIGHT_MS = 1_772_380_800_000
HOUR_MS = 3_600_000


def day(seed: int, from_ms: int, to_ms: int) -> list[bytes]:
    return [line for _, line in takewhile(lambda pair: pair[0] < to_ms, Day(seed).lines(from_ms))]


def parsed(lines: list[bytes]) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:  # planted
            continue
    return found


def minutes(start: str, end: str) -> range:
    return range(MIDNIGHT_MS // 60_000 + clock_min(start), MIDNIGHT_MS // 60_000 + clock_min(end))


def readings(subject: str, metric: str, start: str, end: str) -> list[float]:
    every = Readings(Province.build(1), 1)
    return [
        event["value"]
        for minute in minutes(start, end)
        for _, event in every.minute(minute)
        if event["subject"] == subject and event["metric"] == metric and "value" in event
    ]


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two runs of one seed agree byte for byte, two seeds do not."""
    assert day(7, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS) == day(7, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS)
    assert day(7, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS) != day(8, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS)


def test_starting_later_gives_the_same_events() -> None:
    """Where one begins to listen changes nothing in what is heard from there on."""
    whole = day(3, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS)
    later = day(3, MIDNIGHT_MS + HOUR_MS // 2, MIDNIGHT_MS + HOUR_MS)
    assert whole[-len(later) :] == later


def test_lines_arrive_in_order() -> None:
    """Arrivals never go back, and start where they were asked to."""
    arrivals = [at for at, _ in takewhile(lambda pair: pair[0] < MIDNIGHT_MS + HOUR_MS, Day(1).lines(MIDNIGHT_MS))]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= MIDNIGHT_MS


def test_events_fit_the_catalogue() -> None:
    """Every field but the undeclared name is declared, with its type; nearly no line is broken."""
    catalog = FeedCatalog.builtin()
    types = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "time": str}
    lines = day(1, MIDNIGHT_MS + 10 * HOUR_MS, MIDNIGHT_MS + 11 * HOUR_MS)
    events = [event for event in parsed(lines) if event["feed"] in catalog.feeds and not event["id"].startswith("bad-")]
    assert len(lines) - len(events) < 60
    assert len({event["feed"] for event in events}) >= 12
    for event in events:
        for name, value in event.items():
            kind = catalog.field_type(event["feed"], name)
            assert kind is not None or name == "name", (event["feed"], name)
            if kind is not None:
                assert isinstance(value, types[kind]), (event["feed"], name, value)


def test_ordinary_trouble_is_there() -> None:
    """An hour has repeats, late events and lines that are none."""
    lines = day(1, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS)
    ids = Counter((event.get("source"), event.get("id")) for event in parsed(lines))
    assert any(count == 2 for count in ids.values())
    assert len(parsed(lines)) < len(lines) or any("time" not in event for event in parsed(lines))
    newest, behind = "", 0
    for event in parsed(lines):
        behind += bool(event.get("time", newest) < newest[:17])
        newest = max(newest, event.get("time", ""))
    assert behind > 5


def test_the_plant_pollutes_at_night_only() -> None:
    """COD lies over the permit limit between 23:00 and 04:00, and under it by day."""
    night = readings(NIGHT_OUTFALL, "w01018", "00:30", "01:30")
    by_day = readings(NIGHT_OUTFALL, "w01018", "12:00", "13:00")
    assert len(night) > 45
    assert min(night) > 150
    assert sum(by_day) / len(by_day) < 80


def test_the_station_falls_silent() -> None:
    """Nothing comes between 09:10 and 13:40, and something before and after."""
    assert readings(SILENT_STATION, "a21026", "08:30", "09:00")
    assert not readings(SILENT_STATION, "a21026", "09:20", "13:30")
    assert readings(SILENT_STATION, "a21026", "13:50", "14:10")


def test_the_tank_creeps_up() -> None:
    """From 62 % to 97 % before somebody closes the valve."""
    levels = readings(CREEPING_TANK, "tank_level", "13:00", "16:44")
    assert levels[0] == pytest.approx(62, abs=1)
    assert max(levels) == pytest.approx(97, abs=1)
    assert levels[60] < levels[120] < levels[180]


def test_the_canteen_makes_children_ill() -> None:
    """A cluster of complaints at noon about one canteen, then a failed inspection and a failed sample."""
    canteen = next(firm for firm in Province.build(1).firms if firm.name == CANTEEN)
    filings = Filings(Province.build(1), 1)
    filed = [event for minute in minutes("11:00", "15:02") for _, event in filings.minute(minute)]
    events = [event for event in filed if event["subject"] == canteen.code]
    complaints = [e for e in events if e["feed"] == "complaint" and e["category"] == "食品安全"]
    assert len({e["id"] for e in complaints}) >= 12
    assert any(e["feed"] == "inspection" and e["result"] == "不合格" for e in events)
    assert any(e["feed"] == "sampling" and e["value"] > e["limit"] for e in events)


def test_the_rumour_climbs_the_list() -> None:
    """It enters the list after 18:00 and leads it by 20:00."""
    talk = Talk(1)
    listed = [event for minute in minutes("18:00", "20:01") for _, event in talk.minute(minute)]
    ranks = [event["rank"] for event in listed if "自来水" in event["title"]]
    assert ranks[0] > 15
    assert ranks[-1] == 1


def test_credit_codes_are_valid() -> None:
    """Check characters as GB 32100 and GB 11714 have them, for codes of the standard's own form."""
    code = credit_code("530102", 12_345)
    assert len(code) == 18
    assert credit_check(code[:17]) == code[17]
    assert organization_check(code[8:16]) == code[16]
    assert len({firm.code for firm in Province.build(2).firms}) == len(Province.build(2).firms)


def test_minutes_of_the_day_are_local() -> None:
    """Midnight in UTC+8."""
    assert minute_of_day(MIDNIGHT_MS // 60_000) == 0
    assert local_text(MIDNIGHT_MS) == "2026-03-02T00:00:00.000+08:00"


def test_a_plan_ends_when_it_has_caught_up() -> None:
    """At 60 times the speed, 24 minutes of watching show a day, and it ends now; three hours of it are there at once."""
    plan = Plan.make(MIDNIGHT_MS, 60)
    caught_up_ms = (MIDNIGHT_MS - plan.paced_ms) * 60 // 59 // 60
    assert abs(caught_up_ms - 24 * 60_000) < 60_000
    assert plan.paced_ms - plan.start_ms == 3 * HOUR_MS


def test_a_plan_at_real_speed_begins_with_yesterday() -> None:
    """Nothing to catch up: the day before is poured in, then it is live."""
    plan = Plan.make(MIDNIGHT_MS, 1)
    assert plan.paced_ms == MIDNIGHT_MS
    assert plan.start_ms == MIDNIGHT_MS - DAY_MS


def test_a_plan_goes_on_where_it_stopped() -> None:
    """An earlier run's day is not played over again; its last step is."""
    plan = Plan.make(MIDNIGHT_MS, 60, continue_ms=MIDNIGHT_MS - HOUR_MS)
    assert plan.start_ms == MIDNIGHT_MS - HOUR_MS - STEP_MS
    assert plan.paced_ms == MIDNIGHT_MS - HOUR_MS


class Receipt:
    accepted, duplicate, rejected_count = 1, 0, 0


def test_the_clock_never_passes_the_wall_nor_goes_back() -> None:
    """It follows the player until it has caught up, then the wall clock."""
    wall = MIDNIGHT_MS
    clock = DemoClock(MIDNIGHT_MS - 1000, lambda: wall)
    assert clock() == MIDNIGHT_MS - 1000
    assert clock.move_to(MIDNIGHT_MS - 500) == MIDNIGHT_MS - 500
    assert clock.move_to(MIDNIGHT_MS - 800) == MIDNIGHT_MS - 500
    assert not clock.live
    assert clock.move_to(MIDNIGHT_MS + 500) == MIDNIGHT_MS
    wall += 2000
    assert clock() == wall


def test_the_player_posts_everything_once_and_in_order() -> None:
    """What it posts, over a door that is shut now and then, is the day itself; the clock stands at or after each line."""
    start_ms = MIDNIGHT_MS
    posted: list[bytes] = []
    clock = DemoClock(start_ms, lambda: MIDNIGHT_MS + 10 * 60_000)
    calls = 0

    def accept(body: bytes) -> Receipt:
        nonlocal calls
        calls += 1
        if calls % 5 == 0:
            raise LogFull("full", retry_after_s=0.001)
        posted.extend(body.splitlines())
        if clock() >= MIDNIGHT_MS + 10 * 60_000:
            player._halt.set()
        return Receipt()

    plan = Plan(start_ms, MIDNIGHT_MS + 10 * 60_000, 60)
    player = Player(Day(4), plan, clock, accept, monotonic_s=lambda: 0.0)
    player.run()
    assert posted == day(4, start_ms, MIDNIGHT_MS + 10 * 60_000 + 1)
