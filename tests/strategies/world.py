"""The small world that cases are drawn in: feeds, names, time."""

from __future__ import annotations

import yaml

from tests.reference.rule import RefFeed

#: 2026-01-01 08:00 in Shanghai, aligned to every window used here.
BASE_MS = 1_767_225_600_000
DAY_MS = 86_400_000
ZONE_MS = 8 * 3_600_000
#: In seconds, all that happens lies within minutes; in units of three hours, windows of days begin at midnight.
SECOND_MS, WATCH_MS = 1_000, 10_800_000

#: One name has different types in different feeds, as happens in practice.
FEEDS: dict[str, dict[str, str]] = {
    "alpha": {"x": "number", "y": "number", "tag": "string", "num": "integer", "flag": "boolean"},
    "beta": {"x": "number", "num": "number", "tag": "string"},
    "gamma": {"x": "integer", "flag": "boolean", "tag": "string"},
}
#: (lateness, idle) in units.
TIMING = {"alpha": (5, 20), "beta": (0, 8), "gamma": (3, 40)}
ENVELOPE = {"subject": "string", "region": "string", "source": "string"}
#: What a rule over alerts can read beside the envelope.
ALERT = {
    "alert": "string", "rule": "string", "domain": "string", "severity": "string", "type": "string", "state": "string",
    "condition": "string", "reason": "string", "by": "string", "key": "string", "n": "integer", "count": "integer",
    "rank": "integer", "shadow": "boolean",
}  # fmt: skip
VERBS = ("ack", "assign", "note", "resolve", "resolve", "reopen")
SEVERITIES = ("red", "orange", "yellow", "blue")


def types_of(feed: str) -> dict[str, str]:
    """What an expression over events of this feed may read."""
    return {**(ALERT if feed == "alert" else FEEDS[feed]), **ENVELOPE}


def catalog_yaml(unit: int) -> str:
    feeds = {
        name: {
            "domain": "testing",
            "lateness": f"{TIMING[name][0] * unit}ms",
            "idle": f"{TIMING[name][1] * unit}ms",
            "fields": dict(fields),
        }
        for name, fields in FEEDS.items()
    }
    return yaml.safe_dump({"feeds": feeds}, sort_keys=False)


def ref_feeds(unit: int) -> dict[str, RefFeed]:
    return {name: RefFeed(late * unit, idle * unit) for name, (late, idle) in TIMING.items()}
