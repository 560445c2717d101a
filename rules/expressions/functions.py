"""The functions that an expression may call."""

from __future__ import annotations

from functools import partial

import polars as pl
from sqlglot import exp

from rules.errors import did_you_mean
from rules.expressions.aggregates import AGGREGATES, COUNT_DISTINCT, aggregate
from rules.expressions.checker import Checker
from rules.expressions.choice import coalesce, extreme
from rules.expressions.patterns import check_pattern
from rules.expressions.tables import lookup
from rules.expressions.value import BAD, Value
from rules.model import Type

MAX_ROUND_DIGITS = 15

FUNCTIONS = (
    "abs",
    "coalesce",
    "day",
    "greatest",
    "hour",
    "least",
    "length",
    "list",
    "lookup",
    "lower",
    "month",
    "regexp_like",
    "round",
    "starts_with",
    "upper",
    "weekday",
)
#: What people write for them in other dialects.
_OTHER_NAMES = {
    "mean": "avg",
    "average": "avg",
    "std": "stddev",
    "stddev_samp": "stddev",
    "len": "length",
    "char_length": "length",
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "regexp_matches": "regexp_like",
    "startswith": "starts_with",
    "lcase": "lower",
    "ucase": "upper",
    "count_distinct": "count(distinct x)",
    "approx_count_distinct": "count(distinct x)",
    "percentile": "quantile",
    "percentile_cont": "quantile",
    "dayofmonth": "day",
    "day_of_month": "day",
    "dayofweek": "weekday",
}
_SIGNATURES: dict[str, tuple[int, int, tuple[tuple[Type, ...], ...]]] = {
    "abs": (1, 1, (("number", "integer"),)),
    "day": (1, 1, (("time",),)),
    "hour": (1, 1, (("time",),)),
    "length": (1, 1, (("string",),)),
    "lower": (1, 1, (("string",),)),
    "month": (1, 1, (("time",),)),
    "regexp_like": (2, 2, (("string",), ("string",))),
    "round": (1, 2, (("number", "integer"), ("integer",))),
    "starts_with": (2, 2, (("string",), ("string",))),
    "upper": (1, 1, (("string",),)),
    "weekday": (1, 1, (("time",),)),
}


def call(checker: Checker, node: exp.Expression) -> Value:
    name, _, _ = str(node.this).rpartition("@")
    function = name.lower()
    arguments = list(node.expressions)
    if function in AGGREGATES or function == COUNT_DISTINCT:
        return aggregate(checker, node, function, arguments)
    if function.endswith(" distinct"):
        return checker.report(
            node, f"{function.removesuffix(' distinct')}(distinct ...) has no meaning", "only count has it"
        )
    known = (*FUNCTIONS, *AGGREGATES)
    if function not in FUNCTIONS:
        other = _OTHER_NAMES.get(function)
        hint = f"did you mean {other!r}?" if other else did_you_mean(function, known)
        return checker.report(node, f"unknown function {name[:40]}", hint or f"there are {', '.join(known)}")
    return _scalar(checker, node, function, arguments)


def _scalar(checker: Checker, node: exp.Expression, function: str, arguments: list[exp.Expression]) -> Value:
    if function == "coalesce":
        return coalesce(checker, node, arguments)
    if function in ("greatest", "least"):
        return extreme(checker, node, function, arguments)
    if function == "lookup":
        return lookup(checker, node, arguments)
    if function == "list":
        return checker.report(node, "list stands behind IN", "such as subject IN list('key.csv')")
    least, most, types = _SIGNATURES[function]
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} or {most}"
        return checker.report(
            node, f"{function} takes {wanted} argument{'s' if most > 1 else ''}, not {len(arguments)}"
        )
    values = [checker.visit(argument) for argument in arguments]
    if any(value.bad for value in values):
        return BAD
    for argument, value, allowed in zip(arguments, values, types, strict=False):
        if value.type not in allowed and value.type != "null":
            wanted = " or a ".join(kind for kind in allowed if kind != "integer" or "number" not in allowed)
            return checker.report(argument, f"{function} needs a {wanted}, this is a {value.type}")
    canon = f"({function} {' '.join(value.canon for value in values)})"
    make = partial(checker.make, size=2 + sum(value.size for value in values))
    first = values[0]
    text = first.expr.cast(pl.String)
    match function:
        case "lower":
            return make("string", canon, text.str.to_lowercase(), first)
        case "upper":
            return make("string", canon, text.str.to_uppercase(), first)
        case "length":
            return make("integer", canon, text.str.len_chars().cast(pl.Int64), first)
        case "abs":
            return first if first.type == "null" else make(first.type, canon, first.expr.abs(), first)
        case "starts_with":
            return make("boolean", canon, text.str.starts_with(values[1].expr.cast(pl.String)), *values)
        case "hour" | "weekday" | "day" | "month":
            part = _part_of(function, first.expr + checker.zone_ms)
            return make("integer", f"{canon[:-1]} {checker.zone_ms})", part, first)
        case "round":
            return _round(checker, arguments, values, canon)
        case _:
            return _regexp_like(checker, arguments, values, canon)


def _part_of(function: str, local: pl.Expr) -> pl.Expr:
    """Of a local time in milliseconds."""
    match function:
        case "hour":
            return local // 3_600_000 % 24
        case "weekday":
            # 1970-01-01 was a Thursday, the fourth day
            return (local // 86_400_000 + 3) % 7 + 1
        case "day":
            return local.cast(pl.Datetime("ms")).dt.day().cast(pl.Int64)
        case _:
            return local.cast(pl.Datetime("ms")).dt.month().cast(pl.Int64)


def _round(checker: Checker, arguments: list[exp.Expression], values: list[Value], canon: str) -> Value:
    digits = values[1].literal if len(values) > 1 else 0
    if not isinstance(digits, int) or not 0 <= digits <= MAX_ROUND_DIGITS:
        return checker.report(arguments[1], f"round needs a number of digits from 0 to {MAX_ROUND_DIGITS}")
    first = values[0]
    if first.type == "integer":
        return first
    expr = first.expr.cast(pl.Float64).round(digits, mode="half_away_from_zero")
    return checker.make("number", canon, expr, first, size=first.size + 2)


def _regexp_like(checker: Checker, arguments: list[exp.Expression], values: list[Value], canon: str) -> Value:
    pattern = values[1].literal
    if not isinstance(pattern, str):
        return checker.report(arguments[1], "regexp_like needs a pattern in quotes")
    try:
        check_pattern(pattern)
    except ValueError as error:
        return checker.report(arguments[1], str(error))
    expr = values[0].expr.cast(pl.String).str.contains(pattern)
    return checker.make("boolean", canon, expr, values[0], size=values[0].size + 2)
