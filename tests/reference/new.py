"""Kind new: a value that this key has not shown within memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reference.matches import Matching
from tests.reference.rule import NEVER, Fields, Key, RefRule, first_rung

if TYPE_CHECKING:
    from tests.reference.evaluator import Reference


class New(Matching):
    def __init__(self, rule: RefRule, home: Reference) -> None:
        super().__init__(rule, home)
        self.begun = NEVER
        self.seen: dict[Key, int] = {}

    def begin(self, at: int) -> None:
        self.begun = at

    def release(self, event: Fields) -> None:
        rule = self.rule
        values = tuple(event.get(name) for name in (*rule.by, *rule.new))
        if None in values:
            return
        now = event["time"]
        known = values in self.seen and now - self.seen[values] <= rule.memory
        self.seen[values] = now
        severity = first_rung(rule, event)
        if known or severity is None or now < self.begun + rule.learn:
            return
        key = dict(zip((*rule.by, *rule.new), values, strict=True))
        measures = {name: event.get(name) for name in rule.shown}
        self.match(key, now, severity, measures, (event["id"],), (event.get("subject"), event.get("region")))
