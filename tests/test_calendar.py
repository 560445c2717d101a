"""``only``: at which hours of which days events exist for a rule."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.times import parse_instant
from fengsui.doctor import workdays
from rules.calendar import DAYS, Calendar, Hours
from rules.errors import RuleErrors
from rules.load import load_rules
from rules.model import Rule
from tests.reference.calendar import Calendar as Reference
from tests.timeline import T0, Timeline, told

ZONE_MS = 8 * 3_600_000
#: Thursday 1 January 2026 in Shanghai, a holiday
NEW_YEAR = T0 - ZONE_MS
HOUR_MS = 3_600_000


def rule_of(only: str) -> Rule:
    text = f"rules:\n  - {{id: a, title: t, feed: sensor, when: value > 1, severity: red, only: {only}}}\n"
    return load_rules({"r.yaml": text}).rules[0]


def calendar(only: str) -> Calendar:
    found = rule_of(only).only
    assert found is not None
    return found


def at(text: str) -> int:
    return parse_instant(f"{text}:00+08:00")


# --- what is covered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "inside", "outside"),
    [
        ("{workdays: all}", ["2026-01-04T12:00", "2026-01-05T00:00"], ["2026-01-01T12:00", "2026-01-10T12:00"]),
        ("{restdays: all}", ["2026-01-01T12:00", "2026-10-01T23:59"], ["2026-01-04T12:00", "2026-02-28T00:00"]),
        ("{workdays: 09:00-18:00}", ["2026-01-05T09:00", "2026-01-05T17:59"], ["2026-01-05T18:00", "2026-01-05T08:59"]),
        ("{daily: 22:00-06:00}", ["2026-01-05T22:00", "2026-01-06T05:59"], ["2026-01-06T06:00", "2026-01-05T21:59"]),
        ("{fri: 22:00-06:00}", ["2026-01-03T05:59", "2026-01-02T22:00"], ["2026-01-02T05:00", "2026-01-03T22:00"]),
        ("{sat: [09:00-12:00, 14:00-24:00]}", ["2026-01-03T11:59", "2026-01-03T23:59"], ["2026-01-03T12:00"]),
        ("[{mon: all}, {tue: 0:00-1:30}]", ["2026-01-05T23:59", "2026-01-06T01:29"], ["2026-01-06T01:30"]),
        # the year before the notices begin and one after them: weekdays only
        ("{workdays: all}", ["2003-10-01T12:00", "2030-10-01T12:00"], ["2003-10-04T12:00", "2030-10-05T12:00"]),
        ("{workdays: all}", ["1969-12-31T12:00"], ["1969-12-28T12:00"]),
    ],
)
def test_hours_of_days(only, inside, outside):
    """[from, to) by the local clock; what runs over midnight belongs to the day on which it begins."""
    found = calendar(only)
    for text in inside:
        assert found.covers(at(text)), text
    for text in outside:
        assert not found.covers(at(text)), text


def test_an_instant_before_the_end_counts():
    """To the millisecond."""
    found = calendar("{workdays: 09:00-18:00}")
    assert found.mask(np.array([at("2026-01-05T18:00") - 1, at("2026-01-05T18:00")])).tolist() == [True, False]


_MINUTES = st.integers(0, 1439)
_HOURS = st.builds(lambda days, begin, end: (days, begin, end), st.sampled_from(DAYS), _MINUTES, _MINUTES).filter(
    lambda hours: hours[1] != hours[2]
)


@given(
    ranges=st.lists(_HOURS, min_size=1, max_size=4), minutes=st.lists(st.integers(0, 525_600), min_size=1, max_size=20)
)
def test_it_agrees_with_the_reference(ranges, minutes):
    """Which instants of 2026 are covered, and where the next hours begin."""
    ours = Calendar(tuple(Hours(*hours) for hours in ranges), ZONE_MS)
    theirs = Reference(tuple(ranges))
    instants = [NEW_YEAR + minute * 60_000 + minute % 60_000 for minute in minutes]
    assert ours.mask(np.array(instants)).tolist() == [theirs.covers(instant) for instant in instants]
    assert [ours.next_begin(instant) for instant in instants] == [theirs.next(instant) for instant in instants]


def test_the_next_beginning():
    """Beyond a run of holidays, beyond midnight; the instant itself where it is covered."""
    office = calendar("{workdays: 09:00-18:00}")
    assert office.next_begin(at("2026-09-30T18:00")) == at("2026-10-08T09:00")
    assert office.next_begin(at("2026-09-30T08:00")) == at("2026-09-30T09:00")
    assert office.next_begin(at("2026-09-30T17:59")) == at("2026-09-30T17:59")
    night = calendar("{sun: 22:00-06:00}")
    assert night.next_begin(at("2026-01-05T03:00")) == at("2026-01-05T03:00")
    assert night.next_begin(at("2026-01-05T06:00")) == at("2026-01-11T22:00")


def test_a_mask_costs_little():
    """Whatever the number of hours: well below a microsecond an event in batches of 2,000."""
    found = calendar("{" + ", ".join(f"{days}: [1:00-2:00, 3:00-4:00, 5:00-6:00, 23:00-0:30]" for days in DAYS) + "}")
    times = NEW_YEAR + np.arange(2_000) * 1_000
    found.mask(times)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        found.mask(times)
        best = min(best, time.perf_counter() - started)
    assert best / len(times) < 1e-6


# --- as it is written -------------------------------------------------------------------------------------------------


def test_the_hours_are_part_of_the_version():
    """What they mean, not how they are written."""
    version = rule_of("{workdays: 09:00-18:00, sat: all}").version
    assert version == rule_of("[{sat: [0:00-24:00]}, {workdays: '9:00 - 18:00'}]").version
    assert version != rule_of("{workdays: 09:00-18:01, sat: all}").version
    plain = "rules:\n  - {id: a, title: t, feed: sensor, when: value > 1, severity: red}\n"
    assert version != load_rules({"r.yaml": plain}).rules[0].version


@pytest.mark.parametrize(
    ("only", "error"),
    [
        ("{weekdays: all}", "unknown days 'weekdays' (did you mean 'workdays'?)"),
        ("{wokrdays: all}", "unknown days 'wokrdays' (did you mean 'workdays'?)"),
        ("{xyz: all}", "unknown days 'xyz' (there are workdays, restdays, daily,"),
        ("{mon: 9-18}", "mon: '9-18' is no range of hours (write all, 09:00-18:00 or 22:00-06:00)"),
        ("{mon: 09:60-18:00}", "mon: 09:60-18:00 is no range of hours (a day has the hours 00:00 to 24:00)"),
        ("{mon: 24:00-06:00}", "mon: 24:00-06:00 is no range of hours"),
        ("{mon: 09:00-24:01}", "mon: 09:00-24:01 is no range of hours"),
        ("{mon: 09:00-09:00}", "mon: 09:00-09:00 begins where it ends (write all for the whole day)"),
        ("{mon: {a: b}}", "mon: '' is no range of hours"),
        ("{mon: []}", "mon: '' is no range of hours"),
        ("workdays", "only names days and their hours (such as only: {workdays: 09:00-18:00})"),
        ("[]", "only has 1 to 100 hours"),
        ("{}", "only names days and their hours"),
        ("[workdays]", "only names days and their hours"),
    ],
)
def test_what_are_no_hours(only, error):
    """Each fault at its place."""
    with pytest.raises(RuleErrors) as caught:
        rule_of(only)
    assert caught.value.errors[0].line == 2
    assert str(caught.value.errors[0]).split(": ", 1)[1].startswith(error)


def test_the_doctor_says_where_holidays_are_not_known():
    """Only to those whose rules ask for them."""
    asking = "rules:\n  - {id: a, title: t, feed: sensor, when: value > 1, severity: red, only: {restdays: all}}\n"
    others = asking.replace("restdays", "sun")
    for text, year, expected in ((asking, 2026, ["ok"]), (asking, 2099, ["warn"]), (others, 2099, [])):
        ruleset = load_rules({"r.yaml": text})
        assert [finding.verdict for finding in workdays(ruleset, year=year)] == expected


# --- in the engine ----------------------------------------------------------------------------------------------------

OFFICE = "only: {workdays: 09:00-18:00}"


def test_each_sees_only_what_is_covered():
    """An event outside neither opens nor closes."""
    opening = at("2026-01-04T09:00") - T0
    line = Timeline(f"id: r\nfeed: sensor\nwhen: value > 10\nseverity: red\n{OFFICE}")
    line.values((0, 11), (opening / 1000 - 1, 11), (opening / 1000, 11))
    closing = at("2026-01-04T18:00") - T0
    line.values((closing / 1000, 1))
    assert told(line.made) == [("opened", opening / 1000)]
    line.values((closing / 1000 + 15 * 3600, 1))
    assert told(line.made)[1:] == [("closed", closing / 1000 + 15 * 3600)]


def test_a_window_counts_only_what_is_covered():
    """Rules over the same events at other hours have their own windows."""
    window = (
        "feed: sensor\nwhere: value > 0\nwindow: {tumbling: 2h}\nmeasure: {n: count(*)}\nwhen: n > 0\nseverity: red"
    )
    line = Timeline(f"id: a\n{window}", f"id: b\n{window}\nonly: {{daily: 09:00-18:00}}")
    line.values((0, 1), (1800, 1), (3600, 1), (7199, 1))
    line.end(7200)
    assert [(t.rule, t.measures) for t in line.made if t.type == "opened"] == [("a", {"n": 4}), ("b", {"n": 2})]


def test_a_sequence_plays_only_what_is_covered():
    """An event outside has no role, not even that of an unless."""
    line = Timeline(
        "id: r\nwithin: 4h\nseverity: red\nonly: {daily: 09:00-10:00}\nsequence:\n"
        "  - {feed: sensor, where: value = 1}\n  - unless: {feed: sensor, where: value = 0}\n"
        "  - {feed: sensor, where: value = 2}"
    )
    line.values((0, 1), (1, 2), (3600, 1), (7200, 0), (7201, 2))
    line.end()
    assert line.made == []
    line = Timeline(
        "id: r\nwithin: 4h\nseverity: red\nonly: {daily: [09:00-10:00, 11:00-12:00]}\nsequence:\n"
        "  - {feed: sensor, where: value = 1}\n  - unless: {feed: sensor, where: value = 0}\n"
        "  - {feed: sensor, where: value = 2}"
    )
    line.values((3600, 1), (7200, 0), (10800, 2))
    line.end()
    assert told(line.made) == [("opened", 10800)]
