"""Storms: what a rule opens beyond its bounds is folded into one alert, and counted."""

from __future__ import annotations

from streams.engine import Engine
from tests.timeline import Timeline, told

RULE = "id: r\nfeed: sensor\nwhen: value > 10\nseverity: {red: value > 100, orange: true}\nupdate_every: 0s\n"


def readings(line: Timeline, *rows: tuple[float, str, float]) -> None:
    line.events([{"t": t, "subject": subject, "value": value} for t, subject, value in rows])


def storms(line: Timeline) -> list[tuple[str, float, int, int]]:
    """(type, seconds, folded, still open) of the storm's transitions."""
    made = [t for t in line.made if "storm" in t.key]
    return [
        (kind, at, t.measures["folded"], t.measures["open"]) for t, (kind, at) in zip(made, told(made), strict=True)
    ]


def test_openings_beyond_max_open_are_folded_and_counted():
    """The storm opens with the first, grows, escalates, and closes with the last folded episode."""
    line = Timeline(RULE + "max_open: 2")
    readings(line, (0, "a", 11), (1, "b", 11), (2, "c", 11), (3, "d", 111), (4, "c", 1), (5, "d", 1))
    assert [t.key["subject"] for t in line.made if "subject" in t.key] == ["a", "b"]
    assert storms(line) == [("opened", 2, 1, 1), ("escalated", 3, 2, 2), ("updated", 4, 2, 1), ("closed", 5, 2, 0)]
    assert [t.severity for t in line.made if "storm" in t.key] == ["orange", "red", "red", "red"]
    assert line.made[-1].measures["keys"] == ['{"subject":"c"}', '{"subject":"d"}']


def test_room_that_is_free_again_is_used():
    """A folded episode stays folded, but the next opening has an alert of its own."""
    line = Timeline(RULE + "max_open: 1")
    readings(line, (0, "a", 11), (1, "b", 11), (2, "a", 1), (3, "b", 12), (4, "c", 11))
    assert [t.key["subject"] for t in line.made if t.type == "opened" and "subject" in t.key] == ["a", "c"]
    assert storms(line) == [("opened", 1, 1, 1)]


def test_what_is_folded_at_one_instant_is_told_at_once():
    """A window that ends for a thousand keys opens one storm, with its whole count."""
    line = Timeline(
        "id: r\nfeed: sensor\nwindow: {tumbling: 10s}\nmeasure: {n: count(*)}\nwhen: n > 0\nseverity: red\nmax_open: 10"
    )
    readings(line, *[(1, f"s{i}", 1) for i in range(1000)])
    line.tick(100)
    assert storms(line) == [("opened", 10, 990, 990), ("closed", 20, 990, 0)]


def test_a_count_is_never_older_than_update_every():
    """Where a burst stops, what is not told yet is told when the next update may come; at the end of a replay at once."""
    slow = RULE.replace("update_every: 0s", "update_every: 30s") + "max_open: 1"
    line = Timeline(slow)
    readings(line, (0, "a", 11), *[(1 + i / 100, f"s{i}", 11) for i in range(38)])
    told = [folded for _, _, folded, _ in storms(line)]
    assert told == [1, 2, 4, 8, 16, 32]  # each time it has doubled
    line.tick(1.31 + 30 + 65)
    assert len(storms(line)) == 6  # the watermark has not passed it
    line.tick(1.31 + 30 + 65.001)
    assert storms(line)[6:] == [("updated", 31.31, 38, 38)]
    line.tick(1000)
    assert len(storms(line)) == 7
    line = Timeline(slow)
    readings(line, (0, "a", 11), (1, "b", 11), (2, "c", 11), (3, "d", 11))
    line.end()
    assert storms(line) == [("opened", 1, 1, 1), ("updated", 2, 2, 2), ("updated", 3, 3, 3)]


def test_openings_beyond_max_rate_are_folded():
    """No more than so many within the minute up to an opening."""
    line = Timeline(RULE + "max_rate: 2")
    readings(line, (0, "a", 11), (1, "b", 11), (59.999, "c", 11), (60, "d", 11), (60.5, "e", 11), (61, "f", 11))
    assert [t.key["subject"] for t in line.made if "subject" in t.key] == ["a", "b", "d", "f"]
    assert storms(line) == [("opened", 59.999, 1, 1), ("updated", 60.5, 2, 2)]


def test_a_late_opening_counts_those_of_its_own_minute():
    """However many have opened since."""
    line = Timeline(RULE + "max_rate: 2")
    readings(line, (0, "a", 11), (30, "b", 11), *[(100 * i, f"s{i}", 11) for i in range(1, 9)])
    readings(line, (31, "c", 11), (95, "d", 11))
    assert "d" in {t.key["subject"] for t in line.made if "subject" in t.key}
    assert storms(line) == [("opened", 31, 1, 1)]


def test_what_was_folded_does_not_open_again():
    """A late event of the instant at which an opening was folded is that opening, which is over."""
    line = Timeline(RULE + "max_open: 1")
    readings(line, (0, "a", 11), (1, "b", 11), (2, "b", 1), (3, "a", 1))
    line.tick(100_000)
    line.engine = Engine.restore(line.engine.snapshot())
    readings(line, (1, "b", 11), (100_001, "b", 11))
    assert [(t.key["subject"], t.type) for t in line.made if "subject" in t.key] == [
        ("a", "opened"),
        ("a", "closed"),
        ("b", "opened"),
    ]
    assert told(line.made)[-1] == ("opened", 100_001)


def test_a_person_ends_a_storm():
    """What it folded goes on unseen; the next that must be folded opens a storm anew, which counts from one."""
    line = Timeline(RULE + "max_open: 1")
    readings(line, (0, "a", 11), (1, "b", 11), (2, "c", 11))
    storm = next(t.alert for t in line.made if "storm" in t.key)
    assert line.act("resolve", storm, 3)[0].condition == "cleared"
    readings(line, (4, "b", 1), (5, "d", 11), (6, "d", 1))
    assert storms(line)[-2:] == [("opened", 5, 1, 1), ("closed", 6, 1, 0)]


def test_a_folded_alert_cannot_be_acted_on():
    """It has no entry; the refusal says so."""
    line = Timeline(RULE + "max_open: 1")
    readings(line, (0, "a", 11), (1, "b", 11))
    other = Timeline(RULE)
    readings(other, (0, "a", 11), (1, "b", 11))
    folded = other.made[1].alert
    assert folded not in {t.alert for t in line.made}
    line.act("ack", folded, 2)
    assert line.refusals[0][1].startswith(f"no alert {folded} is open")


def test_matches_that_never_end_are_folded_too():
    """New values have no end of their own: the storm stays until a person, or clear_after, ends it."""
    line = Timeline("id: r\nfeed: sensor\nnew: [metric]\nseverity: blue\nmax_open: 1\nclear_after: 10s")
    line.events([{"t": t, "metric": f"m{t}", "value": 1} for t in range(4)])
    line.tick(200)
    assert storms(line)[-1] == ("closed", 13, 3, 0)


def test_a_storm_does_not_depend_on_cuts_nor_on_a_restart():
    """The same steps in one batch, event by event, and with a snapshot after each."""
    rows = [(t, f"s{(7 * t) % 11}", 50 if (3 * t) % 5 else 1) for t in range(60)]
    whole = Timeline(RULE + "max_open: 3\nmax_rate: 20")
    readings(whole, *rows)
    single = Timeline(RULE + "max_open: 3\nmax_rate: 20")
    for row in rows:
        readings(single, row)
        single.engine = Engine.restore(single.engine.snapshot())
    assert single.made == whole.made
    assert storms(whole)
