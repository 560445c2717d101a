"""A tree as a value: null is None, everywhere; AND, OR and NOT are three-valued."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.expressions.trees import Tree

Fields = Mapping[str, Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
}
_SHANGHAI = timedelta(hours=8)
_PARTS: dict[str, Callable[[datetime], int]] = {
    "hour": lambda at: at.hour,
    "weekday": lambda at: at.isoweekday(),
    "day": lambda at: at.day,
    "month": lambda at: at.month,
}


def value(tree: Tree, fields: Fields) -> Any:
    """Of one event, or of a window's measures. ``fields["tables"]``: lists and tables as lists of rows, by file."""
    match tree:
        case ("col", name):
            return fields.get(name)
        case ("lit" | "text", constant):
            return constant
        case ("op", sign, left, right):
            return _strict(_ARITHMETIC[sign], value(left, fields), value(right, fields))
        case ("cmp" | "textcmp", sign, left, right):
            return _strict(_COMPARE[sign], value(left, fields), value(right, fields))
        case ("abs", inner):
            return _strict(abs, value(inner, fields))
        case ("coalesce", inner, other):
            first = value(inner, fields)
            return value(other, fields) if first is None else first
        case ("most", name, parts):
            return _most(name, [value(part, fields) for part in parts])
        case ("part", name, inner):
            return _strict(lambda ms: _PARTS[name](_local(ms)), value(inner, fields))
        case ("case", condition, then, other):
            return value(then if value(condition, fields) is True else other, fields)
        case ("length", inner):
            return _strict(len, value(inner, fields))
        case ("and", left, right):
            both = (value(left, fields), value(right, fields))
            return False if False in both else None if None in both else True
        case ("or", left, right):
            both = (value(left, fields), value(right, fields))
            return True if True in both else None if None in both else False
        case ("not", inner):
            return _strict(lambda v: not v, value(inner, fields))
        case ("null", inner, negated):
            return (value(inner, fields) is None) != negated
        case ("in", inner, values, negated):
            constants = [value(one, fields) for one in values]
            return _strict(lambda v: (v in constants) != negated, value(inner, fields))
        case ("between", inner, low, high):
            return _strict(lambda v, a, b: a <= v <= b, value(inner, fields), value(low, fields), value(high, fields))
        case ("prefix" | "like", inner, text):
            return _strict(lambda v: v.startswith(text), value(inner, fields))
        case ("upper", inner, text):
            return _strict(lambda v: v.upper() == text.upper(), value(inner, fields))
        case ("listed", inner, file, column, negated):
            known = _listed(fields["tables"][file], column or inner[1])
            return _strict(lambda v: (v in known) != negated, value(inner, fields))
        case ("lookup", file, column, names):
            wanted = {name: fields.get(name) for name in names}
            rows = [row for row in fields["tables"][file] if all(row[name] == wanted[name] for name in names)]
            return rows[0][column] if rows else None
        case ("true",):
            return True
    raise AssertionError(tree)


def measured(tree: Tree, events: list[Fields], plain: Fields | None = None) -> Any:
    """A measure: arithmetic over aggregates of a list of events in (time, arrival) order. Aggregates pass over nulls.

    Of a baseline: ``events`` are the values of the earlier windows, and ``plain`` those of this one.
    """
    match tree:
        case ("agg", "count", None):
            return len(events)
        case ("agg", op, inner):
            found = [v for v in (value(inner, event) for event in events) if v is not None]
            return _aggregate(op, found)
        case ("op", sign, left, right):
            return _strict(_ARITHMETIC[sign], measured(left, events, plain), measured(right, events, plain))
        case ("most", name, parts):
            return _most(name, [measured(part, events, plain) for part in parts])
        case ("coalesce", inner, other):
            first = measured(inner, events, plain)
            return measured(other, events, plain) if first is None else first
        case ("lit", constant):
            return constant
        case ("col", name):
            assert plain is not None
            return plain.get(name)
    raise AssertionError(tree)


def _listed(rows: list[Fields], column: str) -> list[Any]:
    """The values of this column, or of the only one of a file without a header."""
    return [row[column if column in row else ""] for row in rows]


def _strict(function: Callable[..., Any], *arguments: Any) -> Any:
    return None if None in arguments else function(*arguments)


def _most(name: str, found: list[Any]) -> Any:
    """The greatest or least of those that are there."""
    there = [v for v in found if v is not None]
    return None if not there else max(there) if name == "greatest" else min(there)


def _local(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC) + _SHANGHAI


def _aggregate(op: str, found: list[Any]) -> Any:
    if op == "count":
        return len(found)
    if op == "count distinct":
        return len(set(found))
    if not found or (op == "stddev" and len(found) < 2):
        return None
    if op == "stddev":
        mean = math.fsum(found) / len(found)
        return math.sqrt(math.fsum((v - mean) ** 2 for v in found) / (len(found) - 1))
    if op == "median" or op.startswith("quantile "):
        return _quantile(found, 0.5 if op == "median" else float(op.removeprefix("quantile ")))
    simple: dict[str, Callable[[list[Any]], Any]] = {
        "sum": sum,
        "avg": lambda vs: sum(vs) / len(vs),
        "min": min,
        "max": max,
        "first": lambda vs: vs[0],
        "last": lambda vs: vs[-1],
    }
    return simple[op](found)


def _quantile(found: list[Any], share: float) -> float:
    """Linear between the two nearest, as percentile_cont."""
    ranked = sorted(found)
    place = share * (len(ranked) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ranked) - 1)
    return float(ranked[low] + (ranked[high] - ranked[low]) * (place - low))
