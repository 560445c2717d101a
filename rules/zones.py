"""Time zones as rules have them: one midnight, all the year."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rules.errors import RuleError, RuleErrors


def zone_ms(zone: str) -> int:
    """The zone's offset from UTC in a winter of today. RuleErrors for a zone that is none."""
    try:
        offset = datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RuleErrors([RuleError("", 0, 0, f"unknown time zone {zone!r}", "such as Asia/Shanghai")]) from None
    assert offset is not None
    return int(offset.total_seconds() * 1000)
