"""Sequences: one thing after another, for one key, within a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.reference.matches import Matching
from tests.reference.rule import Fields, Key, RefRule, holds
from tests.reference.running import newest

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


@dataclass
class Partial:
    """A partial match: when it began, the steps' events, and so the step it waits for."""

    start: int
    events: list[Fields]


class Sequence(Matching):
    """One partial match a key; an event plays one role only."""

    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.partials: dict[Key, Partial] = {}

    def release(self, event: Fields) -> None:
        values = self.key_of(event)
        if values is None:
            return
        partial = self.partials.get(values)
        if partial is not None and event["time"] > partial.start + self.rule.within:
            self._end(values, partial)
            partial = None
        first = self.rule.sequence[0]
        if partial is None:
            if event["feed"] == first.feed and holds(first.where, event):
                self.partials[values] = Partial(event["time"], [event])
            return
        step = self.rule.sequence[len(partial.events)]
        if step.unless and event["feed"] == step.unless[0] and holds(step.unless[1], event):
            del self.partials[values]
        elif event["feed"] == step.feed and holds(step.where, event):
            if step.absent:
                del self.partials[values]
                return
            partial.events.append(event)
            if len(partial.events) == len(self.rule.sequence):
                del self.partials[values]
                self._complete(values, event["time"], partial)

    def _end(self, values: Key, partial: Partial) -> None:
        """The time is up: what waited for an absence has found it."""
        del self.partials[values]
        if self.rule.sequence[len(partial.events)].absent:
            self._complete(values, partial.start + self.rule.within, partial)

    def _complete(self, values: Key, at: int, partial: Partial) -> None:
        events = tuple(event["id"] for event in partial.events)
        place = (newest(partial.events, "subject"), newest(partial.events, "region"))
        self.match(self.key_dict(values), at, self.rule.ladder[0][0], {}, events, place)

    def due(self) -> int | None:
        ends = [partial.start + self.rule.within for partial in self.partials.values()]
        closing = super().due()
        return min(ends + ([] if closing is None else [closing]), default=None)

    def fire(self, at: int) -> None:
        for values, partial in list(self.partials.items()):
            if partial.start + self.rule.within == at:
                self._end(values, partial)
        super().fire(at)
