"""Real recordings through the whole engine, against a plain computation over the same lines."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events.times import parse_instant
from rules.load import load_rules
from streams.replay import Summary, replay

REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the recordings stand beside a development checkout only")

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def rule(body: str) -> str:
    """A rule file of one rule; ``body`` is indented as under ``- ``."""
    head = '  - title: {zh: 试验, en: Trial}\n    domain: environment\n    summary: {zh: "试验", en: "trial"}\n'
    return "rules:\n" + head + "".join(f"    {line}\n" for line in body.strip().splitlines())


def run(file: str, *bodies: str) -> tuple[list[dict[str, Any]], Summary]:
    rules = load_rules({f"{i}.yaml": rule(body) for i, body in enumerate(bodies)})
    out = io.BytesIO()
    summary = replay([REAL / file], rules, out)
    return [json.loads(line) for line in out.getvalue().splitlines()], summary


def lines(file: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with gzip.open(REAL / file, "rt", encoding="utf-8") as stream:
        for line in stream:
            event = json.loads(line)
            yield parse_instant(event["time"]), event


def openings(transitions: list[dict[str, Any]], rule_id: str) -> list[tuple[str, str]]:
    """(key, at) of every alert that the rule opened."""
    return sorted(
        (json.dumps(t["key"], sort_keys=True), t["at"])
        for t in transitions
        if t["type"] == "opened" and t["rule"] == rule_id
    )


def rises(states: dict[str, list[bool]]) -> int:
    """How often each key's evaluations turned from false (or nothing) to true."""
    return sum(
        1
        for marks in states.values()
        for before, now in zip([False, *marks], marks, strict=False)
        if now and not before
    )


def test_every_line_has_a_fate() -> None:
    """All recordings are accepted whole: nothing rejected, repeated or late."""
    counts = {"sensor-air": 316_224, "complaints": 3_924, "inspections": 14_232, "opinion": 136_958}
    for name, expected in counts.items():
        _, summary = run(f"{name}.ndjson.gz", "id: t\nfeed: sensor\nwhen: value > 1e12\nseverity: blue")
        assert (summary.accepted, summary.duplicate, summary.late, dict(summary.rejected)) == (expected, 0, 0, {})


def test_water_station() -> None:
    """Hourly mean turbidity, sliding extremes of chlorine, and silence, on 628,047 readings of a drinking-water station."""
    transitions, summary = run(
        "sensor-water.ndjson.gz",
        """
id: water.turbidity
feed: sensor
where: metric = 'Trueb' AND quality = 'N'
window: {tumbling: 1h}
measure: {mean: avg(value), n: count(value)}
when: mean > 0.02 AND n >= 45
severity: yellow
""",
        """
id: water.chlorine
feed: sensor
where: metric = 'Cl' AND quality = 'N'
window: {sliding: 30m}
measure: {low: min(value), high: max(value)}
when: high - low > 0.03
severity: orange
""",
        """
id: water.silent
feed: sensor
where: quality = 'N'
by: [subject, metric]
absent: 10m
severity: blue
""",
    )
    assert summary.accepted == 628_047
    means: dict[int, list[float]] = defaultdict(list)
    chlorine: list[tuple[int, float]] = []
    last: dict[str, int] = {}
    gaps = 0
    end = 0
    for time, event in lines("sensor-water.ndjson.gz"):
        end = time
        if event["quality"] != "N":
            continue
        if time > last.get(event["metric"], time) + 10 * MINUTE:
            gaps += 1
        last[event["metric"]] = time
        if event["metric"] == "Trueb":
            means[time // HOUR].append(event["value"])
        elif event["metric"] == "Cl":
            chlorine.append((time, event["value"]))
    gaps += sum(1 for time in last.values() if end > time + 10 * MINUTE)
    hours = [h for h in sorted(means) if (h + 1) * HOUR <= end]
    marks, previous = [], None
    for hour in hours:
        if previous is not None and hour > previous + 1:
            marks.append(False)  # an hour without a reading: cleared by time
        marks.append(len(means[hour]) >= 45 and sum(means[hour]) / len(means[hour]) > 0.02)
        previous = hour
    assert len(openings(transitions, "water.turbidity")) == rises({"": marks}) > 0
    spread, start, last_true, opened = False, 0, None, 0
    for i, (time, _) in enumerate(chlorine):
        while chlorine[start][0] <= time - 30 * MINUTE:
            start += 1
        values = [value for _, value in chlorine[start : i + 1]]
        if last_true is not None and time > last_true + 30 * MINUTE:
            spread = False
        now = max(values) - min(values) > 0.03
        opened += now and not spread
        spread, last_true = now, time if now else last_true
    assert len(openings(transitions, "water.chlorine")) == opened > 0
    assert len(openings(transitions, "water.silent")) == gaps > 0


def test_air_stations() -> None:
    """PM2.5 reading by reading, and daily means from local midnight with at least 20 hours, at six Beijing stations."""
    transitions, _ = run(
        "sensor-air.ndjson.gz",
        """
id: air.pm25
feed: sensor
where: metric = 'PM2.5' AND quality = 'N'
when: value > 250
severity: {red: value > 500, orange: true}
""",
        """
id: air.pm10.day
feed: sensor
where: metric = 'PM10' AND quality = 'N'
window: {tumbling: 1d}
measure: {mean: avg(value), n: count(value)}
when: mean > 120 AND n >= 20
severity: yellow
""",
    )
    hourly: dict[str, list[bool]] = defaultdict(list)
    escalations = 0
    worst: dict[str, bool] = {}
    days: dict[tuple[str, int], list[float]] = defaultdict(list)
    end = 0
    for time, event in lines("sensor-air.ndjson.gz"):
        end = time
        if event["quality"] != "N":
            continue
        if event["metric"] == "PM2.5":
            station, value = event["subject"], event["value"]
            was = bool(hourly[station] and hourly[station][-1])
            hourly[station].append(value > 250)
            if value > 250:
                escalations += was and value > 500 and not worst[station]
                worst[station] = (was and worst[station]) or value > 500
        elif event["metric"] == "PM10":
            days[event["subject"], (time + 8 * HOUR) // DAY].append(event["value"])
    assert len(openings(transitions, "air.pm25")) == rises(hourly) > 0
    assert sum(1 for t in transitions if t["rule"] == "air.pm25" and t["type"] == "escalated") == escalations
    marks: dict[str, list[bool]] = defaultdict(list)
    for station, day in sorted(days):
        if ((day + 1) * DAY - 8 * HOUR) > end:
            continue
        values = days[station, day]
        if (station, day - 1) not in days:
            marks[station].append(False)
        marks[station].append(len(values) >= 20 and sum(values) / len(values) > 120)
    assert len(openings(transitions, "air.pm10.day")) == rises(marks) > 0


def test_complaints() -> None:
    """Six hours with at least 20 complaints of one category, looked at every hour."""
    transitions, _ = run(
        "complaints.ndjson.gz",
        """
id: complaints.surge
feed: complaint
by: [category]
window: {hopping: 6h, every: 1h}
measure: {n: count(*)}
when: n >= 20
severity: orange
""",
    )
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    end = 0
    for time, event in lines("complaints.ndjson.gz"):
        end = time
        for k in range(6):  # ends of the six windows that hold it
            counts[event["category"]][time // HOUR + 1 + k] += 1
    opened = 0
    for ends in counts.values():
        true = sorted(e for e, n in ends.items() if n >= 20 and e * HOUR <= end)
        # a window with fewer events, or 6 h without a true one, lies between two openings
        opened += sum(1 for i, e in enumerate(true) if i == 0 or true[i - 1] != e - 1)
    assert len(openings(transitions, "complaints.surge")) == opened > 0


def test_inspections() -> None:
    """A poor score, and two poor scores at one place within half a year with no good one in between."""
    transitions, _ = run(
        "inspections.ndjson.gz",
        "id: inspections.poor\nfeed: inspection\nwhere: kind = 'routine'\nwhen: score < 70\nseverity: orange",
        """
id: inspections.again
sequence:
  - {feed: inspection, where: score < 75}
  - {unless: {feed: inspection, where: score >= 90}}
  - {feed: inspection, where: score < 75}
within: 180d
severity: red
""",
    )
    poor: dict[str, list[bool]] = defaultdict(list)
    started: dict[str, int] = {}
    again = set()
    for time, event in lines("inspections.ndjson.gz"):
        place, score = event["subject"], event.get("score")
        if score is None:
            continue
        if event["kind"] == "routine":
            poor[place].append(score < 70)
        if place in started and time > started[place] + 180 * DAY:
            del started[place]
        if place in started:
            if score >= 90:
                del started[place]
            elif score < 75:
                del started[place]
                again.add((place, time))
        elif score < 75:
            started[place] = time
    assert len(openings(transitions, "inspections.poor")) == rises(poor) > 0
    assert len(openings(transitions, "inspections.again")) == len(again) > 0


def test_opinion() -> None:
    """A title that stands on the day's list for the third time within a week."""
    transitions, _ = run(
        "opinion.ndjson.gz",
        """
id: opinion.stays
feed: opinion
by: [title]
window: {sliding: 7d}
measure: {n: count(*)}
when: n >= 3
severity: yellow
""",
    )
    seen: dict[str, list[int]] = defaultdict(list)
    state: dict[str, tuple[bool, int]] = {}
    opened = 0
    for time, event in lines("opinion.ndjson.gz"):
        title = event["title"]
        seen[title] = [t for t in seen[title] if t > time - 7 * DAY] + [time]
        was, last_true = state.get(title, (False, 0))
        if was and time > last_true + 7 * DAY:
            was = False
        now = len(seen[title]) >= 3
        opened += now and not was
        state[title] = (now, time if now else last_true)
    assert len(openings(transitions, "opinion.stays")) == opened > 0
