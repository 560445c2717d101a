"""Running statistics by key: what SQL's aggregates need, each updated in the order of the events.

Sums are added one event after the other in (time, arrival) order, so that they come out bit for bit the same however the
events were cut into batches; a spread is kept as count, mean and squared distance (Welford; merged after Chan et al. 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isnan
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rules.arrays import Floats, Ints, Renumbering, grown
from rules.jit import njit
from rules.keys import KeyIndex
from rules.model import Aggregate
from rules.plan import FeedPlan
from rules.samples import SAMPLED, Samples
from rules.stretch import Stretch

Stats = dict[str, NDArray[Any]]
#: aggregates by their keys, a row a window
Values = dict[str, NDArray[Any] | pl.Series]

#: statistic -> value of an empty key
_EMPTY = {"c": 0.0, "s": 0.0, "min": np.inf, "max": -np.inf, "mean": 0.0, "m2": 0.0, "first": np.nan, "last": np.nan}
_NEEDS = {
    "count": ("c",),
    "sum": ("c", "s"),
    "avg": ("c", "s"),
    "min": ("c", "min"),
    "max": ("c", "max"),
    "stddev": ("c", "mean", "m2"),
    "first": ("c", "first"),
    "last": ("c", "last"),
}
#: Different texts of a table after which those that nothing refers to any more are dropped.
_TEXTS = 10_000


@njit
def _rows(codes: Any, lo: int, hi: int, n: Any) -> None:
    for i in range(lo, hi):
        n[codes[i]] += 1


@njit
def _sums(codes: Any, x: Any, lo: int, hi: int, c: Any, s: Any) -> None:
    for i in range(lo, hi):
        v = x[i]
        if not isnan(v):
            c[codes[i]] += 1
            s[codes[i]] += v


@njit
def _total(codes: Any, x: Any, lo: int, hi: int, s: Any) -> None:
    for i in range(lo, hi):
        v = x[i]
        if not isnan(v):
            s[codes[i]] += v


@njit
def _drain(array: Any, codes: Any, fill: float, out: Any) -> None:
    for i in range(len(codes)):
        out[i] = array[codes[i]]
        array[codes[i]] = fill


@njit
def _add_at(into: Any, at: Any, later: Any) -> None:
    for i in range(len(at)):
        into[at[i]] += later[i]


@njit
def _counts(codes: Any, x: Any, lo: int, hi: int, c: Any) -> None:
    for i in range(lo, hi):
        if not isnan(x[i]):
            c[codes[i]] += 1


@njit
def _least(codes: Any, x: Any, lo: int, hi: int, out: Any) -> None:
    for i in range(lo, hi):
        if x[i] < out[codes[i]]:  # noqa: PLR1730 - a NaN must leave it as it is
            out[codes[i]] = x[i]


@njit
def _greatest(codes: Any, x: Any, lo: int, hi: int, out: Any) -> None:
    for i in range(lo, hi):
        if x[i] > out[codes[i]]:  # noqa: PLR1730 - likewise
            out[codes[i]] = x[i]


@njit
def _spread(codes: Any, x: Any, lo: int, hi: int, c: Any, mean: Any, m2: Any) -> None:
    """``c`` is counted here too: Welford's step needs the count at each event."""
    for i in range(lo, hi):
        v = x[i]
        if not isnan(v):
            k = codes[i]
            c[k] += 1
            d = v - mean[k]
            mean[k] += d / c[k]
            m2[k] += d * (v - mean[k])


@njit
def _first(codes: Any, x: Any, lo: int, hi: int, out: Any) -> None:
    for i in range(lo, hi):
        if isnan(out[codes[i]]) and not isnan(x[i]):
            out[codes[i]] = x[i]


@njit
def _last(codes: Any, x: Any, lo: int, hi: int, out: Any) -> None:
    for i in range(lo, hi):
        if not isnan(x[i]):
            out[codes[i]] = x[i]


class Inputs:
    """The inputs that a set of aggregates reads, and the statistics to keep of each. ``names``: plan columns."""

    def __init__(self, aggregates: list[Aggregate], plan: FeedPlan) -> None:
        self.stats: dict[str, tuple[str, ...]] = {}
        self.aggregates = {aggregate.key: aggregate for aggregate in aggregates if aggregate.op not in SAMPLED}
        self.samples = Samples(aggregates, plan)
        self.counts_rows = any(aggregate.input is None for aggregate in aggregates)
        self._column: dict[str, str] = {}
        #: columns of texts: a number stands for each
        self._texts: dict[str, KeyIndex] = {}
        self._tidy_texts = _TEXTS
        for aggregate in self.aggregates.values():
            if aggregate.input is None:
                continue
            if aggregate.input.type == "string" and aggregate.op != "count":
                column = plan.text(aggregate.input)
                self._texts.setdefault(column, KeyIndex((column,)))
            else:
                column = plan.presence(aggregate.input) if aggregate.op == "count" else plan.number(aggregate.input)
            self._column[aggregate.key] = column
            have = self.stats.get(column, ())
            self.stats[column] = tuple(name for name in _EMPTY if name in have or name in _NEEDS[aggregate.op])

    def counts(self, column: str) -> bool:
        """Whether an aggregate asks how many values the column has, and not only whether it has any."""
        ops = (aggregate.op for key, aggregate in self.aggregates.items() if self._column.get(key) == column)
        return "count" in ops

    def read(self, stretch: Stretch, rows: Ints) -> dict[str, NDArray[Any]]:
        """The columns of these rows; of texts their numbers."""
        numeric = (*(name for name in self.stats if name not in self._texts), *self.samples.columns)
        columns = {name: stretch.some(name, rows) for name in numeric}
        for name, index in self._texts.items():
            codes = index.encode([stretch.texts(rows, name)])
            columns[name] = np.where(codes >= 0, codes.astype(np.float64), np.nan)
        return columns

    def tidy_texts(self, stats: Callable[[str], Iterable[Floats]]) -> None:
        """Drop texts that are not among the numbers in use: ``stats`` gives all arrays of a column, which are changed in place."""
        for column, index in self._texts.items():
            if index.size <= self._tidy_texts:
                continue
            keep = np.zeros(index.size, np.bool_)
            arrays = list(stats(column))
            for array in arrays:
                keep[array[~np.isnan(array)].astype(np.int64)] = True
            renumbering = Renumbering(keep)
            for array in arrays:
                there = ~np.isnan(array)
                array[there] = renumbering.new[array[there].astype(np.int64)]
            index.forget(renumbering)
            self._tidy_texts = max(_TEXTS, 2 * index.size)

    def texts_state(self) -> dict[str, Any]:
        return {column: index.state() for column, index in self._texts.items()}

    def load_texts(self, state: dict[str, Any]) -> None:
        for column, saved in state.items():
            if column in self._texts:
                self._texts[column].load(saved)

    def empty(self, size: int) -> Stats:
        """``n`` (events) and ``column/stat`` arrays of an empty state."""
        out: Stats = {"n": np.zeros(size, np.int64)}
        for column, stats in self.stats.items():
            for stat in stats:
                out[f"{column}/{stat}"] = np.full(size, _EMPTY[stat])
        return out

    def grow(self, stats: Stats, size: int) -> Stats:
        return {name: grown(array, size, _fill(name)) for name, array in stats.items()}

    def drain(self, stats: Stats, codes: Ints) -> Stats:
        """The statistics of these keys, which are empty then."""
        out: Stats = {}
        for name, array in stats.items():
            out[name] = np.empty(len(codes), array.dtype)
            _drain(array, codes, _fill(name), out[name])
        return out

    def add(self, stats: Stats, codes: Ints, columns: dict[str, Floats], lo: int, hi: int) -> None:
        """Take rows lo to hi in order."""
        _rows(codes, lo, hi, stats["n"])
        for column, names in self.stats.items():
            x = columns[column]
            others = set(names) - {"c"}
            if "mean" in names:
                _spread(codes, x, lo, hi, stats[f"{column}/c"], stats[f"{column}/mean"], stats[f"{column}/m2"])
                others -= {"mean", "m2"}
            elif "s" in names:
                _sums(codes, x, lo, hi, stats[f"{column}/c"], stats[f"{column}/s"])
                others.remove("s")
            else:
                _counts(codes, x, lo, hi, stats[f"{column}/c"])
            for stat in sorted(others):
                _KERNELS[stat](codes, x, lo, hi, stats[f"{column}/{stat}"])

    def merge(self, into: Stats, at: Ints, later: Stats) -> None:
        """Add the statistics of a later pane, whose keys stand at ``at`` (each once) in ``into``."""
        _add_at(into["n"], at, later["n"])
        for column, names in self.stats.items():
            a = {name: into[f"{column}/{name}"] for name in names}
            b = {name: later[f"{column}/{name}"] for name in names}
            if "mean" in names:
                _merge_spread(a, b, at)
            if "s" in names:
                _add_at(a["s"], at, b["s"])
            if "min" in names:
                a["min"][at] = np.minimum(a["min"][at], b["min"])
            if "max" in names:
                a["max"][at] = np.maximum(a["max"][at], b["max"])
            if "first" in names:
                a["first"][at] = np.where(np.isnan(a["first"][at]), b["first"], a["first"][at])
            if "last" in names:
                a["last"][at] = np.where(np.isnan(b["last"]), a["last"][at], b["last"])
            _add_at(a["c"], at, b["c"])

    def finish(self, stats: Stats) -> Values:
        """Statistics -> aggregates by their keys; NaN stands for null. Those of samples are theirs to finish."""
        out: Values = {}
        for key, aggregate in self.aggregates.items():
            if aggregate.input is None:
                out[key] = stats["n"]
                continue
            column = self._column[key]
            c = stats[f"{column}/c"]
            if column in self._texts:
                out[key] = self._told(column, stats[f"{column}/{aggregate.op}"])
                continue
            out[key] = _FINISH[aggregate.op]({name: stats[f"{column}/{name}"] for name in self.stats[column]}, c)
        return out

    def _told(self, column: str, numbers: Floats) -> pl.Series:
        """The texts that numbers stand for."""
        known = self._texts[column]
        if not known.size:
            return pl.repeat(None, len(numbers), dtype=pl.String, eager=True)
        places = pl.Series(numbers, nan_to_null=True).cast(pl.UInt32)
        return known.values()[column].gather(places)


def frame_of(values: Values) -> pl.DataFrame:
    """Aggregates as columns, NaN as null."""
    return pl.DataFrame(
        [
            array.alias(name) if isinstance(array, pl.Series) else pl.Series(name, array, nan_to_null=True)
            for name, array in values.items()
        ]
    )


def _fill(name: str) -> float:
    return 0 if name == "n" else _EMPTY[name.rsplit("/", 1)[1]]


def _merge_spread(a: Stats, b: Stats, at: Ints) -> None:
    ca, cb = a["c"][at], b["c"]
    total = np.maximum(ca + cb, 1)
    d = b["mean"] - a["mean"][at]
    a["m2"][at] += np.where(cb > 0, b["m2"] + d * d * ca * cb / total, 0.0)
    a["mean"][at] += np.where(cb > 0, d * cb / total, 0.0)


def _where_any(values: Floats, c: Floats, least: int = 1) -> Floats:
    return np.where(c >= least, values, np.nan)


_KERNELS = {"s": _total, "min": _least, "max": _greatest, "first": _first, "last": _last}
_FINISH: dict[str, Callable[[Stats, Floats], NDArray[Any]]] = {
    "count": lambda _, c: c.astype(np.int64),
    "sum": lambda stats, c: _where_any(stats["s"], c),
    "avg": lambda stats, c: _where_any(stats["s"] / np.maximum(c, 1), c),
    "min": lambda stats, c: _where_any(stats["min"], c),
    "max": lambda stats, c: _where_any(stats["max"], c),
    "stddev": lambda stats, c: _where_any(np.sqrt(np.maximum(stats["m2"], 0.0) / np.maximum(c - 1, 1)), c, 2),
    "first": lambda stats, _: stats["first"],
    "last": lambda stats, _: stats["last"],
}
