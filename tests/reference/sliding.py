"""Sliding windows: evaluated at each released event, over those of its key in (time - size, time] released so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.episodes import Episodic
from tests.reference.rule import Fields, Key, RefRule

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


class Sliding(Episodic):
    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.events: dict[Key, list[Fields]] = {}

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None:
            return
        assert self.rule.window
        size = self.rule.window.size
        self.events.setdefault(values, []).append(event)
        inside = [other for other in self.events[values] if event["time"] - size < other["time"]]
        measures = {name: measure(inside) for name, measure in self.rule.measures.items()}
        fields = self.home.visible(self.key_dict(values) | measures)
        self.evaluate(values, event["time"], fields, measures, (event["id"],), self.place(values, [event]))
