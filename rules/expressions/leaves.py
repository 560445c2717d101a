"""Fields, numbers, texts: where an expression's tree ends."""

from __future__ import annotations

import polars as pl
from sqlglot import exp

from rules.errors import did_you_mean
from rules.expressions.checker import Checker
from rules.expressions.scope import Scope
from rules.expressions.value import DTYPES, Value, quoted


def column(checker: Checker, node: exp.Expression) -> Value:
    name = node.name
    scope = checker.scope
    if checker.measure and not checker.inside:
        if checker.beside is None:
            hint = _aggregated(node, scope) if name in scope.types else "measures cannot read each other"
            return checker.report(node, f"{name} must stand inside of an aggregate", hint)
        scope = checker.beside
    type_ = scope.types.get(name)
    if type_ is None:
        reason = scope.barred.get(name)
        if reason:
            return checker.report(node, f"{name} cannot be used here", reason)
        hint = did_you_mean(name, scope.types) or _meant_as_text(node)
        return checker.report(node, f"unknown name {name[:40]}: {scope.what} {scope.lacks}", hint)
    column = scope.column(name)
    checker.dtypes[column] = DTYPES[type_]
    return Value(pl.col(column), type_, f'"{name}":{type_}', fields=frozenset([column]))


def _aggregated(node: exp.Expression, scope: Scope) -> str:
    """A hint of an aggregate that takes the field, or what the field is looked up for."""
    call = node.find_ancestor(exp.Anonymous)
    if call is not None and call.name.lower().startswith("lookup@"):
        return "such as max(lookup(...))"
    return f"such as {'avg' if scope.types[node.name] in ('number', 'integer') else 'last'}({node.name})"


def _meant_as_text(node: exp.Expression) -> str:
    """A hint where something is compared with a word that is no name: ``metric = w01018``, ``category = "食品"``."""
    parent = node.parent.parent if isinstance(node.parent, exp.Column) else node.parent
    is_text = isinstance(parent, exp.EQ | exp.NEQ | exp.In) and node.arg_key != "this"
    return f"a text stands in single quotes: '{node.name[:40]}'" if is_text else ""


def literal(checker: Checker, node: exp.Expression) -> Value:
    text = str(node.this)
    if node.args.get("is_string"):
        return Value(pl.lit(text), "string", quoted(text), literal=text)
    if text.isdigit() and int(text) < 2**63:
        return Value(pl.lit(int(text), dtype=pl.Int64), "integer", str(int(text)), literal=int(text))
    number = float(text)
    if number == float("inf"):
        return checker.report(node, f"{text[:20]} is too large a number")
    return Value(pl.lit(number, dtype=pl.Float64), "number", repr(number), literal=number)


def null(_: Checker, __: exp.Expression) -> Value:
    return Value(pl.lit(None), "null", "null", literal=None)


def boolean(_: Checker, node: exp.Expression) -> Value:
    truth = bool(node.this)
    return Value(pl.lit(truth), "boolean", "true" if truth else "false", literal=truth)


def paren(checker: Checker, node: exp.Expression) -> Value:
    return checker.visit_raw(node.this)


def strange(checker: Checker, node: exp.Expression) -> Value:
    if isinstance(node, exp.Star):
        return checker.report(node, "* stands alone", "only count(*) has it")
    return checker.report(node, "a list has no meaning here", "only IN takes a list")
