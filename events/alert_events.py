"""Transitions as events of the alert feed, for rules over alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from events.event import ENVELOPE
from events.feeds import ALERT_FEED, ALERTS, PHYSICAL
from events.times import parse_instant
from events.transition import RANK, Transition, key_json

#: How far the rule that made a transition stands above ordinary feeds; no field is called so.
LEVEL = " level"
SOURCE = "fengsui"

_SCHEMA: dict[str, pl.DataType] = {
    **{name: PHYSICAL[kind] for name, kind in ENVELOPE.items()},
    **{name: PHYSICAL[field.type] for name, field in ALERTS.fields.items()},
    LEVEL: pl.Int64(),
}


def event_id(alert: str, n: int) -> str:
    """What a transition is called as an event.

    >>> event_id("f0bd68f11a51fefd", 2)
    'f0bd68f11a51fefd/2'
    """
    return f"{alert}/{n}"


def frame_of(transitions: Sequence[Transition], levels: Mapping[tuple[str, str], int]) -> pl.DataFrame:
    """One row a transition, in their order. ``levels``: of the rules over alerts, by id and version."""
    rows = [_row(transition, levels.get((transition.rule, transition.version), 0)) for transition in transitions]
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in _SCHEMA}, schema=_SCHEMA)


def transition_of(event: str) -> tuple[str, int] | None:
    """The reverse of :func:`event_id`: (alert, n), or None for what is no such id."""
    alert, _, n = event.partition("/")
    return (alert, int(n)) if alert and n.isascii() and n.isdecimal() else None


def event_of(one: Transition) -> dict[str, Any]:
    """A transition as an event of the alert feed, for showing: with the instant as text, and what the alert says."""
    row = {name: value for name, value in _row(one, 0).items() if name != LEVEL and value is not None}
    return {**row, "time": one.at, "title": one.title, "summary": one.summary}


def _row(one: Transition, level: int) -> dict[str, Any]:
    return {
        "id": event_id(one.alert, one.n),
        "feed": ALERT_FEED,
        "source": SOURCE,
        "time": parse_instant(one.at),
        "region": one.region,
        "subject": one.subject,
        "alert": one.alert,
        "rule": one.rule,
        "domain": one.domain,
        "severity": one.severity,
        "rank": RANK[one.severity],
        "type": one.type,
        "state": one.state,
        "condition": one.condition,
        "reason": one.reason,
        "by": one.by,
        "key": key_json(one.key),
        "n": one.n,
        "count": one.count,
        "shadow": one.shadow,
        LEVEL: level,
    }
