"""``only``: at which hours of which days events exist for a rule.

Workdays are those of the State Council's notices, as the package chinesecalendar has them: make-up Saturdays are, holidays are
not. Of years that it does not know, Monday to Friday.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rules.arrays import Bools, Ints

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
DAY_MINUTES: Final = 1_440
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAYS: Final = ("workdays", "restdays", "daily", *WEEKDAYS)
#: A beginning is never farther away than this: the longest run of holidays, and a weekday that is asked for alone.
_MAX_SEARCH_DAYS: Final = 40


@dataclass(frozen=True, order=True)
class Hours:
    """[begin, end) in minutes of the local day; an end that is not after the beginning is on the day after.

    ``days``: workdays, restdays, daily or a weekday's three letters: the day on which the hours begin.
    """

    days: str
    begin: int
    end: int

    def __str__(self) -> str:
        clock = "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (self.begin, self.end))
        return f"{self.days} {clock}"

    @property
    def over_midnight(self) -> bool:
        return self.end <= self.begin


@dataclass(frozen=True)
class Calendar:
    """Several hours together. ``zone_ms``: the zone's offset from UTC."""

    hours: tuple[Hours, ...]
    zone_ms: int

    @property
    def text(self) -> str:
        """Such as ``workdays 09:00-18:00, sat 09:00-12:00``."""
        return ", ".join(map(str, self.hours))

    @property
    def asks_workdays(self) -> bool:
        """Whether it depends on the State Council's notices."""
        return any(hours.days in ("workdays", "restdays") for hours in self.hours)

    def mask(self, time_ms: Ints) -> Bools:
        """Which instants lie within the hours."""
        day, within_ms = np.divmod(time_ms + self.zone_ms, DAY_MS)
        minute = within_ms // MINUTE_MS
        own, spilled = self._minutes
        found: Bools = own[_kind(day), minute]
        if spilled is not None:
            found |= spilled[_kind(day - 1), minute]
        return found

    def covers(self, at_ms: int) -> bool:
        return bool(self.mask(np.array([at_ms], np.int64))[0])

    def next_begin(self, at_ms: int) -> int:
        """The instant itself where it lies within the hours, else the next one at which some begin."""
        if self.covers(at_ms):
            return at_ms
        today = (at_ms + self.zone_ms) // DAY_MS
        for day in range(today, today + _MAX_SEARCH_DAYS):
            kind = int(_kind(np.array([day], np.int64))[0])
            midnight = day * DAY_MS - self.zone_ms
            begins = [midnight + hours.begin * MINUTE_MS for hours in self.hours if _falls(hours.days, kind)]
            later = [begin for begin in begins if begin > at_ms]
            if later:
                return min(later)
        raise AssertionError("every kind of day comes again")

    @cached_property
    def _minutes(self) -> tuple[Bools, Bools | None]:
        """For each kind of day, which of its minutes are covered by the hours that begin on it; and which of the day after."""
        own = np.zeros((14, DAY_MINUTES), np.bool_)
        spilled = np.zeros((14, DAY_MINUTES), np.bool_)
        for hours in self.hours:
            kinds = [kind for kind in range(14) if _falls(hours.days, kind)]
            if hours.over_midnight:
                own[kinds, hours.begin :] = True
                spilled[kinds, : hours.end] = True
            else:
                own[kinds, hours.begin : hours.end] = True
        return own, spilled if spilled.any() else None


def _falls(days: str, kind: int) -> bool:
    """Whether a day of that kind is one of ``days``."""
    weekday, works = kind % 7, kind >= 7
    match days:
        case "daily":
            return True
        case "workdays":
            return works
        case "restdays":
            return not works
        case _:
            return WEEKDAYS[weekday] == days


def _kind(day: Ints) -> Ints:
    """Of days since 1970: the weekday from 0 (Monday), and 7 more where people work."""
    weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
    first, known = _workdays()
    works = np.where(
        (day >= first) & (day < first + len(known)), known[(day - first).clip(0, len(known) - 1)], weekday < 5
    )
    kind: Ints = weekday + 7 * works
    return kind


def last_known_year() -> int:
    """The last whose holidays are known; after it, Monday to Friday are workdays."""
    first, works = _workdays()
    return date.fromordinal(date(1970, 1, 1).toordinal() + first + len(works) - 1).year


@lru_cache(1)
def _workdays() -> tuple[int, NDArray[np.bool_]]:
    """The first day that is known, since 1970, and for it and those after it whether people work."""
    from chinese_calendar import constants

    holidays, made_up = set(constants.holidays), set(constants.workdays)
    first = date(min(holidays).year, 1, 1)
    count = (date(max(holidays).year + 1, 1, 1) - first).days
    days = [date.fromordinal(first.toordinal() + i) for i in range(count)]
    works = [day in made_up or (day.weekday() < 5 and day not in holidays) for day in days]
    return (first - date(1970, 1, 1)).days, np.array(works, np.bool_)
