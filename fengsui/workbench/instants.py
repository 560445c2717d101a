"""Times as people give them on the command line."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import click

from events.times import MAX_MS, MIN_MS, parse_instant

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def given_instant(text: str | None, option: str, *, zone: str) -> int | None:
    """RFC 3339 with offset, epoch milliseconds, or a day (its midnight in the zone) -> epoch milliseconds. BadParameter."""
    if text is None:
        return None
    try:
        if text.isascii() and text.removeprefix("-").isdigit() and MIN_MS <= int(text) <= MAX_MS:
            return int(text)
        if _DAY.fullmatch(text):
            return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; such as 2026-01-01 or 2026-01-01T08:00:00+08:00", param_hint=option
        ) from None
