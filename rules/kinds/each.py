"""``each``: every matching event is an evaluation, in arrival order."""

from __future__ import annotations

import numpy as np

from events.feeds import ALERT_FEED
from events.times import format_ms
from events.transition import Evidence
from rules.arrivals import Arrivals, Arrived
from rules.book import AlertBook, Opening
from rules.episodes import Change, Evaluations
from rules.judging import Held, Jury, Scene, Sheet
from rules.keys import KeyIndex
from rules.kinds.runtime import SEVERITY_OF, EpisodeRuntime, Shown, event_value
from rules.model import Rule
from rules.plan import FeedPlan
from rules.stretch import Passage, Stretch


class Each(EpisodeRuntime):
    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, plan: FeedPlan) -> None:
        super().__init__(rule, keys, book, in_arrival_order=True)
        plan.look(rule)
        self._shown = Shown(rule, plan.catalog)
        self.text = self._shown.columns

    def take(self, stretch: Stretch, arrived: Arrived, scene: Scene, held: Held | None) -> None:
        """All events of the feed as they came, late ones too. ``held``: those at which the rule holds."""
        rows = arrived.rows
        evaluations = Evaluations(
            arrived.code,
            arrived.time,
            np.zeros(len(rows), np.int8) if held is None else held.dense(len(rows)),
            None if self.rule.clear is None else scene.holds(self.rule.clear),
            arrived.before,
            arrived.late,
            stretch.cause[rows] if self.rule.feed == ALERT_FEED else None,
        )

        def describe(change: Change) -> Opening:
            assert change.row is not None
            return self._describe(stretch, int(rows[change.row]), change)

        self.apply(
            self.episodes.run(evaluations, keys=self.keys.size, taken=self._taken),
            describe,
            lambda row: int(stretch.cause[rows[row]]),
            stretch.passage,
        )

    def _taken(self, code: int, at_ms: int) -> bool:
        return self.book.has_opened(self.rule, self.key(code), at_ms)

    def _describe(self, stretch: Stretch, row: int, change: Change) -> Opening:
        when = format_ms(change.at)
        return Opening(
            at_ms=change.at,
            severity=SEVERITY_OF[change.rank],
            region=event_value(stretch, row, "region"),
            subject=event_value(stretch, row, "subject"),
            measures=self._shown.values(stretch, row),
            evidence=Evidence(self.rule.feed, self.key(change.code), when, when, (str(stretch.value(row, "id")),)),
        )


class EachGroup:
    """Rules over the same events and keys, judged together."""

    def __init__(self, mask: str | None, codes: str, keys: KeyIndex) -> None:
        self.arrivals = Arrivals(mask, codes, keys)
        self.rules: list[Each] = []
        self._jury: Jury | None = None

    def add(self, rule: Each) -> None:
        self.rules.append(rule)

    def take(self, stretch: Stretch, sheet: Sheet) -> None:
        if self._jury is None:
            self._jury = Jury([(each.rule.when, each.rule.severity) for each in self.rules])
        arrived, keyless = self.arrivals.take(stretch)
        if keyless:
            for each in self.rules:
                each.keyless += keyless
        if arrived is None:
            return
        everything = len(arrived.rows) == len(stretch)
        scene = Scene(sheet, None if everything else arrived.rows, len(arrived.rows))
        for each, held in zip(self.rules, self._jury.judge(scene), strict=True):
            if held is not None or not each.episodes.idle:
                each.take(stretch, arrived, scene, held)

    def pass_time(self, passage: Passage) -> None:
        for each in self.rules:
            if not each.episodes.idle:
                each.pass_time(passage)
