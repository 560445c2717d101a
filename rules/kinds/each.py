"""``each``: every matching event is an evaluation, in arrival order."""

from __future__ import annotations

from events.times import format_ms
from events.transition import Evidence
from rules.book import AlertBook, Opening
from rules.episodes import Change, Evaluations
from rules.keys import KeyIndex
from rules.kinds.runtime import SEVERITY_OF, EpisodeRuntime, Shown, event_value
from rules.model import Rule
from rules.plan import FeedPlan
from rules.stretch import Stretch


class Each(EpisodeRuntime):
    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, plan: FeedPlan) -> None:
        super().__init__(rule, keys, book, in_arrival_order=True)
        self._mask = plan.mask(rule.where, rule.only)
        self._codes = plan.key(keys)
        self._verdict = plan.verdict(rule)
        self._clear = plan.mask(rule.clear)
        self._shown = Shown(rule, plan.catalog)
        self.text = self._shown.columns

    def take(self, stretch: Stretch) -> None:
        """All events of the feed as they came, late ones too."""
        rows, keyless = stretch.select(self._mask, self._codes)
        self.keyless += keyless
        some = slice(None) if len(rows) == len(stretch) else rows  # a slice copies nothing
        evaluations = Evaluations(
            stretch.columns[self._codes][some],
            stretch.time[some],
            stretch.columns[self._verdict][some],
            stretch.columns[self._clear][some] if self._clear else None,
            stretch.passage.before(stretch.cause[some]),
        )

        def describe(change: Change) -> Opening:
            assert change.row is not None
            return self._describe(stretch, int(rows[change.row]), change)

        self.apply(
            self.episodes.run(evaluations, keys=self.keys.size),
            describe,
            lambda row: int(stretch.cause[rows[row]]),
            stretch.passage,
        )

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
