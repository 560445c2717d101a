"""The walk over an expression's tree: every fault, and values from the leaves up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

import polars as pl
from sqlglot import exp

from events.times import parse_instant
from rules.expressions.faults import ExpressionErrors, Fault
from rules.expressions.scope import Scope
from rules.expressions.tree import offset_of, parse
from rules.expressions.value import BAD, Value
from rules.model import Aggregate, Type

#: Polars nodes after expansion (a division reads its divisor twice).
MAX_EXPANDED = 2000

Visit = Callable[["Checker", exp.Expression], Value]


class Checker:
    """Walks the tree once, collects every fault, and builds values from the leaves up."""

    def __init__(
        self,
        scope: Scope,
        zone_ms: int,
        visitors: Mapping[type[exp.Expression], Visit],
        *,
        measure: bool,
        beside: Scope | None = None,
    ) -> None:
        self.scope = scope
        self.beside = beside
        self.zone_ms = zone_ms
        self._visitors = visitors
        self.measure = measure
        self.aggregates: dict[str, Aggregate] = {}
        self.faults: list[Fault] = []
        #: of the columns read
        self.dtypes: dict[str, pl.DataType] = {}
        #: within the argument of an aggregate
        self.inside = False

    def check(self, text: str) -> Value:
        value = self.visit(parse(text))
        if self.faults or value.bad:  # bad without a fault: a file that is told elsewhere
            raise ExpressionErrors(sorted(self.faults, key=lambda fault: fault.offset))
        return value

    def fail(self, offset: int, message: str, hint: str = "") -> NoReturn:
        raise ExpressionErrors([Fault(offset, message, hint)])

    def report(self, node: exp.Expression, message: str, hint: str = "") -> Value:
        self.faults.append(Fault(offset_of(node), message, hint))
        return BAD

    def visit(self, node: exp.Expression) -> Value:
        """The node's value with NaN as null."""
        value = self.visit_raw(node)
        if value.raw:
            # Polars makes several copies of what it fills, hence once for each term and not at each sign.
            value = replace(value, expr=value.expr.fill_nan(None), size=4 * value.size, raw=False)
        return value

    def visit_raw(self, node: exp.Expression) -> Value:
        visit = self._visitors.get(type(node))
        if visit is None:
            return self.report(node, f"{type(node).__name__.upper()} is not part of the expression language")
        value = visit(self, node)
        if value.size > MAX_EXPANDED:
            self.fail(offset_of(node), "the expression is too entangled", "nest fewer divisions and CASEs")
        return value

    def make(self, type_: Type, canon: str, expr: pl.Expr, *parts: Value, size: int | None = None) -> Value:
        if any(part.bad for part in parts):
            return BAD
        fields = frozenset().union(*(part.fields for part in parts)) if parts else frozenset()
        return Value(expr, type_, canon, size or 1 + sum(part.size for part in parts), fields)

    def condition(self, node: exp.Expression) -> Value:
        value = self.visit(node)
        if value.bad or value.type == "boolean":
            return value
        if value.type == "null":
            return Value(pl.lit(None, dtype=pl.Boolean), "boolean", "null", literal=None)
        return self.report(node, f"this is a {value.type}, where a condition is needed", "compare it with something")

    def alike(self, node: exp.Expression, parts: Sequence[exp.Expression], what: str) -> list[Value] | None:
        """The values of the parts, of one type: texts beside a time become times. None after a report."""
        values = [self.visit(part) for part in parts]
        if any(value.type == "time" for value in values):
            values = [self.as_time(part, value) for part, value in zip(parts, values, strict=True)]
        if any(value.bad for value in values):
            return None
        kinds = {("number" if value.type == "integer" else value.type) for value in values} - {"null"}
        if len(kinds) > 1:
            names = " and a ".join(sorted(kinds))
            joined = "cannot be compared" if what == "compared" else "cannot both be a result here"
            hint = "write a time as '2026-01-01T00:00:00+08:00'" if "time" in kinds else ""
            hint = "numbers stand without quotes" if kinds == {"number", "string"} else hint
            self.report(node, f"a {names} {joined}", hint)
            return None
        return values

    def as_time(self, part: exp.Expression, value: Value) -> Value:
        if not isinstance(value.literal, str):
            return value
        try:
            ms = parse_instant(value.literal)
        except ValueError as error:
            return self.report(part, str(error), "write a time as '2026-01-01T00:00:00+08:00'")
        return Value(pl.lit(ms, dtype=pl.Int64), "time", f"@{ms}", literal=ms)
