"""Kinds whose keys are evaluated again and again: contract section 3, Episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.reference.alerts import Alert, Place, worse
from tests.reference.rule import NEVER, Fields, Key, RefRule, first_rung, holds
from tests.reference.running import Running

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


@dataclass
class Episode:
    """What a rule remembers of one key."""

    alert: Alert | None = None
    run_since: int | None = None
    last_true: int = NEVER
    last_shown: int = NEVER
    last_evaluated: int = NEVER


class Episodic(Running):
    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.episodes: dict[Key, Episode] = {}

    def due(self) -> int | None:
        return min(self.closings(), default=None)

    def fire(self, at: int) -> None:
        for episode in self.episodes.values():
            self._expire(episode, at)

    def resolved(self, alert: Alert) -> None:
        for episode in self.episodes.values():
            if episode.alert is alert:
                episode.alert = None
                episode.run_since = None  # Decided: what ``hold`` asks for is asked for again.

    def active(self) -> list[Alert]:
        return [episode.alert for episode in self.episodes.values() if episode.alert]

    def closings(self) -> list[int]:
        after = self.rule.clear_after
        if after is None:
            return []
        return [episode.last_true + after for episode in self.episodes.values() if episode.alert]

    def _expire(self, episode: Episode, now: int) -> None:
        """Close what had no true evaluation for ``clear_after``: at that instant, if it lies at or before ``now``."""
        after = self.rule.clear_after
        if after is not None and episode.alert and episode.last_true + after <= now:
            self._close(episode, episode.last_true + after)

    def _close(self, episode: Episode, at: int) -> None:
        assert episode.alert is not None
        self.ledger.close(episode.alert, at)
        episode.alert = None
        episode.run_since = None

    def evaluate(
        self,
        values: Key,
        at: int,
        fields: Fields,
        measures: dict[str, Any],
        events: tuple[str, ...],
        place: Place,
    ) -> None:
        """One evaluation of one key."""
        rule = self.rule
        episode = self.episodes.setdefault(values, Episode())
        # A closing before this evaluation comes first; one at this very instant waits for its outcome.
        self._expire(episode, at - 1)
        episode.last_evaluated = at
        severity = first_rung(rule, fields)
        true = rule.when is not None and holds(rule.when, fields) and severity is not None
        cleared = rule.clear is not None and holds(rule.clear, fields)
        alert = episode.alert
        if cleared or not true:
            episode.run_since = None
            if alert and (cleared or rule.clear is None):
                alert.show(alert.severity, measures, events, place)
                self._close(episode, at)
            return
        assert severity is not None
        episode.last_true = at
        if alert is None:
            if episode.run_since is None:
                episode.run_since = at
            if at - episode.run_since >= rule.hold:
                episode.alert = self.ledger.open(rule, self.key_dict(values), at, severity, measures, events, place)
                episode.last_shown = at
            return
        alert.count += 1
        if worse(severity, alert.severity):
            alert.show(severity, measures, events, place)
            self.ledger.tell(alert, "escalated", at)
            episode.last_shown = at
        elif at - episode.last_shown >= rule.update_every:
            alert.show(alert.severity, measures, events, place)
            self.ledger.tell(alert, "updated", at)
            episode.last_shown = at
