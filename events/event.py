"""The event as it arrives, and what may become of it."""

from __future__ import annotations

from typing import Literal

import msgspec

#: Fields that every event may carry, with their types in a catalogue's words.
ENVELOPE: dict[str, str] = {
    "id": "string",
    "feed": "string",
    "source": "string",
    "time": "time",
    "region": "string",
    "subject": "string",
    "lon": "number",
    "lat": "number",
}
REQUIRED = ("id", "feed", "source", "time")

MAX_LINE_BYTES = 1_000_000
MAX_BODY_BYTES = 64_000_000
MAX_DEPTH = 32
#: How far ahead of its receipt an event may be stamped.
MAX_AHEAD_MS = 300_000

Reason = Literal[
    "bad_json", "bad_utf8", "too_long", "too_deep", "missing_field", "wrong_type", "unknown_feed", "time_in_future"
]


class Rejected(msgspec.Struct, frozen=True):
    """One refused line: where it stood (from 1), why, and its bytes for the dead letters."""

    line: int
    reason: Reason
    detail: str
    raw: bytes
    #: as far as they could be read, for the counters; empty where not
    feed: str = ""
    source: str = ""
