"""+ - * / % over numbers and times, and || over texts."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from sqlglot import exp

from rules.expressions.checker import Checker
from rules.expressions.value import BAD, Value, floating, over
from rules.model import Type

ARITHMETIC: dict[type[exp.Expression], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


def arithmetic(checker: Checker, node: exp.Expression) -> Value:
    sign = ARITHMETIC[type(node)]
    left, right = checker.visit_raw(node.this), checker.visit_raw(node.expression)
    if left.bad or right.bad:
        return BAD
    canon = f"({sign} {left.canon} {right.canon})"
    if sign == "-" and left.type == right.type == "time":
        expr = over((left.expr - right.expr).cast(pl.Float64), pl.lit(1000.0))
        return checker.make("number", canon, expr, left, right)
    for side, value in ((node.this, left), (node.expression, right)):
        if not value.numeric:
            hint = "the difference of two times is in seconds" if value.type == "time" else ""
            hint = "texts are joined with ||" if value.type == "string" and sign == "+" else hint
            return checker.report(side, f"{sign} needs numbers, this is a {value.type}", hint)
    a, b = floating(left), floating(right)
    size = 3 + left.size + right.size
    if sign in "/%":
        quotient = over(a, b, column=isinstance(node.expression, exp.Column))
        if sign == "%":  # the sign of the dividend, as in SQL
            quotient = a - quotient.truncate() * b
            size += left.size + right.size + 2
        expr = quotient
        if not (isinstance(right.literal, int | float) and right.literal != 0):
            expr = pl.when(b != 0.0).then(quotient)
            size += right.size + 2
    else:
        expr = a + b if sign == "+" else a - b if sign == "-" else a * b
    integer = sign in "+-*" and left.type == right.type == "integer"
    if integer:
        expr = expr.cast(pl.Int64, strict=False)
    made = checker.make("integer" if integer else "number", canon, expr, left, right, size=size)
    return made if integer or made.bad else replace(made, raw=True)


def neg(checker: Checker, node: exp.Expression) -> Value:
    value = checker.visit_raw(node.this)
    if value.bad:
        return BAD
    if not value.numeric:
        return checker.report(node.this, f"- needs a number, this is a {value.type}")
    if value.type == "null":
        return value
    if isinstance(value.literal, int | float):
        number = -value.literal
        type_: Type = "integer" if isinstance(number, int) else "number"
        dtype = pl.Int64 if type_ == "integer" else pl.Float64
        return Value(pl.lit(number, dtype=dtype), type_, repr(number), literal=number)
    made = checker.make(value.type, f"(- {value.canon})", -value.expr, value)
    return replace(made, raw=value.raw)


def concat(checker: Checker, node: exp.Expression) -> Value:
    values = [checker.visit(node.this), checker.visit(node.expression)]
    for part, value in zip((node.this, node.expression), values, strict=True):
        if not value.bad and value.type not in ("string", "null"):
            return checker.report(part, f"|| joins texts, this is a {value.type}")
    left, right = values
    expr = pl.concat_str([left.expr.cast(pl.String), right.expr.cast(pl.String)])
    return checker.make("string", f"(|| {left.canon} {right.canon})", expr, left, right)
