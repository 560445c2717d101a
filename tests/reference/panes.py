"""Tumbling and hopping windows: evaluated at each window's end, for every key that has an event in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.reference.episodes import Episodic
from tests.reference.rule import Fields, Key, RefRule

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


class Panes(Episodic):
    waits_past = False

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.events: dict[Key, list[Fields]] = {}
        self.ends: set[tuple[int, Key]] = set()
        #: of every key, also those that were judged
        self.all_ends: dict[Key, set[int]] = {}

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None:
            return
        self.events.setdefault(values, []).append(event)
        ends = self.ends_over(event["time"])
        self.ends |= {(end, values) for end in ends}
        self.all_ends.setdefault(values, set()).update(ends)

    def ends_over(self, time: int) -> list[int]:
        """The ends of all windows that this instant lies in, the latest first."""
        window = self.rule.window
        assert window
        last_start = (time - window.offset) // window.every * window.every + window.offset
        return [start + window.size for start in range(last_start, time - window.size, -window.every)]

    def due(self) -> int | None:
        return min([end for end, _ in self.ends] + self.closings(), default=None)

    def fire(self, at: int) -> None:
        for end, values in sorted(self.ends, key=str):
            if end == at:
                self.ends.discard((end, values))
                measures = self.measures(values, end)
                before = [event for event in self.events[values] if event["time"] < end]
                fields = self.home.visible(self.key_dict(values) | measures)
                self.evaluate(values, end, fields, measures, (), self.place(values, before))
        super().fire(at)

    def measures(self, values: Key, end: int) -> dict[str, Any]:
        """What the rule measures over the window that ends at ``end``: [start, end)."""
        assert self.rule.window
        start = end - self.rule.window.size
        inside = [event for event in self.events[values] if start <= event["time"] < end]
        return {name: measure(inside) for name, measure in self.rule.measures.items()}
