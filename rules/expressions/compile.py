"""From the text of an expression to what the engine runs."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from sqlglot import exp

from rules.expressions import arithmetic, choice, comparison, functions, leaves, logic
from rules.expressions.aggregates import AGGREGATES
from rules.expressions.arithmetic import ARITHMETIC
from rules.expressions.checker import Checker, Visit
from rules.expressions.comparison import COMPARISONS
from rules.expressions.finish import finish
from rules.expressions.scope import Scope
from rules.expressions.value import DTYPES
from rules.model import Expr, Measure

#: How each kind of node is checked.
VISITORS: dict[type[exp.Expression], Visit] = {
    exp.Column: leaves.column,
    exp.Identifier: leaves.column,
    exp.Literal: leaves.literal,
    exp.Null: leaves.null,
    exp.Boolean: leaves.boolean,
    exp.Paren: leaves.paren,
    exp.And: logic.logical,
    exp.Or: logic.logical,
    exp.Not: logic.not_,
    exp.Between: comparison.between,
    exp.In: comparison.in_,
    exp.Is: logic.is_,
    exp.Like: comparison.like,
    exp.Escape: comparison.like,
    exp.Neg: arithmetic.neg,
    exp.DPipe: arithmetic.concat,
    exp.Case: choice.case,
    exp.Anonymous: functions.call,
    exp.Star: leaves.strange,
    exp.Tuple: leaves.strange,
    **dict.fromkeys(COMPARISONS, comparison.compare),
    **dict.fromkeys(ARITHMETIC, arithmetic.arithmetic),
}


def compile_condition(text: str, scope: Scope, *, zone_ms: int) -> tuple[Expr, str]:
    """A condition and its canonical text. ExpressionErrors when it is not a boolean expression over the scope."""
    checker = Checker(scope, zone_ms, VISITORS, measure=False)
    value = checker.check(text)
    if value.type not in ("boolean", "null"):
        checker.fail(0, f"this is a {value.type}, where a condition is needed", "compare it with something")
    return finish(text, value, "boolean", checker.dtypes), value.canon


def compile_value(text: str, scope: Scope, *, zone_ms: int) -> tuple[Expr, str]:
    """An expression of any type, and its canonical text."""
    checker = Checker(scope, zone_ms, VISITORS, measure=False)
    value = checker.check(text)
    return finish(text, value, value.type, checker.dtypes), value.canon


def compile_measure(
    name: str, text: str, scope: Scope, *, zone_ms: int, beside: Scope | None = None
) -> tuple[Measure, str]:
    """A measure: arithmetic over aggregates of the scope's fields. Its expression reads columns named by Aggregate.key.

    ``beside``: names that may stand outside of aggregates too (of a baseline: the measures of the window that is judged).
    """
    checker = Checker(scope, zone_ms, VISITORS, measure=True, beside=beside)
    value = checker.check(text)
    if not checker.aggregates and beside is None:
        checker.fail(0, "a measure needs an aggregate", f"one of {', '.join(AGGREGATES)}, such as count(*)")
    if value.type not in ("number", "integer", "string"):
        checker.fail(0, f"this is a {value.type}, where a measure must be a number or a text")
    cast_ = value.expr.cast(DTYPES[value.type], strict=False)
    # An expression whose rows all come to null may be given back as one row (Polars 2.1); a measure is there for each window.
    whole = cast_ if value.size == 1 else pl.when(pl.repeat(value=True, n=pl.len())).then(cast_)
    value = replace(value, expr=whole)
    expr = finish(text, value, value.type, checker.dtypes)
    return Measure(name=name, expr=expr, aggregates=tuple(checker.aggregates.values())), value.canon
