"""Storms: what a rule opens beyond its bounds is folded into one alert that counts it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reference.alerts import Alert, Ledger, Told, alert_id, key_json, order, worse
from tests.reference.rule import NEVER, RefRule

MINUTE_MS = 60_000
SAMPLE = 20


@dataclass
class Storm:
    """What has been folded since the storm began; ``open``: what of it is not over."""

    alert: Alert
    folded: int = 0
    open: list[Alert] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    last_shown: int = NEVER


class Storms:
    """Reads what the rules tell, in the order of transitions, and lets through what is told."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.storms: dict[str, Storm] = {}
        self.active: dict[str, set[str]] = {}
        self.openings: dict[str, list[int]] = {}

    def folded(self, alert: Alert) -> bool:
        storm = self.storms.get(alert.rule.id)
        return storm is not None and alert in storm.open

    def of(self, alert: Alert) -> Storm | None:
        """The storm that this alert stands for."""
        storm = self.storms.get(alert.rule.id)
        return storm if storm is not None and storm.alert is alert else None

    def end(self, storm: Storm) -> list[Alert]:
        """A person resolved it: all that it had folded is over."""
        del self.storms[storm.alert.rule.id]
        for alert in storm.open:
            alert.condition = "cleared"
        return storm.open

    def pass_on(self, told: list[tuple[Alert, Told]]) -> list[tuple[Alert, Told]]:
        out: list[tuple[Alert, Told]] = []
        for alert, one in told:
            active = self.active.setdefault(alert.rule.id, set())
            if one["type"] == "opened":
                if self._bounded(alert.rule, one["at"]):
                    out += self._fold(alert, one)
                    continue
                active.add(alert.id)
                self.openings.setdefault(alert.rule.id, []).append(one["at"])
            elif self.folded(alert):
                out += self._follow(self.storms[alert.rule.id], alert, one)
                continue
            elif one["condition"] == "cleared":
                active.discard(alert.id)
            out.append((alert, one))
        return sorted(out, key=lambda pair: order(pair[1]))

    def _bounded(self, rule: RefRule, at: int) -> bool:
        if len(self.active[rule.id]) >= rule.max_open:
            return True
        lately = [opening for opening in self.openings.get(rule.id, []) if at - MINUTE_MS < opening <= at]
        return rule.max_rate is not None and len(lately) >= rule.max_rate

    def _fold(self, alert: Alert, one: Told) -> list[tuple[Alert, Told]]:
        """An opening that gets no alert of its own."""
        rule, at = alert.rule, one["at"]
        del self.ledger.alerts[alert.id]
        storm = self.storms.get(rule.id)
        kind = "updated"
        if storm is None:
            key = {"storm": rule.id}
            name = alert_id(rule.id, key, at)
            storm = self.storms[rule.id] = Storm(Alert(name, rule, key, at, one["severity"]))
            self.ledger.alerts[name] = storm.alert
            kind = "opened"
        storm.folded += 1
        storm.open.append(alert)
        if len(storm.keys) < SAMPLE:
            storm.keys.append(key_json(one["key"]))
        storm.alert.count = storm.folded
        if worse(one["severity"], storm.alert.severity):
            storm.alert.severity = one["severity"]
            kind = "escalated"
        if kind == "updated" and at - storm.last_shown < rule.update_every:
            return []
        return [self._tell(storm, kind, at)]

    def _follow(self, storm: Storm, alert: Alert, one: Told) -> list[tuple[Alert, Told]]:
        """What became of something folded."""
        if worse(one["severity"], storm.alert.severity):
            storm.alert.severity = one["severity"]
            return [self._tell(storm, "escalated", one["at"])]
        if one["condition"] == "active":
            return []
        storm.open.remove(alert)
        if storm.open:
            return []
        del self.storms[alert.rule.id]
        storm.alert.condition, storm.alert.closed = "cleared", one["at"]
        if storm.alert.severity in alert.rule.auto_resolve:
            storm.alert.state = "resolved"
        return [self._tell(storm, "closed", one["at"], one["reason"])]

    def _tell(self, storm: Storm, kind: str, at: int, reason: str | None = None) -> tuple[Alert, Told]:
        storm.last_shown = at
        storm.alert.measures = {"folded": storm.folded, "open": len(storm.open), "keys": list(storm.keys)}
        return storm.alert, storm.alert.tell(kind, at, reason=reason)
