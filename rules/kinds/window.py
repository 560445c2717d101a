"""``window``: evaluations over the measures of tumbling and hopping windows (at their end) and of sliding ones (at an event)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events.times import format_ms
from events.transition import Evidence
from rules.aggregates import Values, frame_of
from rules.arrays import Ints
from rules.book import AlertBook, Opening
from rules.episodes import Change, Evaluations
from rules.judging import Held, Jury, Scene, Sheet
from rules.keys import KeyIndex
from rules.kinds.runtime import SEVERITY_OF, EpisodeRuntime, event_value
from rules.model import Expr, Rule
from rules.panes import Fired
from rules.plan import judging
from rules.sliding import Slid
from rules.stretch import Passage, Stretch


class Judged:
    """What a rule's evaluations came to: where it holds, and the measures."""

    def __init__(self, rule: Rule, scene: Scene, sheet: Sheet, names: list[str], held: Held | None) -> None:
        self._sheet = sheet
        self._names = names
        self.verdict = np.zeros(scene.height, np.int8) if held is None else held.dense(scene.height)
        self.clear = None if rule.clear is None else scene.holds(rule.clear)

    def row(self, row: int) -> dict[str, Any]:
        return {name: self._sheet.cell(name, row) for name in self._names}


def measured(rule: Rule, values: Values) -> pl.DataFrame:
    """The measures of windows from their aggregates."""
    return frame_of(values).select(**{measure.name: measure.expr.expr for measure in rule.measures})


def with_key(frame: pl.DataFrame, reading: Iterable[Expr], keys: KeyIndex, codes: Ints) -> pl.DataFrame:
    """The measures, and beside them the key's fields that any of the expressions reads."""
    named = {field for expr in reading for field in expr.fields} & set(keys.by)
    return frame.hstack(keys.values().select(sorted(named))[codes]) if named else frame


R = TypeVar("R", bound=EpisodeRuntime)


class Panel(Generic[R]):
    """Rules with the same measures over one table, judged together."""

    def __init__(self, rules: list[R]) -> None:
        self.rules = rules
        self._keys = rules[0].keys
        self._measures = rules[0].rule.measures
        self._jury = Jury([(one.rule.when, one.rule.severity) for one in rules])
        self._judging = [expr for one in rules for expr in judging(one.rule)]

    def judge(self, values: Values, codes: Ints, measures: pl.DataFrame | None = None) -> list[tuple[R, Judged]]:
        """The rules that hold somewhere, or have something open. ``measures``: where they are not just those of ``values``."""

        def frame() -> pl.DataFrame:
            made = measured(self.rules[0].rule, values) if measures is None else measures
            return with_key(made, self._judging, self._keys, codes)

        ready: dict[str, NDArray[Any]] = {}
        if measures is None:
            for measure in self._measures:
                array = None if measure.expr.column is None else values.get(measure.expr.column)
                if isinstance(array, np.ndarray):
                    ready[measure.name] = array.astype(np.float64, copy=False)
        sheet = Sheet(frame, ready, integers={one.name for one in self._measures if one.expr.type == "integer"})
        scene = Scene(sheet, None, len(codes))
        names = [one.name for one in self._measures] if measures is None else measures.columns
        return [
            (one, Judged(one.rule, scene, sheet, names, held))
            for one, held in zip(self.rules, self._jury.judge(scene), strict=True)
            if held is not None or not one.episodes.idle
        ]

    def pass_time(self, passage: Passage) -> None:
        for one in self.rules:
            if not one.episodes.idle:
                one.pass_time(passage)


def panels(rules: list[R]) -> list[Panel[R]]:
    """Rules over one table, those with the same measures together."""
    groups: dict[object, list[R]] = {}
    for one in rules:
        alike = tuple((measure.name, measure.expr.text, measure.expr.type) for measure in one.rule.measures)
        groups.setdefault(one.rule.id if one.rule.baseline else alike, []).append(one)
    return [Panel(group) for group in groups.values()]


class Windowed(EpisodeRuntime):
    """Tumbling, hopping and session windows."""

    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, regions: KeyIndex) -> None:
        super().__init__(rule, keys, book)
        self._regions = regions
        # All evaluations at an instant are made as soon as the watermark reaches it; but a session may still be joined there.
        self.closes_when_passed = rule.window is not None and rule.window.shape == "session"

    def measured(self, fired: Fired) -> pl.DataFrame | None:  # noqa: ARG002 - a baseline looks at it
        """The measures, where they are not just those of the aggregates."""
        return None

    def take(self, fired: Fired, judged: Judged, passage: Passage) -> None:
        rule = self.rule

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
    def take(self, slid: Slid, judged: Judged, stretch: Stretch) -> None:
        rule = self.rule
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
