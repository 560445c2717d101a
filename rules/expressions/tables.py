"""``x IN list('file.csv')`` and ``lookup('table.csv', 'column', field)``: what stands in files beside the rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import polars as pl
from sqlglot import exp

from rules.errors import RuleErrors
from rules.expressions.checker import Checker
from rules.expressions.value import BAD, DTYPES, Value, floating, quoted
from rules.model import Type
from rules.tables import Lookup, TableFault, key_expr

MAX_KEYS = 8


def in_list(checker: Checker, node: exp.Expression, call: exp.Expression) -> Value:
    """``x IN list('file.csv')`` or ``list('file.csv', 'column')``."""
    value = checker.visit(node.this)
    names = _names(checker, call, list(call.expressions), "list", 1, 2)
    if names is None or value.bad or checker.scope.tables is None:
        return BAD
    if value.type not in ("string", "number", "integer", "null"):
        return checker.report(node.this, f"a list has texts or numbers, this is a {value.type}")
    file, column = names[0], names[1] if len(names) > 1 else ""
    field = node.this.name if isinstance(node.this, exp.Column) else ""
    type_: Type = "string" if value.type in ("string", "null") else "number"
    try:
        members = checker.scope.tables.members(file, column, field, type_)
    except TableFault as fault:
        return checker.report(call.expressions[fault.part], fault.message, fault.hint)
    except RuleErrors as error:
        checker.scope.tables.errors |= set(error.errors)
        return BAD
    canon = f"(in {value.canon} (list {' '.join(quoted(name) for name in names)}))"
    # Polars takes its time to make a column's type of a long list: once for each column
    expr = checker.scope.tables.once(("in", canon, value.fields), lambda: _is_member(value, members))
    return checker.make("boolean", canon, expr, value, size=value.size + 6)


def _is_member(value: Value, members: pl.Series) -> pl.Expr:
    """Null where the value is. Built so that Polars does not hash the list anew for every batch, as ``is_in`` does."""
    if value.type == "null":
        return pl.lit(None, dtype=pl.Boolean)
    if not len(members):
        return pl.when(value.expr.is_not_null()).then(pl.lit(value=False))
    if value.type == "string":
        found = value.expr.cast(pl.Enum(members), strict=False).is_not_null()
        return pl.when(value.expr.is_not_null()).then(found)
    number = floating(value)
    place = pl.lit(members).search_sorted(number).clip(0, len(members) - 1)
    return pl.lit(members).gather(place) == number


def lookup(checker: Checker, node: exp.Expression, arguments: list[exp.Expression]) -> Value:
    """The value of a table's column in the row whose key columns, named like the fields, have the fields' values."""
    names = _names(checker, node, arguments[:2], "lookup", 2, 2)
    fields = arguments[2:]
    if not 1 <= len(fields) <= MAX_KEYS or not all(isinstance(field, exp.Column) for field in fields):
        hint = "such as lookup('limits.csv', 'limit', subject)"
        return checker.report(node, f"lookup needs 1 to {MAX_KEYS} fields as its key", hint)
    values = [checker.visit(field) for field in fields]
    if names is None or any(value.bad for value in values) or checker.scope.tables is None:
        return BAD
    for field, value in zip(fields, values, strict=True):
        if value.type not in ("string", "number", "integer"):
            return checker.report(field, f"a table is looked up by texts and numbers, {field.name} is a {value.type}")
    file, column = names
    types = {field.name: value.type for field, value in zip(fields, values, strict=True)}
    if len(types) < len(fields):
        return checker.report(node, "a field stands twice in the key")
    try:
        table = checker.scope.tables.lookup(file, column, types)
    except TableFault as fault:
        return checker.report(arguments[fault.part], fault.message, fault.hint)
    except RuleErrors as error:
        checker.scope.tables.errors |= set(error.errors)
        return BAD
    canon = f"(lookup {quoted(file)} {quoted(column)} {table.type} {' '.join(value.canon for value in values)})"
    columns = tuple(sorted(field for value in values for field in value.fields))
    expr = checker.scope.tables.once(("lookup", canon, columns), lambda: _looked_up(values, table))
    return checker.make(table.type, canon, expr, *values, size=6 + 3 * sum(value.size for value in values))


def _looked_up(values: Sequence[Value], table: Lookup) -> pl.Expr:
    if not len(table.values):
        return pl.lit(None, dtype=DTYPES[table.type])
    key = key_expr([(value.expr, value.type) for value in values])
    return pl.lit(table.values).gather(key.cast(table.keys, strict=False).to_physical())


def _names(
    checker: Checker, node: exp.Expression, arguments: Sequence[exp.Expression], function: str, least: int, most: int
) -> list[str] | None:
    """Texts in quotes: a file and a column. None after a report."""
    if checker.scope.tables is None:
        checker.report(node, f"{function} has no files to read here")
        return None
    if not least <= len(arguments) <= most:
        hint = (
            "such as x IN list('key.csv', 'column')"
            if function == "list"
            else "such as lookup('limits.csv', 'limit', subject)"
        )
        checker.report(node, f"{function} needs a file and a column in quotes", hint)
        return None
    names = []
    for argument in arguments:
        if (
            not isinstance(argument, exp.Literal)
            or not argument.args.get("is_string")
            or not str(argument.this).strip()
        ):
            checker.report(argument, f"{function} needs a file and a column in quotes")
            return None
        names.append(str(argument.this))
    return [PurePosixPath(names[0]).as_posix(), *names[1:]]
