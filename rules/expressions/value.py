"""A checked subexpression, and what Polars makes of two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rules.model import Comparison, Operand, Type

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
    #: of a condition: see :class:`rules.model.Expr`
    needs: tuple[Comparison, ...] = ()
    plain: bool = False
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
#: Up to here a float tells an integer from the next.
_MAX_LIMIT = 2**52
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


def needed(left: Value, sign: str, right: Value) -> tuple[Comparison, ...]:
    """The comparison as numbers are compared; nothing where it is not one of these."""
    if not left.fields:
        left, sign, right = right, _TURNED[sign], left
    sides = [side for side in (left, right) if side.fields]
    if sign == "<>" or not sides or not all(side.type in ("number", "integer") for side in (left, right)):
        return ()
    a, *others = (Operand(side.canon, floating(side), column_of(side)) for side in sides)
    if others:
        return (Comparison(a, sign, others[0]),)
    limit = right.literal
    if not isinstance(limit, (int, float)) or abs(limit) > _MAX_LIMIT:
        return ()
    return (Comparison(a, sign, float(limit)),)


def column_of(value: Value) -> str | None:
    """The column's name where the value is a column and nothing else."""
    return next(iter(value.fields)) if value.size == 1 and len(value.fields) == 1 and not value.raw else None


def floating(value: Value) -> pl.Expr:
    return value.expr if value.type == "number" else value.expr.cast(pl.Float64)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
