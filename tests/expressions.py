"""Small expressions for the property tests: trees that are drawn once and read twice, as SQL text and as Python values.

A tree is a tuple whose first word names it. Numbers are small integers, so that sums are exact in any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

Tree = tuple[Any, ...]
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


# --- as SQL -----------------------------------------------------------------------------------------------------------


def sql(tree: Tree) -> str:
    match tree:
        case ("col", name):
            return str(name)
        case ("lit", value):
            return f"({value})" if value < 0 else str(value)
        case ("text", value):
            return f"'{value}'"
        case ("op" | "cmp" | "textcmp", sign, left, right):
            return f"({sql(left)} {sign} {sql(right)})"
        case ("abs", inner):
            return f"abs({sql(inner)})"
        case ("coalesce", inner, other):
            return f"COALESCE({sql(inner)}, {sql(other)})"
        case ("case", condition, then, other):
            return f"CASE WHEN {sql(condition)} THEN {sql(then)} ELSE {sql(other)} END"
        case ("length", inner):
            return f"length({sql(inner)})"
        case ("and" | "or" as word, left, right):
            return f"({sql(left)} {word.upper()} {sql(right)})"
        case ("not", inner):
            return f"(NOT {sql(inner)})"
        case ("null", inner, negated):
            return f"({sql(inner)} IS {'NOT ' if negated else ''}NULL)"
        case ("in", inner, values, negated):
            return f"({sql(inner)} {'NOT ' if negated else ''}IN ({', '.join(map(sql, values))}))"
        case ("between", inner, low, high):
            return f"({sql(inner)} BETWEEN {sql(low)} AND {sql(high)})"
        case ("prefix", inner, text):
            return f"starts_with({sql(inner)}, '{text}')"
        case ("like", inner, text):
            return f"({sql(inner)} LIKE '{text}%')"
        case ("upper", inner, text):
            return f"(upper({sql(inner)}) = '{text.upper()}')"
        case ("true",):
            return "true"
        case ("agg", op, None):
            return f"{op}(*)"
        case ("agg", op, inner):
            return f"{op}({sql(inner)})"
    raise AssertionError(tree)


# --- as values --------------------------------------------------------------------------------------------------------


def value(tree: Tree, fields: Fields) -> Any:
    """Null is None, everywhere; AND, OR and NOT are three-valued."""
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
        case ("true",):
            return True
    raise AssertionError(tree)


def _strict(function: Callable[..., Any], *arguments: Any) -> Any:
    return None if None in arguments else function(*arguments)


def measured(tree: Tree, events: list[Fields]) -> Any:
    """A measure: arithmetic over aggregates of a list of events in (time, arrival) order. Aggregates pass over nulls."""
    match tree:
        case ("agg", "count", None):
            return len(events)
        case ("agg", op, inner):
            found = [v for v in (value(inner, event) for event in events) if v is not None]
            return _aggregate(op, found)
        case ("op", sign, left, right):
            return _strict(_ARITHMETIC[sign], measured(left, events), measured(right, events))
        case ("lit", constant):
            return constant
    raise AssertionError(tree)


def _aggregate(op: str, found: list[Any]) -> Any:
    if op == "count":
        return len(found)
    if not found or (op == "stddev" and len(found) < 2):
        return None
    if op == "stddev":
        mean = math.fsum(found) / len(found)
        return math.sqrt(math.fsum((v - mean) ** 2 for v in found) / (len(found) - 1))
    simple: dict[str, Callable[[list[Any]], Any]] = {
        "sum": sum,
        "avg": lambda vs: sum(vs) / len(vs),
        "min": min,
        "max": max,
        "first": lambda vs: vs[0],
        "last": lambda vs: vs[-1],
    }
    return simple[op](found)


def columns(tree: Any) -> set[str]:
    """Every name that a tree reads."""
    if isinstance(tree, tuple) and tree and tree[0] == "col":
        return {tree[1]}
    return set().union(*map(columns, tree)) if isinstance(tree, tuple | list) else set()


# --- drawn ------------------------------------------------------------------------------------------------------------


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of several strategies, each so many times as likely (``one_of`` takes repeated ones for one)."""
    return st.sampled_from([choice for weight, choice in choices for _ in range(weight)]).flatmap(lambda choice: choice)


_TEXTS = ("a", "b", "ab")
_literal = st.integers(-3, 9).map(lambda number: ("lit", number))


def numbers(types: Mapping[str, str], depth: int, *, signs: str = "+-*/") -> st.SearchStrategy[Tree]:
    """A number over fields of these types. Without the sign of division, sums of it are exact in any order."""
    names = [name for name, kind in types.items() if kind in ("number", "integer")]
    texts = [name for name, kind in types.items() if kind == "string"]
    column = st.sampled_from([("col", name) for name in names]) if names else _literal
    if depth == 0:
        return column
    below = st.deferred(lambda: numbers(types, depth - 1, signs=signs))
    choices: list[st.SearchStrategy[Tree]] = [
        st.tuples(st.just("op"), st.sampled_from(signs), below, st.one_of(_literal, below)),
        st.tuples(st.just("abs"), below),
        st.tuples(st.just("coalesce"), below, _literal),
        st.tuples(st.just("case"), st.deferred(lambda: conditions(types, depth - 1)), below, _literal),
    ]
    if texts:
        choices.append(st.sampled_from([("length", ("col", name)) for name in texts]))
    return weighted((2, column), (3, st.one_of(choices)))


def conditions(types: Mapping[str, str], depth: int) -> st.SearchStrategy[Tree]:
    """A condition over fields of these types; the plain ones come first, as a case shrinks to them."""
    texts = [("col", name) for name, kind in types.items() if kind == "string"]
    flags = [("col", name) for name, kind in types.items() if kind == "boolean"]
    number = numbers(types, min(depth, 1))
    simple = st.tuples(
        st.just("cmp"),
        st.sampled_from([">", "<", ">=", "<=", "=", "<>"]),
        numbers(types, 0),
        st.integers(2, 7).map(lambda n: ("lit", n)),
    )
    choices: list[st.SearchStrategy[Tree]] = [simple]
    if texts:
        text = st.sampled_from(texts)
        word = st.sampled_from(_TEXTS)
        choices.append(
            st.one_of(
                st.tuples(st.just("textcmp"), st.sampled_from(["=", "<>", "<"]), text, word.map(lambda w: ("text", w))),
                st.tuples(st.sampled_from(["prefix", "like", "upper"]), text, word),
            )
        )
    if flags:
        choices.append(st.sampled_from(flags))
    if depth > 0:
        below = st.deferred(lambda: conditions(types, depth - 1))
        tenths = st.sampled_from([0.1, 0.3, 0.6, 0.7]).map(lambda number: ("lit", number))
        tenth = st.tuples(st.just("op"), st.just("/"), numbers(types, 0), st.just(("lit", 10)))
        choices += [
            # 3 / 10 and 0.3 are the same number only if the division is a division.
            st.tuples(st.just("cmp"), st.sampled_from([">", "<=", "="]), tenth, tenths),
            st.tuples(st.just("cmp"), st.sampled_from(list(_COMPARE)), number, number),
            st.tuples(st.sampled_from(["and", "or"]), below, below),
            st.tuples(st.just("not"), below),
            st.tuples(st.just("null"), number, st.booleans()),
            st.tuples(st.just("in"), number, st.lists(_literal, min_size=1, max_size=3), st.booleans()),
            st.tuples(st.just("between"), number, _literal, _literal),
        ]
    return weighted((2, simple), (3, st.one_of(choices)))


def aggregates(types: Mapping[str, str]) -> st.SearchStrategy[Tree]:
    """One measure over events with fields of these types."""
    inner = weighted((2, numbers(types, 0)), (1, numbers(types, 1, signs="+-*")))
    single = st.one_of(
        st.just(("agg", "count", None)),
        st.tuples(st.just("agg"), st.sampled_from(["sum", "avg", "min", "max", "count", "first", "last"]), inner),
    )
    other = st.one_of(single, st.integers(1, 4).map(lambda n: ("lit", n)))
    mixed = st.tuples(st.just("op"), st.sampled_from("+-*/"), single, other)
    return weighted((4, single), (2, mixed), (1, st.tuples(st.just("agg"), st.just("stddev"), inner)))


def rounded(tree: Tree) -> bool:
    """Whether a measure's last digits depend on the way it is computed, so that no condition should hang on them."""
    return tree[:2] == ("agg", "stddev")
