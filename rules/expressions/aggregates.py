"""The aggregates that a measure may call."""

from __future__ import annotations

import polars as pl
from sqlglot import exp

from rules.expressions.checker import Checker
from rules.expressions.finish import finish
from rules.expressions.value import BAD, NO_LITERAL, Value
from rules.model import Aggregate, Expr, Type

AGGREGATES = ("count", "sum", "avg", "min", "max", "stddev", "first", "last")
AGGREGATES_LATER = ("median", "quantile")


def aggregate(checker: Checker, node: exp.Expression, op: str, arguments: list[exp.Expression]) -> Value:
    if not checker.measure:
        return checker.report(
            node, f"the aggregate {op} is only allowed in measure", "name it there, and use the name here"
        )
    if checker.inside:
        return checker.report(node, f"the aggregate {op} stands inside of another one")
    if len(arguments) != 1:
        return checker.report(node, f"{op} takes one argument, not {len(arguments)}")
    argument = arguments[0]
    if isinstance(argument, exp.Star):
        if op != "count":
            return checker.report(node, f"{op}(*) has no meaning", "only count(*) has")
        return _aggregated(checker, op, None, "count(*)", "integer")
    checker.inside = True
    value = checker.visit(argument)
    checker.inside = False
    if value.bad:
        return BAD
    if op == "count":
        if value.literal is not NO_LITERAL and value.literal is not None:
            return _aggregated(checker, op, None, "count(*)", "integer")
        kind: Type = "integer"
    elif value.type not in ("number", "integer"):
        return checker.report(argument, f"{op} needs a number, this is a {value.type}")
    else:
        kind = "number" if op in ("avg", "stddev") else value.type
    argument_expr = finish(value.canon, value, value.type, checker.dtypes)
    return _aggregated(checker, op, argument_expr, f"{op}({value.canon})", kind)


def _aggregated(checker: Checker, op: str, argument: Expr | None, key: str, type_: Type) -> Value:
    checker.dtypes[key] = pl.Float64()
    checker.aggregates.setdefault(key, Aggregate(op=op, input=argument, key=key))
    return Value(pl.col(key), type_, key, fields=frozenset([key]))
