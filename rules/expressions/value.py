"""A checked subexpression, and what Polars makes of two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rules.model import Type

NO_LITERAL = object()


@dataclass(frozen=True)
class Value:
    """A checked subexpression. ``bad``: already reported, fits anywhere."""

    expr: pl.Expr
    type: Type
    canon: str
    size: int = 1
    fields: frozenset[str] = frozenset()
    literal: object = NO_LITERAL
    bad: bool = False
    #: arithmetic on floats, where what overflowed may have met and become NaN
    raw: bool = False

    @property
    def numeric(self) -> bool:
        return self.bad or self.type in ("number", "integer", "null")


def over(dividend: pl.Expr, divisor: pl.Expr, *, column: bool = False) -> pl.Expr:
    """A division that is rounded alike for one row and for many. ``column``: the divisor is a column as it stands.

    Polars divides a column by a constant by multiplying with its reciprocal, but not where the column has one row: 7 / 3 would
    depend on how many windows ended in one batch. What it takes for a constant (a literal, a CASE whose rows agree) is made a
    column by adding one of zeros.
    """
    return dividend / (divisor if column else divisor + dividend.is_null().cast(pl.Float64) * 0.0)


BAD = Value(pl.lit(None), "null", "?", bad=True)
_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
DTYPES: dict[Type, pl.DataType] = {
    "string": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
    "time": pl.Int64(),
    "null": pl.Null(),
}


def common(values: Sequence[Value]) -> Type:
    kinds = {value.type for value in values} - {"null"}
    if kinds == {"number", "integer"}:
        return "number"
    return kinds.pop() if kinds else "null"


def compared(left: Value, sign: str, right: Value) -> pl.Expr:
    """A comparison with a constant on its right: with one on the left Polars 2.1 may give one row for many."""
    if not left.fields:
        left, sign, right = right, _TURNED[sign], left
    a, b = left.expr, right.expr
    match sign:
        case "=":
            return a == b
        case "<>":
            return a != b
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case _:
            return a >= b


def floating(value: Value) -> pl.Expr:
    return value.expr if value.type == "number" else value.expr.cast(pl.Float64)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
