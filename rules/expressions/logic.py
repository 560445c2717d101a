"""AND, OR, NOT and IS, with three values."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from sqlglot import exp

from rules.expressions.checker import Checker
from rules.expressions.value import Value


def logical(checker: Checker, node: exp.Expression) -> Value:
    left, right = checker.condition(node.this), checker.condition(node.expression)
    if isinstance(node, exp.And):
        made = checker.make("boolean", f"(and {left.canon} {right.canon})", left.expr & right.expr, left, right)
        return replace(made, needs=(*left.needs, *right.needs), plain=left.plain and right.plain)
    return checker.make("boolean", f"(or {left.canon} {right.canon})", left.expr | right.expr, left, right)


def not_(checker: Checker, node: exp.Expression) -> Value:
    return negated(checker, checker.condition(node.this))


def negated(checker: Checker, inner: Value) -> Value:
    return checker.make("boolean", f"(not {inner.canon})", ~inner.expr, inner)


def is_(checker: Checker, node: exp.Expression) -> Value:
    value, right = checker.visit(node.this), node.expression
    if isinstance(right, exp.Null):
        return checker.make("boolean", f"(null? {value.canon})", value.expr.is_null(), value)
    if isinstance(right, exp.Boolean):
        if not value.bad and value.type not in ("boolean", "null"):
            return checker.report(node, f"this is a {value.type}, where a condition is needed")
        truth = bool(right.this)
        expr = (value.expr.cast(pl.Boolean) if truth else ~value.expr.cast(pl.Boolean)).fill_null(False)
        return checker.make("boolean", f"(is {value.canon} {truth})", expr, value)
    return checker.report(node, "IS needs NULL, TRUE or FALSE", "write = to compare")
