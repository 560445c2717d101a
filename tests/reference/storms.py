"""Storms: what a rule opens beyond its bounds is folded into one alert that counts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

from tests.reference.alerts import Alert, Ledger, Told, key_json, order, worse
from tests.reference.rule import NEVER, RefRule

MINUTE_MS = 60_000
SAMPLE = 20

Pairs = list[tuple[Alert, Told]]


@dataclass
class Storm:
    """What has been folded since the last storm was over; ``open``: what of it is not over. ``alert`` counts it, once there is one."""

    rule: RefRule
    alert: Alert | None = None
    folded: int = 0
    open: list[Alert] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    #: of all that was folded
    severity: str = ""
    last_shown: int = NEVER
    #: what was counted then
    told: tuple[int, int] = (0, 0)

    @property
    def counts(self) -> tuple[int, int]:
        return self.folded, len(self.open)

    @property
    def untold(self) -> bool:
        return self.alert is not None and self.counts != self.told

    def rise(self, severity: str) -> None:
        if not self.severity or worse(severity, self.severity):
            self.severity = severity


class Storms:
    """Reads what the rules tell, in the order of transitions, and lets through what is told.

    A storm is told once for what happens at one instant of one record: at once where it begins, becomes worse, has doubled or is over, else no more
    often than ``update_every``; but what it counts is never older than that.
    """

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

    def keep(self, rules: set[str]) -> None:
        """Decided: a rule that comes back begins anew."""
        self.openings = {rule: openings for rule, openings in self.openings.items() if rule in rules}

    def pass_on(self, told: Pairs, mark: Callable[[RefRule], int], level: int | None = None) -> Pairs:
        """What one record made. ``mark``: where a rule's watermark stands after it; ``level``: of the rules that have come so far."""
        out: Pairs = []
        for at, moment in groupby(told, key=lambda pair: pair[1]["at"]):
            out += self._moment(at, list(moment), mark)
        for storm in self.storms.values():
            if storm.rule.level == level:
                out += self._due(storm, mark)
        return sorted(out, key=lambda pair: order(pair[1]))

    def finish(self, at: int) -> Pairs:
        """At the end of a replay all is told."""
        return [self._tell(storm, "updated", at) for storm in self.storms.values() if storm.untold]

    def _moment(self, at: int, moment: Pairs, mark: Callable[[RefRule], int]) -> Pairs:
        out: Pairs = []
        touched: dict[str, str | None] = {}
        for alert, one in moment:
            rule = alert.rule
            active = self.active.setdefault(rule.id, set())
            known = alert in self.folded
            if known or (one["type"] == "opened" and self._bounded(rule, at)):
                if rule.id not in touched and rule.id in self.storms:
                    out += self._due(self.storms[rule.id], mark, before=at)
                touched[rule.id] = one["reason"]
                (self._follow if known else self._fold)(alert, one)
                continue
            if one["type"] == "opened":
                active.add(alert.id)
                self.openings.setdefault(rule.id, []).append(at)
            elif one["condition"] == "cleared":
                active.discard(alert.id)
            out.append((alert, one))
        for name, reason in touched.items():
            if name in self.storms:
                out += self._grown(self.storms[name], at, reason)
        return out

    def _due(self, storm: Storm, mark: Callable[[RefRule], int], before: int | None = None) -> Pairs:
        """Told because nothing else has told it for so long."""
        due = storm.last_shown + storm.rule.update_every
        if not storm.untold or mark(storm.rule) <= due or (before is not None and due >= before):
            return []
        return [self._tell(storm, "updated", due)]

    def _bounded(self, rule: RefRule, at: int) -> bool:
        if len(self.active[rule.id]) >= rule.max_open:
            return True
        lately = [opening for opening in self.openings.get(rule.id, []) if at - MINUTE_MS < opening <= at]
        return rule.max_rate is not None and len(lately) >= rule.max_rate

    def _fold(self, alert: Alert, one: Told) -> None:
        """An opening that gets no alert of its own."""
        storm = self.storms.setdefault(alert.rule.id, Storm(alert.rule))
        storm.rule = alert.rule
        del self.ledger.alerts[alert.id]
        self.folded.append(alert)
        storm.folded += 1
        storm.open.append(alert)
        storm.rise(one["severity"])
        if len(storm.keys) < SAMPLE:
            storm.keys.append(key_json(one["key"]))

    def _follow(self, alert: Alert, one: Told) -> None:
        """What became of something folded."""
        storm = self.storms.get(alert.rule.id)
        over = one["condition"] == "cleared"
        if over:
            self.folded.remove(alert)
        if storm is None or alert not in storm.open:
            return
        if over:
            storm.open.remove(alert)
        else:
            storm.rise(one["severity"])

    def _grown(self, storm: Storm, at: int, reason: str | None) -> Pairs:
        """What a moment made of a storm."""
        out: Pairs = []
        if storm.alert is None:
            storm.alert = self.ledger.name(storm.rule, {"storm": storm.rule.id}, at, storm.severity)
            # Decided: two storms in one millisecond are one, which is over; what is folded is told by the next.
            if storm.alert is None:
                return []
            out.append(self._tell(storm, "opened", at))
        if not storm.open:
            del self.storms[storm.rule.id]
            storm.alert.condition, storm.alert.closed = "cleared", at
            if storm.severity in storm.rule.auto_resolve:
                storm.alert.state = "resolved"
            out.append(self._tell(storm, "closed", at, reason))
        elif worse(storm.severity, storm.alert.severity):
            out.append(self._tell(storm, "escalated", at))
        elif storm.untold and (at >= storm.last_shown + storm.rule.update_every or storm.folded >= 2 * storm.told[0]):
            out.append(self._tell(storm, "updated", at))
        return out

    def _tell(self, storm: Storm, kind: str, at: int, reason: str | None = None) -> tuple[Alert, Told]:
        alert = storm.alert
        assert alert is not None
        storm.last_shown, storm.told = at, storm.counts
        alert.severity, alert.count = storm.severity, storm.folded
        alert.measures = {"folded": storm.folded, "open": len(storm.open), "keys": list(storm.keys)}
        return alert, alert.tell(kind, at, reason=reason)
