"""``only``: at which hours of which days events exist for a rule."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 86_400_000
MINUTE_MS = 60_000
ZONE_MS = 8 * 3_600_000
#: Days since 1970-01-01 (a Thursday) of 2026-01-01 (a Thursday too) and of 2027-01-01.
_2026 = 20_454
_2027 = _2026 + 365
#: The State Council's notice on the holidays of 2026, as days of that year counted from 0.
_HOLIDAYS = frozenset(
    day
    for first, last in ((1, 3), (46, 54), (94, 96), (121, 125), (170, 172), (268, 270), (274, 280))
    for day in range(first - 1, last)
)
#: Saturdays and Sundays of 2026 on which people work: 4 January, 14 and 28 February, 9 May, 20 September, 10 October.
_MADE_UP = frozenset(day - 1 for day in (4, 45, 59, 129, 263, 283))
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def works(day: int) -> bool:
    """Whether ``day`` (since 1970) is a workday; of other years than 2026 only the weekdays are known."""
    weekday = (day + 3) % 7 < 5
    if not _2026 <= day < _2027:
        return weekday
    return day - _2026 in _MADE_UP or (weekday and day - _2026 not in _HOLIDAYS)


@dataclass(frozen=True)
class Calendar:
    """``ranges``: (days, from, to) in minutes of the day, [from, to); where ``to`` is not after ``from`` it is of the next day."""

    ranges: tuple[tuple[str, int, int], ...]

    def covers(self, at: int) -> bool:
        local = at + ZONE_MS
        day, time = local // DAY_MS, local % DAY_MS
        for name, first, last in self.ranges:
            start, end = first * MINUTE_MS, last * MINUTE_MS
            if start < end:
                if _is(day, name) and start <= time < end:
                    return True
            elif (_is(day, name) and time >= start) or (_is(day - 1, name) and time < end):
                return True
        return False

    def next(self, at: int) -> int:
        """``at`` itself where the calendar covers it, else the next beginning after it."""
        if self.covers(at):
            return at
        day = (at + ZONE_MS) // DAY_MS
        while True:
            begins = [day * DAY_MS - ZONE_MS + first * MINUTE_MS for name, first, _ in self.ranges if _is(day, name)]
            if later := [begin for begin in begins if begin > at]:
                return min(later)
            day += 1


def _is(day: int, name: str) -> bool:
    if name == "daily":
        return True
    if name in _NAMES:
        return _NAMES[(day + 3) % 7] == name
    return works(day) == (name == "workdays")
