"""``baseline``: windows held against earlier windows of the same key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from rules.aggregates import frame_of
from rules.arrays import Bools, Floats, Ints, Renumbering
from rules.book import AlertBook
from rules.history import History
from rules.keys import KeyIndex
from rules.kinds.window import Windowed, measured, with_key
from rules.model import Aggregate, Baseline, Measure, Rule
from rules.panes import Fired
from rules.samples import between


class Baselined(Windowed):
    def __init__(self, rule: Rule, keys: KeyIndex, book: AlertBook, regions: KeyIndex) -> None:
        super().__init__(rule, keys, book, regions)
        window = rule.window
        assert window is not None, "a baseline has a window"
        aggregated = {
            name
            for one in rule.baseline
            for measure in one.measures
            for aggregate in measure.aggregates
            if aggregate.input is not None
            for name in aggregate.input.fields
        }
        empty = _over_nothing(rule.measures)
        reach = max(one.every_ms * (one.skip + one.last) for one in rule.baseline)
        self._history = History(
            depth=reach // window.every_ms + 1,
            step_ms=window.every_ms,
            silent_ms=rule.forget_ms - window.size_ms,
            empty={name: empty.get(name, np.nan) for name in sorted(aggregated)},
        )
        self._remembered = sorted(aggregated)

    def measured(self, fired: Fired) -> pl.DataFrame:
        """The measures of the windows and then of their baselines, window end after window end."""
        frame = measured(self.rule, fired.values)
        parts = []
        cuts = np.flatnonzero(np.diff(fired.end)) + 1
        for lo, hi in zip([0, *cuts.tolist()], [*cuts.tolist(), len(fired.end)], strict=True):
            parts.append(self._held_against(frame[lo:hi], fired.code[lo:hi], int(fired.end[lo])))
        return pl.concat(parts)

    def _held_against(self, frame: pl.DataFrame, codes: Ints, end: int) -> pl.DataFrame:
        self._history.begin(codes, end)
        for one in self.rule.baseline:
            ends = [end - one.every_ms * k for k in range(one.skip + one.last, one.skip, -1)]
            known, values = self._history.earlier(codes, ends, _read(one))
            aggregates = {
                aggregate.key: _over(aggregate, known, values)
                for measure in one.measures
                for aggregate in measure.aggregates
            }
            beside = frame_of(dict(aggregates))
            exprs = [measure.expr for measure in one.measures]
            scope = with_key(frame, exprs, self.keys, codes).hstack(beside)
            frame = frame.hstack(scope.select(**{measure.name: measure.expr.expr for measure in one.measures}))
        remembered = {
            name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in self._remembered
        }
        self._history.add(codes, end, remembered)
        return frame

    def renumber(self, renumbering: Renumbering) -> None:
        super().renumber(renumbering)
        self._history.renumber(renumbering)

    def state(self) -> dict[str, Any]:
        return super().state() | {"history": self._history.state()}

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._history.load(state["history"])


def _read(baseline: Baseline) -> list[str]:
    """The measures that a baseline's aggregates run over."""
    inputs = [one.input for measure in baseline.measures for one in measure.aggregates if one.input is not None]
    return sorted({name for value in inputs for name in value.fields})


def _over_nothing(measures: tuple[Measure, ...]) -> dict[str, float]:
    """What the measures of a window without events come to: counts are 0, all else is null."""
    aggregates = {one.key: one for measure in measures for one in measure.aggregates}
    counted = {
        key: np.zeros(1, np.int64) if one.op.startswith("count") else np.full(1, np.nan)
        for key, one in aggregates.items()
        if one.input is None or one.input.type != "string" or one.op.startswith("count")
    }
    numbers = [measure for measure in measures if measure.expr.type != "string"]
    if not numbers:
        return {}
    frame = frame_of(dict(counted)).select(
        **{measure.name: measure.expr.expr.cast(pl.Float64).fill_null(float("nan")) for measure in numbers}
    )
    return {name: float(frame[name][0]) for name in frame.columns}


def _over(aggregate: Aggregate, known: Bools, values: Mapping[str, Floats]) -> Any:
    """An aggregate over the earlier windows of each key: oldest first, one after the other, so that it rounds alike every time."""
    if aggregate.input is None:
        return known.sum(axis=1).astype(np.float64)
    keys, windows = known.shape
    flat = pl.DataFrame({name: pl.Series(array.ravel(), nan_to_null=True) for name, array in values.items()})
    made = flat.select(aggregate.input.expr.cast(pl.Float64).fill_null(float("nan")).alias("x"))["x"].to_numpy()
    x = np.where(known, made.reshape(keys, windows), np.nan)
    return _OVER[aggregate.op](x, aggregate.parameter)


def _count(x: Floats) -> Any:
    return np.count_nonzero(~np.isnan(x), axis=1).astype(np.float64)


def _sum(x: Floats) -> Any:
    total = np.zeros(len(x))
    for column in x.T:
        total += np.where(np.isnan(column), 0.0, column)
    return np.where(_count(x) > 0, total, np.nan)


def _average(x: Floats) -> Any:
    return _sum(x) / np.maximum(_count(x), 1)


def _deviation(x: Floats) -> Any:
    mean, count = _average(x), _count(x)
    squares = np.nan_to_num(_sum((x - mean[:, None]) ** 2))
    return np.where(count >= 2, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def _quantile(x: Floats, share: float | None) -> Any:
    assert share is not None, "a quantile has its share"
    ordered = np.sort(x, axis=1)  # NaN last
    count = _count(x).astype(np.int64)
    place = share * np.maximum(count - 1, 0)
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(count - 1, 0))
    rows = np.arange(len(x))
    return np.where(count > 0, between(ordered[rows, lower], ordered[rows, upper], place - lower), np.nan)


def _distinct(x: Floats) -> Any:
    ordered = np.sort(x, axis=1)
    differs = np.ones(x.shape, np.bool_)
    differs[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return np.count_nonzero(differs & ~np.isnan(ordered), axis=1).astype(np.float64)


def _first(x: Floats) -> Any:
    place = np.argmax(~np.isnan(x), axis=1)
    return x[np.arange(len(x)), place]


_OVER: dict[str, Callable[[Floats, float | None], Any]] = {
    "count": lambda x, _: _count(x),
    "count_distinct": lambda x, _: _distinct(x),
    "sum": lambda x, _: _sum(x),
    "avg": lambda x, _: _average(x),
    "min": lambda x, _: np.fmin.reduce(x, axis=1),
    "max": lambda x, _: np.fmax.reduce(x, axis=1),
    "stddev": lambda x, _: _deviation(x),
    "median": _quantile,
    "quantile": _quantile,
    "first": lambda x, _: _first(x),
    "last": lambda x, _: _first(x[:, ::-1]),
}
