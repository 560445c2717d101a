"""A second, slow and obvious evaluator of the contract: one record at a time, plain dicts and Python callables.

It is written from the contract alone and shares no code with the engine, so that the two can be held against each other
(``test_engine_properties.py``). Where the contract is silent, the choice made here is marked ``Decided:``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.reference.absent import Absent
from tests.reference.alerts import Alert, Ledger, Told, order
from tests.reference.baseline import Baselined
from tests.reference.clock import ALERT, Watermarks, log_time
from tests.reference.each import Each
from tests.reference.new import New
from tests.reference.over_alerts import SOURCE, as_event, sees
from tests.reference.panes import Panes
from tests.reference.rule import Fields, RefFeed, RefRule
from tests.reference.running import Running
from tests.reference.sequence import Sequence
from tests.reference.session import Sessions
from tests.reference.sliding import Sliding
from tests.reference.storms import Storms

DEDUPE_HORIZON_MS = 86_400_000


class Reference:
    """``step(record)`` gives the transitions of one record, in their order, as dicts.

    Records: ``("event", pos, event)``, ``("tick", pos, at)``, ``("act", pos, act)`` with act = {id, at, alert, verb, by, note,
    to}, ``("rules", pos, (at, rules, tables))`` (an activation), ``("end", pos, at or None)``. Without an activation ``rules`` are in
    force from the beginning, as in a replay.
    """

    def __init__(self, rules: list[RefRule], feeds: Mapping[str, RefFeed], *, dedupe: bool = False) -> None:
        self.marks = Watermarks(feeds)
        self.ledger = Ledger()
        self.storms = Storms(self.ledger)
        self.running: list[Running] = []
        #: lists and tables as they now are, by name
        self.tables: Mapping[str, Any] = {}
        self.waiting: list[Running] = []
        self.dedupe = dedupe
        self.seen: dict[tuple[str, str], int] = {}
        self.duplicates = 0
        self.late: dict[tuple[str, str], int] = {}
        self.refused: list[str] = []
        self._in_force(rules)

    def step(self, record: tuple[str, int, Any]) -> list[Told]:
        what, pos, body = record
        alerts_before = self.marks.of(ALERT)
        event, late = None, False
        if what == "event":
            event, late = self._event(body)
        elif what == "tick":
            self.marks.tick(body)
        elif what == "end":
            self.marks.end(body)
        elif what == "rules":
            self._activate(*body)
        else:
            self._act(body)

        def mark(rule: RefRule) -> int:
            return self.marks.least(rule.feeds)

        told = self.storms.pass_on(self.ledger.take(), mark)
        for level in sorted({running.rule.level for running in self.running}):
            same = [running for running in self.running if running.rule.level == level]
            # What the rules below told in this record arrives after the record itself.
            for running in same:
                if event is not None and event["feed"] in running.rule.feeds:
                    running.arrive(event, late=late)
                for alert, one in told:
                    if sees(running.rule, alert):
                        running.arrive(self.visible(as_event(one)), late=one["at"] < alerts_before)
                running.advance(self.marks.least(running.rule.feeds))
            told = _merged(told, self.storms.pass_on(self.ledger.take(), mark, level))
        if what == "end":
            told = _merged(told, self.storms.finish(self.marks.clock))
        if any(ALERT in running.rule.feeds for running in self.running):
            self._count_late([(ALERT, SOURCE) for _, one in told if one["at"] < alerts_before])
        return [one | {"cause": pos} for _, one in told]

    def visible(self, fields: Fields) -> Fields:
        """The fields with the tables beside them that their expressions may look into."""
        return {**fields, "tables": self.tables}

    # --- events

    def repeated(self, event: Fields) -> bool:
        """Whether this (source, id) was seen within the horizon, by the log's clock at this row."""
        now = max(self.marks.clock, log_time(event))
        before = self.seen.get((event["source"], event["id"]))
        if before is not None and now - before <= DEDUPE_HORIZON_MS:
            return True
        self.seen[event["source"], event["id"]] = now
        return False

    def _event(self, event: Fields) -> tuple[Fields | None, bool]:
        """-> the event as the rules see it, None for a repeated one; and whether it is late."""
        if self.dedupe and self.repeated(event):
            self.duplicates += 1
            return None, False
        late = event["time"] < self.marks.of(event["feed"])
        if late:
            self._count_late([(event["feed"], event["source"])])
        self.marks.event(event)
        # Decided: the first event by the log's clock, so at most its receipt.
        self._begin(self.marks.clock)
        # Decided: an event is looked up in the tables that were in force when it arrived.
        return self.visible(event), late

    def _count_late(self, names: list[tuple[str, str]]) -> None:
        for name in names:
            self.late[name] = self.late.get(name, 0) + 1

    # --- rules

    def _in_force(self, rules: list[RefRule]) -> None:
        """These rules and no others; one of the same id and version goes on where it was."""
        before = {(running.rule.id, running.rule.version): running for running in self.running}
        self.running, self.waiting = [], []
        for rule in rules:
            if rule.mode == "off":
                continue
            running = before.get((rule.id, rule.version))
            if running is None:
                running = make(rule, self)
                self.waiting.append(running)
            else:
                running.rule = rule
            self.running.append(running)
        self.marks.speaking = {feed for rule in rules if rule.mode != "off" for feed in rule.feeds} - {ALERT}

    def _activate(self, at: int, rules: list[RefRule], tables: Mapping[str, Any]) -> None:
        before = self.running
        self.tables = tables
        self._in_force(rules)
        self.storms.keep({rule.id for rule in rules})
        still = {running.rule.id for running in self.running}
        for running in before:
            if running not in self.running:
                running.retire(at, "rule_changed" if running.rule.id in still else "rule_removed")
        self._begin(at)

    def _begin(self, at: int) -> None:
        """New rules come into force: at their activation, in a replay at the first event."""
        for running in self.waiting:
            running.begin(at)
        self.waiting = []

    # --- acts

    def _act(self, act: Mapping[str, Any]) -> None:
        alert, ends = self.ledger.act(act)
        if alert is None:
            self.refused.append(act["id"])
        elif ends:
            self.storms.end(alert)
            for running in self.running:
                running.resolved(alert)


def make(rule: RefRule, home: Reference) -> Running:
    if rule.kind == "window":
        assert rule.window
        return {"sliding": Sliding, "session": Sessions}.get(rule.window.shape, Panes)(rule, home)
    kinds = {"each": Each, "absent": Absent, "sequence": Sequence, "new": New, "baseline": Baselined}
    return kinds[rule.kind](rule, home)


def _merged(one: list[tuple[Alert, Told]], other: list[tuple[Alert, Told]]) -> list[tuple[Alert, Told]]:
    return sorted(one + other, key=lambda pair: order(pair[1]))
