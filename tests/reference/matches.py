"""Kinds that are not evaluated again: every match opens an alert of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.reference.alerts import Alert, Place
from tests.reference.rule import RefRule
from tests.reference.running import Running

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


class Matching(Running):
    """``clear_after`` or a person closes what a match opened."""

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.open: list[Alert] = []

    def match(
        self,
        key: dict[str, Any],
        at: int,
        severity: str,
        measures: dict[str, Any],
        events: tuple[str, ...],
        place: Place,
    ) -> None:
        alert = self.ledger.open(self.rule, key, at, severity, measures, events, place)
        if alert:
            self.open.append(alert)

    def due(self) -> int | None:
        after = self.rule.clear_after
        return None if after is None else min((alert.opened + after for alert in self.open), default=None)

    def fire(self, at: int) -> None:
        after = self.rule.clear_after
        for alert in list(self.open):
            if after is not None and alert.opened + after == at:
                self.open.remove(alert)
                self.ledger.close(alert, at)

    def resolved(self, alert: Alert) -> None:
        if alert in self.open:
            self.open.remove(alert)

    def active(self) -> list[Alert]:
        return self.open
