"""Alerts and their transitions: what opens, follows and closes, what people do, and in which order it is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.reference.rule import RANK, RefRule

TYPE_ORDER = ("opened", "updated", "escalated", "closed", "acked", "assigned", "noted", "resolved", "reopened")
ALLOWED = {
    "ack": ("open",),
    "assign": ("open", "acked", "assigned"),
    "resolve": ("open", "acked", "assigned"),
    "reopen": ("resolved",),
    "note": ("open", "acked", "assigned", "resolved"),
}
#: what an act is called, and the state after it (None: as before)
DONE = {
    "ack": ("acked", "acked"),
    "assign": ("assigned", "assigned"),
    "resolve": ("resolved", "resolved"),
    "reopen": ("reopened", "open"),
    "note": ("noted", None),
}

Place = tuple[Any, Any]
Told = dict[str, Any]


@dataclass(eq=False)
class Alert:
    """An alert as it stands: what its newest transition shows."""

    id: str
    rule: RefRule
    key: dict[str, Any]
    opened: int
    severity: str
    n: int = 0
    count: int = 1
    state: str = "open"
    condition: str = "active"
    closed: int | None = None
    measures: dict[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    #: subject and region
    place: Place = (None, None)

    def show(self, severity: str, measures: dict[str, Any], events: tuple[str, ...], place: Place) -> None:
        """The next transition shows this; a subject or region that is not known any more stays."""
        self.severity, self.measures, self.events = severity, measures, events
        self.place = (place[0] or self.place[0], place[1] or self.place[1])

    def tell(self, kind: str, at: int, **more: Any) -> Told:
        """The next transition."""
        self.n += 1
        return {
            "alert": self.id,
            "n": self.n,
            "type": kind,
            "at": at,
            "rule": self.rule.id,
            "domain": self.rule.domain,
            "key": dict(self.key),
            "severity": self.severity,
            "measures": dict(self.measures),
            "count": self.count,
            "condition": self.condition,
            "state": self.state,
            "opened": self.opened,
            "closed": self.closed,
            "events": self.events,
            "subject": self.place[0],
            "region": self.place[1],
            "shadow": self.rule.mode == "shadow",
            "reason": None,
            "act": None,
            "by": None,
            "note": None,
            "to": None,
        } | more


class Ledger:
    """Every alert, and what has been told of them since the last ``take``."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self._names: set[str] = set()
        self._told: list[tuple[Alert, Told]] = []

    def open(
        self,
        rule: RefRule,
        key: dict[str, Any],
        at: int,
        severity: str,
        measures: dict[str, Any],
        events: tuple[str, ...],
        place: Place,
    ) -> Alert | None:
        """A new alert that is told, or None."""
        alert = self.name(rule, key, at, severity)
        if alert is not None:
            alert.show(severity, measures, events, place)
            self.tell(alert, "opened", at)
        return alert

    def name(self, rule: RefRule, key: dict[str, Any], at: int, severity: str) -> Alert | None:
        """A new alert, or None: openings of one key in one millisecond are one."""
        name = alert_id(rule.id, key, at)
        if name in self._names:
            return None
        self._names.add(name)
        self.alerts[name] = Alert(name, rule, key, at, severity)
        return self.alerts[name]

    def tell(self, alert: Alert, kind: str, at: int, **more: Any) -> None:
        self._told.append((alert, alert.tell(kind, at, **more)))

    def close(self, alert: Alert, at: int, reason: str | None = None) -> None:
        """The condition clears; what is auto-resolved needs nobody."""
        alert.condition = "cleared"
        alert.closed = at
        if alert.severity in alert.rule.auto_resolve:
            alert.state = "resolved"
        self.tell(alert, "closed", at, reason=reason)

    def act(self, act: Mapping[str, Any]) -> tuple[Alert | None, bool]:
        """-> the alert, None where the act is refused; and whether it ended the alert's episode."""
        alert = self.alerts.get(act["alert"])
        if alert is None or alert.state not in ALLOWED[act["verb"]]:
            return None, False
        word, state = DONE[act["verb"]]
        alert.state = state or alert.state
        ends = act["verb"] == "resolve" and alert.condition == "active"
        if ends:
            alert.condition = "cleared"
            alert.closed = act["at"]
        self.tell(alert, word, act["at"], act=act["id"], by=act["by"], note=act.get("note"), to=act.get("to"))
        return alert, ends

    def take(self) -> list[tuple[Alert, Told]]:
        told, self._told = self._told, []
        return sorted(told, key=lambda pair: order(pair[1]))


def alert_id(rule: str, key: Mapping[str, Any], at: int) -> str:
    return hashlib.sha256(f"{rule}\n{key_json(key)}\n{at}".encode()).hexdigest()[:16]


def key_json(key: Mapping[str, Any]) -> str:
    return json.dumps(dict(sorted(key.items())), ensure_ascii=False, separators=(",", ":"))


def worse(one: str, other: str) -> bool:
    return RANK[one] > RANK[other]


def order(told: Told) -> tuple[Any, ...]:
    return (
        told["at"],
        told["rule"],
        key_json(told["key"]),
        # Decided: an alert's own order (n) goes before that of "updated" and "escalated".
        TYPE_ORDER.index("updated" if told["type"] == "escalated" else told["type"]),
        told["n"],
    )
