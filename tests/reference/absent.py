"""Absence: a key had a matching event at t and none in (t, t + D]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.alerts import Alert
from tests.reference.rule import NEVER, Fields, Key, RefRule, holds
from tests.reference.running import Running

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


class Absent(Running):
    """Opens at last heard + D; an event of the key closes it."""

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.heard: dict[Key, int] = {}
        self.silent: dict[Key, Alert | None] = {}
        self.events: dict[Key, list[Fields]] = {}

    def begin(self, at: int) -> None:
        for values in self.rule.expect:
            self.heard.setdefault(values, at)

    def exists(self, event: Fields) -> bool:
        """What must report is heard at all times: only the alert keeps to the calendar."""
        return holds(self.rule.where, event)

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None:
            return
        self.events.setdefault(values, []).append(event)
        self.heard[values] = max(self.heard.get(values, NEVER), event["time"])
        alert = self.silent.pop(values, None)
        if alert and alert.condition == "active":
            alert.show(alert.severity, {}, (event["id"],), self.place(values, self.events[values]))
            self.ledger.close(alert, event["time"])

    def _due(self, values: Key) -> int:
        """What falls due outside the calendar opens at the next beginning."""
        due = self.heard[values] + self.rule.absent
        return due if self.rule.only is None else self.rule.only.next(due)

    def due(self) -> int | None:
        return min((self._due(values) for values in self.heard if values not in self.silent), default=None)

    def fire(self, at: int) -> None:
        for values in self.heard:
            if values not in self.silent and self._due(values) == at:
                severity = self.rule.ladder[0][0]
                place = self.place(values, self.events.get(values, []))
                # Remembered as silent even after a person resolved the alert, until an event comes.
                self.silent[values] = self.ledger.open(self.rule, self.key_dict(values), at, severity, {}, (), place)

    def active(self) -> list[Alert]:
        return [alert for alert in self.silent.values() if alert and alert.condition == "active"]
