"""Judging: which of many rules hold at which rows, with next to no work where none does.

A condition that needs ``x > 5`` holds nowhere where no x is greater: one look at the extremes of x tells that of all rules that
compare it. The others look at the rows only where the loosest of their limits is passed; conditions that are nothing but
comparisons of numbers are computed there in arrays, the rest by Polars, whose word always counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events.transition import RANK
from rules.arrays import Bools, Floats, Ints
from rules.model import Comparison, Expr, Operand
from rules.plan import verdict

Severity = tuple[tuple[str, Expr | None], ...]
_MAX_INTEGER = 2.0**63
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "=": np.equal,
}


class Sheet:
    """Rows to be judged. ``ready``: columns that are there as arrays already, NaN for null; ``integers``: those of whole numbers."""

    def __init__(
        self,
        frame: Callable[[], pl.DataFrame],
        ready: Mapping[str, Floats] | None = None,
        *,
        integers: Collection[str] = (),
    ) -> None:
        self._make = frame
        self._frame: pl.DataFrame | None = None
        self._columns: dict[str, pl.Series] = {}
        self._ready = {} if ready is None else ready
        self._integers = integers
        self._numbers: dict[str, Floats] = {}

    @property
    def frame(self) -> pl.DataFrame:
        if self._frame is None:
            self._frame = self._make()
        return self._frame

    def cell(self, name: str, row: int) -> Any:
        """One value as a transition shows it."""
        ready = self._ready.get(name)
        if ready is not None:
            value = float(ready[row])
            if name not in self._integers:
                return None if isnan(value) else value
            return int(value) if abs(value) < _MAX_INTEGER else None
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self.frame.get_column(name)
        return found.item(row)

    def numbers(self, operand: Operand) -> Floats:
        """NaN for null."""
        found = self._numbers.get(operand.text)
        if found is None:
            ready = None if operand.column is None else self._ready.get(operand.column)
            if ready is not None:
                found = ready
            else:
                found = self.frame.select(operand.expr.cast(pl.Float64)).to_series().to_numpy()
            self._numbers[operand.text] = found
        return found


class Scene:
    """Some rows of a sheet (None: all), as one after the other is judged."""

    def __init__(self, sheet: Sheet, rows: Ints | None, height: int) -> None:
        self._sheet = sheet
        self._rows = rows
        self.height = height
        self._numbers: dict[str, Floats] = {}
        self._reach: dict[str, tuple[float, float]] = {}
        self._frame: pl.DataFrame | None = None

    def numbers(self, operand: Operand) -> Floats:
        found = self._numbers.get(operand.text)
        if found is None:
            found = self._sheet.numbers(operand)
            if self._rows is not None:
                found = found[self._rows]
            self._numbers[operand.text] = found
        return found

    def reach(self, operand: Operand) -> tuple[float, float]:
        """The least and the greatest value; inf and -inf where there is none."""
        found = self._reach.get(operand.text)
        if found is None:
            values = self.numbers(operand)
            found = (float(np.fmin.reduce(values)), float(np.fmax.reduce(values)))
            if found[0] != found[0]:  # nothing but NaN
                found = (np.inf, -np.inf)
            self._reach[operand.text] = found
        return found

    def may(self, need: Comparison) -> bool:
        """Whether it can hold at some row, going by the extremes."""
        if isinstance(need.right, Operand):
            return True
        least, greatest = self.reach(need.left)
        if need.sign in (">", ">="):
            return greatest >= need.right
        if need.sign in ("<", "<="):
            return least <= need.right
        return least <= need.right <= greatest

    def part(self, rows: Ints) -> Scene:
        return Scene(self._sheet, rows if self._rows is None else self._rows[rows], len(rows))

    def select(self, exprs: Mapping[str, pl.Expr]) -> pl.DataFrame:
        if self._frame is None:
            self._frame = self._sheet.frame if self._rows is None else self._sheet.frame[self._rows]
        return self._frame.select(**exprs)

    def holds(self, condition: Expr) -> Bools:
        if not condition.plain:
            return self.select({"": condition.expr.fill_null(value=False)}).to_series().to_numpy()
        out = self.compared(condition.needs[0])
        for need in condition.needs[1:]:
            out = out & self.compared(need)
        return out

    def compared(self, need: Comparison) -> Bools:
        right = self.numbers(need.right) if isinstance(need.right, Operand) else need.right
        out: Bools = _SIGNS[need.sign](self.numbers(need.left), right)
        return out


class Held(NamedTuple):
    """Where a rule holds: rows, rising, and the rank of the severity at each."""

    rows: Ints
    ranks: NDArray[np.int8]

    def dense(self, height: int) -> NDArray[np.int8]:
        out = np.zeros(height, np.int8)
        out[self.rows] = self.ranks
        return out


@dataclass(frozen=True)
class _Case:
    """One rule's condition. ``place``: among all."""

    place: int
    when: Expr
    severity: Severity
    #: nothing but comparisons of numbers
    plain: bool
    #: those with a constant
    bounds: tuple[Comparison, ...]

    def held(self, scene: Scene) -> Held:
        """Of a plain one."""
        rows = np.flatnonzero(scene.holds(self.when))
        ranks = np.zeros(len(rows), np.int8)
        if len(rows):
            part = scene.part(rows)
            for name, condition in reversed(self.severity):
                rank = np.int8(RANK[name])
                ranks = np.full(len(rows), rank) if condition is None else np.where(part.holds(condition), rank, ranks)
        return Held(rows, ranks)


class _Group:
    """Cases that need the same comparison, but for the constant. ``lead``: None stands for cases that need nothing known."""

    def __init__(self, lead: Comparison | None, cases: list[_Case]) -> None:
        self._lead = lead
        self._rising = lead is not None and lead.sign in (">", ">=")
        if lead is not None and not isinstance(lead.right, Operand):
            cases = sorted(cases, key=_limit, reverse=not self._rising)
        self._cases = cases
        self._limits = [] if lead is None or isinstance(lead.right, Operand) else [_limit(case) for case in cases]
        self._order = sorted(self._limits)

    def judge(self, scene: Scene, out: list[Held | None]) -> None:
        cases = self._possible(scene)
        if not cases:
            return
        rows = None
        part = scene
        if self._lead is not None:
            rows = np.flatnonzero(self._passed(scene, cases[0]))
            if not len(rows):
                return
            part = scene.part(rows) if len(rows) < scene.height else scene
        others = {}
        for case in cases:
            if case.plain:
                _keep(out, case, rows, case.held(part))
            else:
                others[str(case.place)] = verdict(case.when, case.severity)
        if others:
            made = part.select(others)
            for case in cases:
                if not case.plain:
                    ranks = made[str(case.place)].to_numpy()
                    _keep(out, case, rows, Held(np.arange(len(ranks)), ranks))

    def _possible(self, scene: Scene) -> list[_Case]:
        if not self._limits:
            return [case for case in self._cases if all(map(scene.may, case.bounds))]
        assert self._lead is not None
        least, greatest = scene.reach(self._lead.left)
        if self._rising:
            count = bisect_right(self._order, greatest)
        else:
            count = len(self._order) - bisect_left(self._order, least)
        return [case for case in self._cases[:count] if all(map(scene.may, case.bounds))]

    def _passed(self, scene: Scene, loosest: _Case) -> Bools:
        """Where the loosest limit is passed or met."""
        assert self._lead is not None
        if not self._limits:
            return scene.compared(self._lead)
        values = scene.numbers(self._lead.left)
        return values >= _limit(loosest) if self._rising else values <= _limit(loosest)


def _limit(case: _Case) -> float:
    limit = case.bounds[0].right
    assert not isinstance(limit, Operand)
    return limit


def _keep(out: list[Held | None], case: _Case, rows: Ints | None, held: Held) -> None:
    """``rows``: what the rows of ``held`` are among all."""
    there = np.flatnonzero(held.ranks)
    if len(there):
        found = held.rows[there]
        out[case.place] = Held(found if rows is None else rows[found], held.ranks[there])


class Jury:
    """Several rules over the same rows."""

    def __init__(self, rules: Sequence[tuple[Expr | None, Severity]]) -> None:
        groups: dict[tuple[str, ...], list[_Case]] = {}
        leads: dict[tuple[str, ...], Comparison | None] = {}
        for place, (when, severity) in enumerate(rules):
            assert when is not None
            plain = when.plain and all(condition is None or condition.plain for _, condition in severity)
            bounds = tuple(need for need in when.needs if not isinstance(need.right, Operand))
            lead = next(iter(bounds or when.needs), None)
            name = _name(lead)
            leads[name] = lead
            groups.setdefault(name, []).append(_Case(place, when, severity, plain, bounds))
        self._size = len(rules)
        self._groups = [_Group(leads[name], cases) for name, cases in groups.items()]

    def judge(self, scene: Scene) -> list[Held | None]:
        """By rule: where it holds; None where it does nowhere."""
        out: list[Held | None] = [None] * self._size
        if scene.height:
            for group in self._groups:
                group.judge(scene, out)
        return out


def _name(lead: Comparison | None) -> tuple[str, ...]:
    """Comparisons of one name differ in their constant only, and that only where the looser one holds wherever the stricter does."""
    if lead is None:
        return ()
    if isinstance(lead.right, Operand):
        return (lead.left.text, lead.sign, lead.right.text)
    if lead.sign == "=":
        return (lead.left.text, "=", repr(lead.right))
    return (lead.left.text, lead.sign[0])
