"""The aggregates that a measure may call."""

from __future__ import annotations

import polars as pl
from sqlglot import exp

from rules.expressions.checker import Checker
from rules.expressions.finish import finish
from rules.expressions.value import BAD, DTYPES, NO_LITERAL, Value
from rules.model import Aggregate, Type

AGGREGATES = ("count", "sum", "avg", "min", "max", "stddev", "median", "quantile", "first", "last")
#: How the tree calls ``count(distinct x)``.
COUNT_DISTINCT = "count distinct"

_FLOATING = ("avg", "stddev", "median", "quantile")
_OF_TEXTS = ("first", "last")


def aggregate(checker: Checker, node: exp.Expression, called: str, arguments: list[exp.Expression]) -> Value:
    op = "count_distinct" if called == COUNT_DISTINCT else called
    shown = "count(distinct ...)" if called == COUNT_DISTINCT else called
    if not checker.measure:
        return checker.report(
            node, f"the aggregate {shown} is only allowed in measure", "name it there, and use the name here"
        )
    if checker.inside:
        return checker.report(node, f"the aggregate {shown} stands inside of another one")
    parameter: float | None = 0.5 if op == "median" else None
    if op == "quantile":
        parameter = _share(checker, node, arguments)
        if parameter is None:
            return BAD
    elif len(arguments) != 1:
        return checker.report(node, f"{shown} takes one argument, not {len(arguments)}")
    argument = arguments[0]
    if isinstance(argument, exp.Star):
        if op != "count":
            return checker.report(node, f"{shown}(*) has no meaning", "only count(*) has")
        return _aggregated(checker, Aggregate(op, None, "count(*)"), "integer")
    checker.inside = True
    value = checker.visit(argument)
    checker.inside = False
    if value.bad:
        return BAD
    type_ = _type_of(checker, argument, op, value)
    if type_ is None:
        return BAD
    if op == "count" and value.literal is not NO_LITERAL and value.literal is not None:
        return _aggregated(checker, Aggregate(op, None, "count(*)"), type_)
    distinct = "distinct " if op == "count_distinct" else ""
    share = f", {parameter!r}" if op == "quantile" else ""
    key = f"{op.removesuffix('_distinct')}({distinct}{value.canon}{share})"
    argument_expr = finish(value.canon, value, value.type, checker.dtypes)
    return _aggregated(checker, Aggregate(op, argument_expr, key, parameter), type_)


def _share(checker: Checker, node: exp.Expression, arguments: list[exp.Expression]) -> float | None:
    """The second argument of ``quantile``: a literal in [0, 1]. None after a report."""
    if len(arguments) != 2:
        checker.report(node, f"quantile takes 2 arguments, not {len(arguments)}", "such as quantile(value, 0.95)")
        return None
    literal = checker.visit(arguments[1]).literal if isinstance(arguments[1], exp.Literal) else None
    if not isinstance(literal, int | float) or not 0 <= literal <= 1:
        checker.report(arguments[1], "quantile needs a number from 0 to 1", "such as quantile(value, 0.95)")
        return None
    return float(literal)


def _type_of(checker: Checker, argument: exp.Expression, op: str, value: Value) -> Type | None:
    """What the aggregate gives. None after a report."""
    if op in ("count", "count_distinct"):
        return "integer"
    if op in _OF_TEXTS and value.type == "string":
        return "string"
    if value.type not in ("number", "integer"):
        wanted = "number or a text" if op in _OF_TEXTS else "number"
        checker.report(argument, f"{op} needs a {wanted}, this is a {value.type}")
        return None
    return "number" if op in _FLOATING else value.type


def _aggregated(checker: Checker, made: Aggregate, type_: Type) -> Value:
    """The column of the aggregate: the engine counts in floats."""
    checker.dtypes[made.key] = DTYPES["string"] if type_ == "string" else pl.Float64()
    checker.aggregates.setdefault(made.key, made)
    return Value(pl.col(made.key), type_, made.key, fields=frozenset([made.key]))
