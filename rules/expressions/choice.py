"""CASE, coalesce, greatest and least: one of several results."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from sqlglot import exp

from rules.expressions.checker import Checker
from rules.expressions.value import BAD, DTYPES, Value, common, compared


def case(checker: Checker, node: exp.Expression) -> Value:
    branches = node.args.get("ifs") or []
    default = node.args.get("default")
    if not branches:
        return checker.report(node, "CASE needs at least one WHEN")
    conditions, size = _conditions(checker, node, branches)
    results = checker.alike(
        node, [branch.args["true"] for branch in branches] + ([default] if default else []), "a result"
    )
    if results is None or conditions is None:
        return BAD
    type_ = common(results)
    dtype = DTYPES[type_]
    expr: pl.Expr = pl.lit(None, dtype=dtype) if default is None else results[-1].expr.cast(dtype)
    for condition, result in reversed(list(zip(conditions, results[: len(branches)], strict=True))):
        expr = pl.when(condition.expr).then(result.expr.cast(dtype)).otherwise(expr)
    canon = "(case " + " ".join(f"{c.canon} {r.canon}" for c, r in zip(conditions, results, strict=False))
    canon += f" {results[-1].canon})" if default else ")"
    size += sum(result.size + 2 for result in results)
    return checker.make(type_, canon, expr, *conditions, *results, size=size)


def _conditions(
    checker: Checker, node: exp.Expression, branches: Sequence[exp.Expression]
) -> tuple[list[Value] | None, int]:
    if node.this is None:
        found = [checker.condition(branch.this) for branch in branches]
        return found, sum(value.size for value in found)
    values = checker.alike(node, [node.this, *(branch.this for branch in branches)], "compared")
    if values is None:
        return None, 0
    operand, *options = values
    conditions = [
        checker.make("boolean", f"(= {operand.canon} {option.canon})", compared(operand, "=", option), operand, option)
        for option in options
    ]
    return conditions, sum(value.size for value in conditions)


def coalesce(checker: Checker, node: exp.Expression, arguments: list[exp.Expression]) -> Value:
    if len(arguments) < 2:
        return checker.report(node, f"coalesce takes 2 or more arguments, not {len(arguments)}")
    values = checker.alike(node, arguments, "a result")
    if values is None:
        return BAD
    type_ = common(values)
    expr = pl.coalesce([value.expr.cast(DTYPES[type_]) for value in values])
    return checker.make(type_, f"(coalesce {' '.join(value.canon for value in values)})", expr, *values)


def extreme(checker: Checker, node: exp.Expression, function: str, arguments: list[exp.Expression]) -> Value:
    """``greatest`` and ``least``: nulls are passed over, as SQL's max and min do."""
    if len(arguments) < 2:
        return checker.report(node, f"{function} takes 2 or more arguments, not {len(arguments)}")
    values = checker.alike(node, arguments, "a result")
    if values is None:
        return BAD
    type_ = common(values)
    if type_ == "boolean":
        return checker.report(node, f"true and false have no order: {function} does not fit")
    parts = [value.expr.cast(DTYPES[type_]) for value in values]
    expr = pl.max_horizontal(parts) if function == "greatest" else pl.min_horizontal(parts)
    return checker.make(type_, f"({function} {' '.join(value.canon for value in values)})", expr, *values)
