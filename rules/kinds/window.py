"""``window``: evaluations over the measures of tumbling and hopping windows (at their end) and of sliding ones (at an event)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events.times import format_ms
from events.transition import Evidence
from rules.aggregates import Values, frame_of
from rules.arrays import Ints
from rules.book import AlertBook, Opening
from rules.episodes import Change, Evaluations
from rules.keys import KeyIndex
from rules.kinds.runtime import SEVERITY_OF, EpisodeRuntime, event_value
from rules.model import Expr, Rule
from rules.panes import Fired
from rules.plan import verdict
from rules.sliding import Slid
from rules.stretch import Passage, Stretch

_VERDICT, _CLEAR = " verdict", " clear"  # no name of a measure begins with a space


class Judged:
    """The measures of a rule's evaluations and what they come to."""

    def __init__(self, rule: Rule, keys: KeyIndex, codes: Ints, measures: pl.DataFrame) -> None:
        scope = with_key(measures, _judging(rule), keys, codes)
        clear = [] if rule.clear is None else [rule.clear.expr.fill_null(value=False).alias(_CLEAR)]
        #: the measures, with what was judged beside them
        self._frame = scope.with_columns(verdict(rule.when, rule.severity).alias(_VERDICT), *clear)
        self._names = measures.columns
        self.verdict: NDArray[np.int8] = self._frame[_VERDICT].to_numpy()
        self.clear = self._frame[_CLEAR].to_numpy() if clear else None

    def row(self, row: int) -> dict[str, Any]:
        return {name: self._frame[name][row] for name in self._names}


def measured(rule: Rule, values: Values) -> pl.DataFrame:
    """The measures of windows from their aggregates."""
    return frame_of(values).select(**{measure.name: measure.expr.expr for measure in rule.measures})


def with_key(frame: pl.DataFrame, reading: Iterable[Expr], keys: KeyIndex, codes: Ints) -> pl.DataFrame:
    """The measures, and beside them the key's fields that any of the expressions reads."""
    named = {field for expr in reading for field in expr.fields} & set(keys.by)
    return frame.hstack(keys.values().select(sorted(named))[codes]) if named else frame


def _judging(rule: Rule) -> list[Expr]:
    ladder = [condition for _, condition in rule.severity if condition is not None]
    return [expr for expr in (rule.when, rule.clear, *ladder) if expr is not None]


class Windowed(EpisodeRuntime):
    """Tumbling, hopping and session windows."""

    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, regions: KeyIndex) -> None:
        super().__init__(rule, keys, book)
        self._regions = regions
        # All evaluations at an instant are made as soon as the watermark reaches it; but a session may still be joined there.
        self.closes_when_passed = rule.window is not None and rule.window.shape == "session"

    def measured(self, fired: Fired) -> pl.DataFrame:
        return measured(self.rule, fired.values)

    def take(self, fired: Fired | None, passage: Passage) -> None:
        if fired is None:
            return
        rule = self.rule
        judged = Judged(rule, self.keys, fired.code, self.measured(fired))

        def describe(change: Change) -> Opening:
            assert change.row is not None
            key = self.key(change.code)
            start, end = int(fired.start[change.row]), int(fired.end[change.row])
            region = int(fired.region[change.row])
            return Opening(
                at_ms=change.at,
                severity=SEVERITY_OF[change.rank],
                region=self.place(key, region),
                subject=str(key["subject"]) if "subject" in key else None,
                measures=judged.row(change.row),
                evidence=Evidence(rule.feed, key, format_ms(start), format_ms(end)),
            )

        evaluations = Evaluations(fired.code, fired.end, judged.verdict, judged.clear)
        changes = self.episodes.run(evaluations, keys=self.keys.size)
        over = passage.passed if self.closes_when_passed else passage.reached
        self.apply(changes, describe, lambda row: int(over(fired.end[row])), passage)

    def place(self, key: dict[str, Any], region: int) -> str | None:
        """The key's own region, or where its subject was last heard; a sum over many subjects has none."""
        if "region" in key:
            return str(key["region"])
        if "subject" not in key or region < 0:
            return None
        return str(self._regions.key(region)["region"])


class Sliding(EpisodeRuntime):
    def take(self, slid: Slid | None, stretch: Stretch) -> None:
        if slid is None:
            return
        rule = self.rule
        judged = Judged(rule, self.keys, slid.code, measured(rule, slid.values))
        window = rule.window
        assert window is not None

        def describe(change: Change) -> Opening:
            assert change.row is not None
            row = int(slid.rows[change.row])
            key = self.key(change.code)
            return Opening(
                at_ms=change.at,
                severity=SEVERITY_OF[change.rank],
                # a sum over many subjects is about none of them
                region=event_value(stretch, row, "region") if {"subject", "region"} & key.keys() else None,
                subject=str(key["subject"]) if "subject" in key else None,
                measures=judged.row(change.row),
                evidence=Evidence(
                    rule.feed,
                    key,
                    format_ms(change.at - window.size_ms + 1),
                    format_ms(change.at),
                    (str(stretch.value(row, "id")),),
                ),
            )

        evaluations = Evaluations(slid.code, stretch.time[slid.rows], judged.verdict, judged.clear)
        changes = self.episodes.run(evaluations, keys=self.keys.size)
        self.apply(changes, describe, lambda row: int(stretch.cause[slid.rows[row]]), stretch.passage)
