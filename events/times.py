"""Instants and durations: epoch milliseconds inside, RFC 3339 and ``1h`` outside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001 - formatted with a Z of our own, which is twice as fast
_MS = timedelta(milliseconds=1)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

#: 0001-01-01 and 9999-12-31: what a calendar can show. Outside of it an integer time is a wrong unit, not an instant.
MIN_MS = -62_135_596_800_000
MAX_MS = 253_402_300_799_999


def parse_instant(text: str) -> int:
    """RFC 3339 with an offset -> epoch milliseconds (finer digits are cut). ValueError says what is wrong."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time with offset: {text[:40]!r}")
    day, clock, fraction, offset = match.groups()
    offset = "+00:00" if offset in "Zz" else offset
    moment = datetime.fromisoformat(f"{day}T{clock}{offset}")
    return (moment - _EPOCH) // _MS + int(((fraction or "") + "000")[:3])


@lru_cache(4096)
def format_ms(ms: int) -> str:
    """Epoch milliseconds -> ``2026-01-01T00:00:00.000Z``."""
    return f"{(_EPOCH_NAIVE + timedelta(milliseconds=ms)).isoformat(timespec='milliseconds')}Z"


def parse_duration(text: object) -> int:
    """``500ms``, ``90s``, ``5m``, ``1h``, ``1d``, ``2w`` -> milliseconds. ValueError on anything else."""
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"not a duration (write 30s, 5m, 1h or 1d): {text!r}")
    return round(float(match[1]) * _UNITS_MS[match[2]])


def format_duration(ms: int) -> str:
    """Milliseconds -> the shortest exact form, such as ``90s`` or ``1h``."""
    for unit in ("w", "d", "h", "m", "s"):
        if ms and ms % _UNITS_MS[unit] == 0:
            return f"{ms // _UNITS_MS[unit]}{unit}"
    return f"{ms}ms"
