"""Kind each: every event is an evaluation."""

from __future__ import annotations

from typing import Any

from tests.reference.episodes import Episode, Episodic
from tests.reference.rule import Fields, Key, first_rung, holds


class Each(Episodic):
    """Evaluated on arrival, late or not; only ``clear_after`` waits for the watermark."""

    def arrive(self, event: Fields, *, late: bool) -> None:
        del late
        values = self.key_of(event)
        if values is None or not self.exists(event):
            return
        measures = {name: event.get(name) for name in self.rule.shown}
        episode = self.episodes.setdefault(values, Episode())
        if event["time"] < episode.last_evaluated:
            self._older(episode, values, event, measures)
        else:
            place = (event.get("subject"), event.get("region"))
            self.evaluate(values, event["time"], event, measures, (event["id"],), place)

    def _older(self, episode: Episode, values: Key, event: Fields, measures: dict[str, Any]) -> None:
        """It may open, but neither closes nor updates (nor counts). With ``hold`` it can open nothing: it is in no run."""
        rule = self.rule
        severity = first_rung(rule, event)
        cleared = rule.clear is not None and holds(rule.clear, event)
        if severity is None or cleared or not holds(rule.when, event) or episode.alert or rule.hold:
            return
        place = (event.get("subject"), event.get("region"))
        episode.alert = self.ledger.open(
            rule, self.key_dict(values), event["time"], severity, measures, (event["id"],), place
        )
        episode.last_true = episode.last_shown = event["time"]
