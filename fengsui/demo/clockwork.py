"""Minutes of the demo: counted from the epoch, and where they lie in a local day (UTC+8, no summer time)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

MINUTE_MS = 60_000
DAY_MIN = 1_440
_OFFSET_MIN = 480
_LOCAL = timezone(timedelta(minutes=_OFFSET_MIN))


def minute_of_day(minute: int) -> int:
    """0 to 1439, of a minute counted from the epoch."""
    return (minute + _OFFSET_MIN) % DAY_MIN


def day_number(minute: int) -> int:
    """Local days since 1970-01-01."""
    return (minute + _OFFSET_MIN) // DAY_MIN


def local_text(ms: int) -> str:
    """Epoch milliseconds -> ``2026-01-01T08:00:00.000+08:00``."""
    moment = datetime.fromtimestamp(ms / 1000, UTC).astimezone(_LOCAL)
    return moment.isoformat(timespec="milliseconds")


def stamp(minute: int) -> str:
    """A minute as ids have it: ``202601010800``."""
    return datetime.fromtimestamp(minute * 60, UTC).astimezone(_LOCAL).strftime("%Y%m%d%H%M")


def clock_min(text: str) -> int:
    """``22:30`` -> its minute of day."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
