"""Storms: what a rule opens beyond its bounds is folded into one alert that counts it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reference.alerts import Alert, Ledger, Told, key_json, order, worse
from tests.reference.rule import NEVER, RefRule

MINUTE_MS = 60_000
SAMPLE = 20


@dataclass
class Storm:
    """What has been folded since the last storm was over; ``open``: what of it is not over. ``alert`` counts it, once there is one."""

    alert: Alert | None = None
    folded: int = 0
    open: list[Alert] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    last_shown: int = NEVER


class Storms:
    """Reads what the rules tell, in the order of transitions, and lets through what is told."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.storms: dict[str, Storm] = {}
        self.folded: list[Alert] = []
        self.active: dict[str, set[str]] = {}
        self.openings: dict[str, list[int]] = {}

    def end(self, alert: Alert) -> None:
        """A person resolved it. Decided: if it was a storm, what that had folded goes on unseen until it is over."""
        storm = self.storms.get(alert.rule.id)
        if storm is not None and storm.alert is alert:
            del self.storms[alert.rule.id]

    def pass_on(self, told: list[tuple[Alert, Told]]) -> list[tuple[Alert, Told]]:
        out: list[tuple[Alert, Told]] = []
        for alert, one in told:
            active = self.active.setdefault(alert.rule.id, set())
            if alert in self.folded:
                out += self._follow(alert, one)
                continue
            if one["type"] == "opened":
                if self._bounded(alert.rule, one["at"]):
                    out += self._fold(alert, one)
                    continue
                active.add(alert.id)
                self.openings.setdefault(alert.rule.id, []).append(one["at"])
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
        storm = self.storms.setdefault(alert.rule.id, Storm())
        del self.ledger.alerts[alert.id]
        self.folded.append(alert)
        storm.folded += 1
        storm.open.append(alert)
        if len(storm.keys) < SAMPLE:
            storm.keys.append(key_json(one["key"]))
        if storm.alert is not None:
            return self._grown(storm, one)
        storm.alert = self.ledger.name(alert.rule, {"storm": alert.rule.id}, one["at"], one["severity"])
        # Decided: two storms in one millisecond are one, which is over; what is folded is told by the next.
        return [] if storm.alert is None else [self._tell(storm, storm.alert, "opened", one["at"])]

    def _grown(self, storm: Storm, one: Told) -> list[tuple[Alert, Told]]:
        """Told as other alerts are: at once where it became worse, else every so often."""
        assert storm.alert is not None
        if worse(one["severity"], storm.alert.severity):
            storm.alert.severity = one["severity"]
            return [self._tell(storm, storm.alert, "escalated", one["at"])]
        if one["at"] - storm.last_shown < storm.alert.rule.update_every:
            return []
        return [self._tell(storm, storm.alert, "updated", one["at"])]

    def _follow(self, alert: Alert, one: Told) -> list[tuple[Alert, Told]]:
        """What became of something folded."""
        storm = self.storms.get(alert.rule.id)
        over = one["condition"] == "cleared"
        if over:
            self.folded.remove(alert)
        if storm is None or alert not in storm.open:
            return []
        if not over:
            return self._grown(storm, one) if one["type"] == "escalated" and storm.alert else []
        storm.open.remove(alert)
        if storm.open or storm.alert is None:
            return []
        del self.storms[alert.rule.id]
        storm.alert.condition, storm.alert.closed = "cleared", one["at"]
        if storm.alert.severity in alert.rule.auto_resolve:
            storm.alert.state = "resolved"
        return [self._tell(storm, storm.alert, "closed", one["at"], one["reason"])]

    def _tell(self, storm: Storm, alert: Alert, kind: str, at: int, reason: str | None = None) -> tuple[Alert, Told]:
        storm.last_shown = at
        alert.count = storm.folded
        alert.measures = {"folded": storm.folded, "open": len(storm.open), "keys": list(storm.keys)}
        return alert, alert.tell(kind, at, reason=reason)
