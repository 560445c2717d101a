"""Aggregates that need the values themselves: quantiles and distinct counts of windows, in bounded memory.

Up to ``EXACT`` values a key and window they are exact. Beyond, values are kept as buckets of a DDSketch (Masson, Rim, Lee 2019,
"DDSketch", relative error ``RELATIVE_ERROR``), and distinct values as the ``EXACT`` least of their hashes (KMV: Bar-Yossef et al. 2002,
"Counting distinct elements in a data stream"; standard error 1 / sqrt(EXACT - 2), 1.6 %). Both depend on which values there are and
on nothing else: not on their order, and not on when memory was tidied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rules.arrays import Floats, Ints, Renumbering
from rules.model import Aggregate
from rules.plan import FeedPlan

EXACT: Final = 4_096
RELATIVE_ERROR: Final = 0.005
#: Ops of this module.
SAMPLED: Final = frozenset({"count_distinct", "median", "quantile"})

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = float(np.log(_GAMMA))
_TINY = 1e-300
#: Rows after which a buffer is tidied, if it has grown fourfold since.
_ROOM = 1 << 16


@dataclass(frozen=True)
class Rows:
    """Values by key: rising by code, then value. ``weight``: how often each is there (1 of a hash)."""

    code: Ints
    value: NDArray[Any]
    weight: Ints

    @classmethod
    def of(cls, code: Ints, value: NDArray[Any]) -> Rows:
        return cls(code, value, np.ones(len(code), np.int64))

    def where(self, keep: NDArray[np.bool_]) -> Rows:
        return Rows(self.code[keep], self.value[keep], self.weight[keep])

    def renumbered(self, renumbering: Renumbering) -> Rows:
        return Rows(renumbering.new[self.code], self.value, self.weight)

    def state(self) -> list[Any]:
        return [self.code, self.value, self.weight]


#: column -> rows
Held = dict[str, Rows]


def joined(parts: Sequence[Rows], *, distinct: bool) -> Rows:
    """All rows as one, each value once, within bounds."""
    code, value, weight = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("code", "value", "weight")
    )
    rows = _merged(Rows(code, value, weight))
    return _least(rows) if distinct else _bucketed(rows)


def _merged(rows: Rows) -> Rows:
    order = np.lexsort((rows.value, rows.code))
    code, value, weight = rows.code[order], rows.value[order], rows.weight[order]
    if not len(code):
        return rows
    first = np.empty(len(code), np.bool_)
    first[0] = True
    first[1:] = (code[1:] != code[:-1]) | (value[1:] != value[:-1])
    starts = np.flatnonzero(first)
    return Rows(code[starts], value[starts], np.add.reduceat(weight, starts))


def _spans(rows: Rows) -> tuple[Ints, Ints]:
    """Where each key's rows begin, and how many there are."""
    starts = np.flatnonzero(np.concatenate(([True], rows.code[1:] != rows.code[:-1]))) if len(rows.code) else rows.code
    return starts, np.diff(np.append(starts, len(rows.code)))


def _least(rows: Rows) -> Rows:
    """Hashes: no more than the EXACT + 1 least of each key; the one more says that there were more."""
    starts, sizes = _spans(rows)
    if not len(sizes) or sizes.max() <= EXACT + 1:
        return Rows(rows.code, rows.value, np.ones_like(rows.code))
    place = np.arange(len(rows.code)) - np.repeat(starts, sizes)
    kept = rows.where(place <= EXACT)
    return Rows(kept.code, kept.value, np.ones_like(kept.code))


def _bucketed(rows: Rows) -> Rows:
    """Values: those of a key that has more than EXACT of them stand in the middle of their buckets."""
    starts, sizes = _spans(rows)
    if not len(sizes):
        return rows
    crowded = np.repeat(np.add.reduceat(rows.weight, starts) > EXACT, sizes)
    if not crowded.any():
        return rows
    value = rows.value.copy()
    value[crowded] = _middle(value[crowded])
    return _merged(Rows(rows.code, value, rows.weight))


def _middle(value: Floats) -> Floats:
    """The middle of each value's bucket; a middle is its own, so that rows may be bucketed again and again."""
    size = np.abs(value)
    small = size < _TINY
    bucket = np.ceil(np.log(np.where(small, 1.0, size)) / _LOG_GAMMA)
    middle = np.exp(bucket * _LOG_GAMMA) * (2 / (_GAMMA + 1))
    return np.where(small, 0.0, np.copysign(middle, value))


# --- what they come to ------------------------------------------------------------------------------------------------


def quantile(rows: Rows, codes: Ints, share: float) -> Floats:
    """For each of ``codes`` the value below which ``share`` of its values lie, between two by linear interpolation; NaN of none."""
    if not len(rows.code):
        return np.full(len(codes), np.nan)
    below = np.concatenate(([0], np.cumsum(rows.weight)))
    base = below[np.searchsorted(rows.code, codes, side="left")]
    count = below[np.searchsorted(rows.code, codes, side="right")] - base
    place = share * np.maximum(count - 1, 0)
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(count - 1, 0))
    last = len(rows.code) - 1
    a, b = (rows.value[np.minimum(np.searchsorted(below, base + at, side="right") - 1, last)] for at in (lower, upper))
    return np.where(count > 0, between(a, b, place - lower), np.nan)


def between(a: Any, b: Any, part: Any) -> Any:
    """From a towards b, exact at both ends."""
    return np.where(part < 0.5, a + (b - a) * part, b - (b - a) * (1 - part))


def distinct(rows: Rows, codes: Ints) -> Ints:
    """For each of ``codes`` how many different values it has."""
    start, stop = (np.searchsorted(rows.code, codes, side=side) for side in ("left", "right"))
    count: Ints = (stop - start).astype(np.int64)
    many = count > EXACT
    if many.any():
        farthest = rows.value[start[many] + EXACT - 1].astype(np.float64) / 2.0**64
        count[many] = np.round((EXACT - 1) / farthest).astype(np.int64)
    return count


class Samples:
    """The values of open windows, for those of ``aggregates`` that need them."""

    def __init__(self, aggregates: Sequence[Aggregate], plan: FeedPlan) -> None:
        self._column: dict[str, str] = {}
        self._aggregates = {aggregate.key: aggregate for aggregate in aggregates if aggregate.op in SAMPLED}
        for key, aggregate in self._aggregates.items():
            assert aggregate.input is not None, "only count takes a star"
            hashed = aggregate.op == "count_distinct"
            self._column[key] = plan.hashed(aggregate.input) if hashed else plan.number(aggregate.input)
        self._hashed = {self._column[key] for key, one in self._aggregates.items() if one.op == "count_distinct"}
        self.columns = tuple(dict.fromkeys(self._column.values()))
        self._parts: dict[str, list[Rows]] = {column: [] for column in self.columns}
        #: rows in the buffers, and as many as there were when they were tidied last
        self._size = dict.fromkeys(self.columns, 0)
        self._tidy = dict.fromkeys(self.columns, 0)

    def hashed(self, column: str) -> bool:
        """Whether the column holds hashes, to be told apart, and not values."""
        return column in self._hashed

    def by_column(self) -> dict[str, list[Aggregate]]:
        of: dict[str, list[Aggregate]] = {column: [] for column in self.columns}
        for key, aggregate in self._aggregates.items():
            of[self._column[key]].append(aggregate)
        return of

    def add(self, codes: Ints, columns: dict[str, NDArray[Any]], lo: int, hi: int) -> None:
        for column, parts in self._parts.items():
            value = columns[column][lo:hi]
            there = value != 0 if column in self._hashed else ~np.isnan(value)
            parts.append(Rows.of(codes[lo:hi][there], value[there]))
            self._size[column] += len(parts[-1].code)
            if self._size[column] > _ROOM + 4 * self._tidy[column]:
                self._replace(column, self._joined(column, parts))

    def close(self) -> Held:
        """All that there is, which begins anew."""
        held = {column: self._joined(column, parts) for column, parts in self._parts.items()}
        for column in self.columns:
            self._replace(column, None)
        return held

    def close_some(self, codes: Ints) -> Held:
        """What these keys have; they begin anew."""
        held: Held = {}
        for column, parts in self._parts.items():
            rows = self._joined(column, parts)
            ends = np.isin(rows.code, codes)
            held[column] = rows.where(ends)
            self._replace(column, rows.where(~ends))
        return held

    def merged(self, parts: Sequence[Held]) -> Held:
        """Several panes as one."""
        return {column: self._joined(column, [part[column] for part in parts]) for column in self.columns}

    def finish(self, held: Held, codes: Ints) -> dict[str, NDArray[Any]]:
        """The aggregates of ``codes`` by their keys."""
        out: dict[str, NDArray[Any]] = {}
        for key, aggregate in self._aggregates.items():
            rows = held[self._column[key]]
            if aggregate.op == "count_distinct":
                out[key] = distinct(rows, codes)
            else:
                assert aggregate.parameter is not None, "a quantile has its share"
                out[key] = quantile(rows, codes, aggregate.parameter)
        return out

    def empty(self) -> Held:
        """Of a pane from before an aggregate was asked for."""
        none = np.zeros(0, np.int64)
        return {
            column: Rows(none, np.zeros(0, np.uint64 if column in self._hashed else np.float64), none)
            for column in self.columns
        }

    def renumber(self, renumbering: Renumbering) -> None:
        for parts in self._parts.values():
            parts[:] = [rows.renumbered(renumbering) for rows in parts]

    def _joined(self, column: str, parts: Sequence[Rows]) -> Rows:
        return joined(parts, distinct=column in self._hashed) if parts else self.empty()[column]

    def _replace(self, column: str, rows: Rows | None) -> None:
        self._parts[column] = [] if rows is None else [rows]
        self._size[column] = self._tidy[column] = 0 if rows is None else len(rows.code)

    def state(self) -> dict[str, Any]:
        return {column: self._joined(column, parts).state() for column, parts in self._parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        for column, rows in state.items():
            if column in self._parts:
                self._replace(column, Rows(*rows))


def renumbered(held: Held, renumbering: Renumbering) -> Held:
    return {column: rows.renumbered(renumbering) for column, rows in held.items()}


def held_state(held: Held) -> dict[str, Any]:
    return {column: rows.state() for column, rows in held.items()}


def held_of(state: dict[str, Any]) -> Held:
    return {column: Rows(*rows) for column, rows in state.items()}
