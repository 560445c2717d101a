"""A transition of an alert: what the transition log holds and everyone downstream reads."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from events.times import format_ms

Severity = Literal["red", "orange", "yellow", "blue"]
#: Highest first, as on every page.
SEVERITIES: tuple[Severity, ...] = ("red", "orange", "yellow", "blue")
#: red = 4 ... blue = 1; 0 is none.
RANK: dict[str, int] = {"red": 4, "orange": 3, "yellow": 2, "blue": 1}

#: Transition types in their order within one instant of one key.
TYPES = ("opened", "updated", "escalated", "closed", "acked", "assigned", "noted", "resolved", "reopened", "silenced")

State = Literal["open", "acked", "assigned", "resolved"]
Condition = Literal["active", "cleared"]
Key = dict[str, str | float | int | bool]


class Evidence(msgspec.Struct, frozen=True):
    """Names the events behind a transition: a query over the store, and the triggering ids. Times are RFC 3339."""

    feed: str
    key: Key
    from_: str = msgspec.field(name="from")
    to: str = ""
    events: tuple[str, ...] = ()


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One step in an alert's life. ``at`` is event time (a person's acts: the time of the act).

    Beyond the contract's fields it carries the alert as it then is (state, condition, count, opened_at, closed_at), so that
    an alert is its newest transition and no reader has to work the life cycle out again.
    """

    seq: int = 0
    alert: str
    n: int
    type: str
    at: str
    rule: str
    version: str
    domain: str
    severity: str
    key: Key
    region: str | None = None
    subject: str | None = None
    measures: dict[str, Any] = {}
    evidence: Evidence
    title: dict[str, str]
    summary: dict[str, str]
    by: str | None = None
    # --- the alert as it then is
    state: State = "open"
    condition: Condition = "active"
    count: int = 0
    opened_at: str = ""
    closed_at: str | None = None
    # --- of acts and closings
    note: str | None = None
    to: str | None = None
    reason: str | None = None
    act: str | None = None
    shadow: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Transition)


def encode(transition: Transition) -> bytes:
    """One transition as a line of JSON, without the newline."""
    return _encoder.encode(transition)


def decode(line: bytes) -> Transition:
    """The reverse of :func:`encode`; unknown fields of a newer version are dropped."""
    return _decoder.decode(line)


def key_json(key: Key) -> str:
    """A key as the contract writes it: sorted names, no spaces, plain UTF-8."""
    return msgspec.json.encode(dict(sorted(key.items()))).decode()


def alert_id(rule: str, key: Key, opened_ms: int) -> str:
    """The same alert has the same name in a replay, a retry and a second worker.

    >>> alert_id("demo.rule", {"subject": "甲站"}, 1767225600000)
    'f0bd68f11a51fefd'
    """
    text = f"{rule}\n{key_json(key)}\n{opened_ms}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def at(ms: int) -> str:
    """The form of every ``at``."""
    return format_ms(ms)
