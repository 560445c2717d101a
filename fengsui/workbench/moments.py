"""Moments of a fixture: told from its start (``1h30m``), by the clock of its day (``22:30``) or in full."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from events.times import MAX_MS, MIN_MS, format_ms, parse_instant

FORMS = "write 1h30m from the start, 22:30, or 2026-03-02 22:30"

_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_UNITS_MS = {"w": 604_800_000, "d": _DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d|w)")
_SPAN = re.compile(rf"(?:{_PART.pattern}\s*)+")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{3}))?)?", re.ASCII)
_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{3})?)?)?", re.ASCII)


def parse_span(text: str) -> int:
    """``90s``, ``1h30m``, ``2d`` or ``0`` -> milliseconds. ValueError on anything else.

    >>> parse_span("1h30m")
    5400000
    """
    if text == "0":
        return 0
    if not _SPAN.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no length of time")
    return round(sum(float(part[1]) * _UNITS_MS[part[2]] for part in _PART.finditer(text)))


def tell_span(ms: int) -> str:
    """The reverse.

    >>> tell_span(5_400_000), tell_span(0), tell_span(-1_500)
    ('1h30m', '0m', '-1s500ms')
    """
    if ms == 0:
        return "0m"
    told, left = "", abs(ms)
    for unit, size in _UNITS_MS.items():
        if unit == "w":  # fourteen days say more than two weeks, beside days
            continue
        if left >= size:
            told, left = f"{told}{left // size}{unit}", left % size
    return f"-{told}" if ms < 0 else told


@dataclass(frozen=True)
class Timeline:
    """Where a fixture begins, and the offset of its zone from UTC."""

    start_ms: int
    zone_ms: int

    def moment(self, text: str) -> int:
        """Any of the forms -> epoch milliseconds. ValueError says what is wrong.

        >>> Timeline(1_772_409_600_000, 28_800_000).moment("22:30") - 1_772_409_600_000 == parse_span("14h30m")
        True
        """
        clock = _CLOCK.fullmatch(text)
        if clock:
            hours, minutes, seconds, ms = (int(part or 0) for part in clock.groups())
            midnight = self.start_ms - (self.start_ms + self.zone_ms) % _DAY_MS
            return midnight + ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
        if text[:1].isdigit() and "-" in text:
            return parse_moment(text, self.zone_ms)
        made = self.start_ms + parse_span(text)
        if made > MAX_MS:
            raise ValueError(f"{text[:40]!r} is further than a calendar goes")
        return made

    def tell(self, ms: int) -> str:
        """From the start, and by the clock: ``1h30m 09:30``; on another day with its date.

        >>> Timeline(1_772_409_600_000, 28_800_000).tell(1_772_409_600_000 + 90_000_000)
        '1d1h 03-03 09:00'
        """
        local, first = format_ms(ms + self.zone_ms), format_ms(self.start_ms + self.zone_ms)
        clock = local[11:16] if local[17:23] == "00.000" else local[11:23].removesuffix(".000")
        day = "" if local[:10] == first[:10] else f"{local[5:10]} "
        return f"{tell_span(ms - self.start_ms)} {day}{clock}"


def parse_moment(text: str, zone_ms: int) -> int:
    """``2026-03-02``, ``2026-03-02 22:30`` in the zone, or RFC 3339 with an offset -> epoch milliseconds. ValueError."""
    local = _LOCAL.fullmatch(text)
    if local is None:
        return parse_instant(text)
    day, clock, seconds = local.groups()
    moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{seconds or ''}").replace(tzinfo=UTC)
    made = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MS - zone_ms
    if not MIN_MS <= made <= MAX_MS:
        raise ValueError(f"{text[:40]!r} is further than a calendar goes")
    return made
