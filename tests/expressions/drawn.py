"""Trees at random; the first choices are the plain ones, as a case shrinks to them. Numbers are small and whole, so that sums are exact in any order."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.expressions.grades import ROUNDED, TEXT, grade
from tests.expressions.trees import Tree

#: (name, type), hashable, so that the same strategy is built once
Types = tuple[tuple[str, str], ...]

_WORDS = ("a", "b", "ab")
_SIGNS = (">", "<", ">=", "<=", "=", "<>")
_EVEN_SHARES = ("quantile 0.5", "quantile 0.25", "quantile 0.75", "quantile 0", "quantile 1")
#: Whether the engine has distinct counts, quantiles and texts by now.
LANDED = True
_literal = st.integers(-3, 9).map(lambda number: ("lit", number))


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of several strategies, each so many times as likely (``one_of`` takes repeated ones for one)."""
    return st.sampled_from([choice for weight, choice in choices for _ in range(weight)]).flatmap(lambda choice: choice)


def numbers(types: Mapping[str, str], depth: int, *, signs: str = "+-*/") -> st.SearchStrategy[Tree]:
    """A number over fields of these types. Without the sign of division, sums of it are exact in any order."""
    return _numbers(tuple(types.items()), depth, signs)


def conditions(types: Mapping[str, str], depth: int) -> st.SearchStrategy[Tree]:
    """A condition over fields of these types."""
    return _conditions(tuple(types.items()), depth)


@functools.cache
def _numbers(types: Types, depth: int, signs: str) -> st.SearchStrategy[Tree]:
    names = [name for name, kind in types if kind in ("number", "integer")]
    texts = [name for name, kind in types if kind == "string"]
    times = [name for name, kind in types if kind == "time"]
    column = st.sampled_from([("col", name) for name in names]) if names else _literal
    if depth == 0:
        return column
    below = st.deferred(lambda: _numbers(types, depth - 1, signs))
    choices: list[st.SearchStrategy[Tree]] = [
        st.tuples(st.just("op"), st.sampled_from(signs), below, st.one_of(_literal, below)),
        st.tuples(st.just("abs"), below),
        st.tuples(st.just("coalesce"), below, _literal),
        st.tuples(st.just("most"), st.sampled_from(["greatest", "least"]), st.lists(below, min_size=2, max_size=3)),
        st.tuples(st.just("case"), st.deferred(lambda: _conditions(types, depth - 1)), below, _literal),
    ]
    if texts:
        choices.append(st.sampled_from([("length", ("col", name)) for name in texts]))
    if times:
        parts = [("part", part, ("col", name)) for name in times for part in ("hour", "weekday", "day", "month")]
        choices.append(st.sampled_from(parts))
    return weighted((2, column), (3, st.one_of(choices)))


@functools.cache
def _conditions(types: Types, depth: int) -> st.SearchStrategy[Tree]:
    texts = [("col", name) for name, kind in types if kind == "string"]
    flags = [("col", name) for name, kind in types if kind == "boolean"]
    number = _numbers(types, min(depth, 1), "+-*/")
    simple = st.tuples(
        st.just("cmp"), st.sampled_from(_SIGNS), _numbers(types, 0, "+-*/"), st.integers(2, 7).map(lambda n: ("lit", n))
    )
    choices: list[st.SearchStrategy[Tree]] = [simple]
    if texts:
        text = st.sampled_from(texts)
        word = st.sampled_from(_WORDS)
        choices.append(
            st.one_of(
                st.tuples(st.just("textcmp"), st.sampled_from(["=", "<>", "<"]), text, word.map(lambda w: ("text", w))),
                st.tuples(st.sampled_from(["prefix", "like", "upper"]), text, word),
            )
        )
    if flags:
        choices.append(st.sampled_from(flags))
    if depth > 0:
        below = st.deferred(lambda: _conditions(types, depth - 1))
        tenths = st.sampled_from([0.1, 0.3, 0.6, 0.7]).map(lambda number: ("lit", number))
        tenth = st.tuples(st.just("op"), st.just("/"), _numbers(types, 0, "+-*/"), st.just(("lit", 10)))
        choices += [
            # 3 / 10 and 0.3 are the same number only if the division is a division.
            st.tuples(st.just("cmp"), st.sampled_from([">", "<=", "="]), tenth, tenths),
            st.tuples(st.just("cmp"), st.sampled_from(_SIGNS), number, number),
            st.tuples(st.sampled_from(["and", "or"]), below, below),
            st.tuples(st.just("not"), below),
            st.tuples(st.just("null"), number, st.booleans()),
            st.tuples(st.just("in"), number, st.lists(_literal, min_size=1, max_size=3), st.booleans()),
            st.tuples(st.just("between"), number, _literal, _literal),
        ]
    return weighted((2, simple), (3, st.one_of(choices)))


def aggregates(types: Mapping[str, str]) -> st.SearchStrategy[Tree]:
    """One measure over events with fields of these types."""
    return _aggregates(tuple(types.items()))


@functools.cache
def _aggregates(types: Types) -> st.SearchStrategy[Tree]:
    inner = weighted((2, _numbers(types, 0, "+-*")), (1, _numbers(types, 1, "+-*")))
    text = st.sampled_from([("col", name) for name, kind in types if kind == "string"])
    anything = st.sampled_from([("col", name) for name, kind in types if kind != "time"])
    plain = st.sampled_from(["sum", "avg", "min", "max", "count", "first", "last"])
    single = weighted(
        (2, st.just(("agg", "count", None))),
        (4, st.tuples(st.just("agg"), plain, inner)),
        *(
            [
                (1, st.tuples(st.just("agg"), st.just("count distinct"), st.one_of(anything, inner))),
                (1, st.tuples(st.just("agg"), st.sampled_from(["median", *_EVEN_SHARES]), inner)),
            ]
            if LANDED
            else []
        ),
    )
    other = st.one_of(single, st.integers(1, 4).map(lambda n: ("lit", n)))
    mixed = st.tuples(st.just("op"), st.sampled_from("+-*/"), single, other)
    most = st.tuples(st.just("most"), st.sampled_from(["greatest", "least"]), st.tuples(single, other).map(list))
    rounded = st.tuples(
        st.just("agg"), st.sampled_from(["stddev", "quantile 0.9", "quantile 0.05"] if LANDED else ["stddev"]), inner
    )
    words = st.tuples(st.just("agg"), st.sampled_from(["first", "last"]), text)
    found = [(6, single), (2, mixed), (1, most), (1, rounded)]
    return weighted(*found, *([(1, words)] if LANDED else []))


def comparisons(grades: Mapping[str, int], known: Mapping[str, int]) -> st.SearchStrategy[Tree]:
    """One measure of a baseline. ``grades``: of the window's measures and those of the baselines before it, by name.

    ``known``: of those that the earlier windows are remembered by.
    """
    numbers_ = [name for name, how in grades.items() if how != TEXT]
    column = st.sampled_from([("col", name) for name in numbers_])
    remembered = st.sampled_from([("col", name) for name, how in known.items() if how != TEXT])
    inner = st.one_of(
        remembered,
        st.tuples(st.just("op"), st.sampled_from("+-"), remembered, _literal),
        st.tuples(st.just("most"), st.just("greatest"), st.tuples(st.just(("lit", 0)), remembered).map(list)),
    )
    ops = ["avg", "sum", "min", "max", "count", "stddev", "median", "quantile 0.75", "first", "last"]
    single = st.one_of(st.just(("agg", "count", None)), st.tuples(st.just("agg"), st.sampled_from(ops), inner))
    beside = st.tuples(st.just("op"), st.sampled_from("-+/"), column, single)
    summed = st.tuples(st.just("op"), st.just("+"), column, st.tuples(st.just("coalesce"), single, st.just(("lit", 0))))
    return weighted((4, single), (2, beside), (1, summed))


def readable(grades: Mapping[str, int]) -> dict[str, str]:
    """The types of the measures that a condition may hang on."""
    return {name: "string" if how == TEXT else "number" for name, how in grades.items() if how != ROUNDED}


def graded(measures: Mapping[str, Tree], types: Mapping[str, str]) -> dict[str, int]:
    """How well each is known. ``types``: of the events' fields."""

    def words(tree: Tree) -> bool:
        return tree[:2] in (("agg", "first"), ("agg", "last")) and types.get(str(tree[2][1])) == "string"

    return {name: TEXT if words(tree) else grade(tree) for name, tree in measures.items()}
