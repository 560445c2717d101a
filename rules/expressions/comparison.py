"""= and its kin, BETWEEN, IN and LIKE."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import polars as pl
from sqlglot import exp

from rules.expressions.checker import Checker
from rules.expressions.logic import negated
from rules.expressions.patterns import like_expr
from rules.expressions.tables import in_list
from rules.expressions.value import BAD, NO_LITERAL, Value, compared, floating, needed, quoted

COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def compare(checker: Checker, node: exp.Expression) -> Value:
    sign = COMPARISONS[type(node)]
    values = checker.alike(node, [node.this, node.expression], "compared")
    if values is None:
        return BAD
    left, right = values
    if sign not in ("=", "<>") and "boolean" in (left.type, right.type):
        return checker.report(node, f"true and false have no order: {sign} does not fit")
    made = checker.make("boolean", f"({sign} {left.canon} {right.canon})", compared(left, sign, right), left, right)
    needs = needed(left, sign, right)
    return replace(made, needs=needs, plain=bool(needs))


def between(checker: Checker, node: exp.Expression) -> Value:
    values = checker.alike(node, [node.this, node.args["low"], node.args["high"]], "compared")
    if values is None:
        return BAD
    value, low, high = values
    if value.type == "boolean":
        return checker.report(node, "true and false have no order: BETWEEN does not fit")
    expr = compared(value, ">=", low) & compared(value, "<=", high)
    size = 3 + 2 * value.size + low.size + high.size
    made = checker.make(
        "boolean", f"(between {value.canon} {low.canon} {high.canon})", expr, value, low, high, size=size
    )
    needs = (*needed(value, ">=", low), *needed(value, "<=", high))
    return replace(made, needs=needs, plain=len(needs) == 2)


def in_(checker: Checker, node: exp.Expression) -> Value:
    items = node.args.get("expressions") or []
    listed = node.args.get("field")
    if isinstance(listed, exp.Anonymous) and str(listed.this).rpartition("@")[0].lower() == "list":
        return in_list(checker, node, listed)
    if not items or node.args.get("query") or listed or node.args.get("unnest"):
        return checker.report(node, "IN needs a list", "such as IN ('a', 'b') or IN list('file.csv')")
    values = checker.alike(node, [node.this, *items], "compared")
    if values is None:
        return BAD
    value, *options = values
    canon = f"(in {value.canon} {' '.join(option.canon for option in options)})"
    literals = [option.literal for option in options]
    if any(literal is NO_LITERAL for literal in literals) or value.type == "null":
        expr = compared(value, "=", options[0])
        for option in options[1:]:
            expr = expr | compared(value, "=", option)
        size = sum(2 + value.size + option.size for option in options)
        return checker.make("boolean", canon, expr, value, *options, size=size)
    known = [literal for literal in literals if literal is not None]
    if len(known) == 1:
        expr = value.expr == pl.lit(known[0])
    elif any(isinstance(literal, float) for literal in known) or value.type == "number":
        expr = floating(value).is_in([float(cast(float, literal)) for literal in known])
    else:
        expr = value.expr.is_in(known)
    if len(known) < len(literals):
        # x IN (1, NULL) is true or unknown, never false.
        expr = pl.when(expr).then(pl.lit(True)) if known else pl.lit(None, dtype=pl.Boolean)
    return checker.make("boolean", canon, expr, value, size=value.size + 2)


def like(checker: Checker, node: exp.Expression) -> Value:
    escape = ""
    like = node
    if isinstance(node, exp.Escape):
        like = node.this
        escape = str(node.expression.this) if isinstance(node.expression, exp.Literal) else ""
        if len(escape) != 1 or not isinstance(like, exp.Like):
            return checker.report(node, "ESCAPE needs one character", "such as ESCAPE '!'")
    value, pattern = checker.visit(like.this), checker.visit(like.expression)
    if value.bad or pattern.bad:
        return BAD
    if value.type not in ("string", "null"):
        return checker.report(like.this, f"LIKE needs a text, this is a {value.type}")
    if not isinstance(pattern.literal, str):
        return checker.report(like.expression, "LIKE needs a pattern in quotes", "such as LIKE 'a%'")
    try:
        expr = like_expr(value.expr.cast(pl.String), pattern.literal, escape)
    except ValueError as error:
        return checker.report(like.expression, str(error))
    canon = f"(like {value.canon} {pattern.canon} {quoted(escape)})"
    matched = checker.make("boolean", canon, expr, value, size=value.size + 3)
    return negated(checker, matched) if like.args.get("negate") else matched
