"""Expressions: what they give (SQLite is the second opinion), what is refused and where, and that nothing can hurt."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import sys
import time
from dataclasses import replace
from functools import partial

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.times import parse_instant
from rules.expressions import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    ExpressionErrors,
    Scope,
    compile_condition,
    compile_measure,
    compile_value,
)
from rules.model import Expr
from rules.tables import Tables, read_from

ZONE_MS = 8 * 3_600_000
SCOPE = Scope(
    {
        "a": "number",
        "b": "number",
        "n": "integer",
        "s": "string",
        "u": "string",
        "f": "boolean",
        "g": "boolean",
        "t": "time",
        "time": "time",
        "limit": "number",
        "interval": "string",
        "rank": "integer",
    },
    "the feed x",
)
ROWS = {
    "a": [1.0, None, 0.0, -2.5, 1e12, 3.0, -0.0, 0.1],
    "b": [0.0, 2.0, None, 4.0, 3.0, 3.0, 1.5, -0.1],
    "n": [1, 2, None, -7, 0, 3, 9, 100],
    "s": ["abc", None, "x%y", "a_c", "", "Abc", "b\nc", "c"],
    "u": ["abc", "b", None, "a%", "c", "abc", "", "C"],
    "f": [True, None, False, True, False, None, True, False],
    "g": [None, None, False, False, True, True, True, False],
    "t": [0, None, 1_000_000_000_000, 1_767_225_600_000, 1, 2, 3, -1],
    "time": [0, 1, 2, 3, 4, 5, 6, 7],
    "limit": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    "interval": ["a", "b", "c", None, "a", "a", "a", "a"],
    "rank": [1, 2, 3, 4, 5, 6, 7, 8],
}
FRAME = pl.DataFrame(ROWS, schema_overrides={"t": pl.Int64, "time": pl.Int64})


def values(text: str) -> list[object]:
    """The expression over all rows."""
    compiled, _ = compile_value(text, SCOPE, zone_ms=ZONE_MS)
    return FRAME.with_columns(compiled.expr.alias("out"))["out"].to_list()


def faults(text: str, scope: Scope = SCOPE) -> list[tuple[int, str, str]]:
    """(offset, message, hint) of all faults."""
    with pytest.raises(ExpressionErrors) as caught:
        compile_value(text, scope, zone_ms=ZONE_MS)
    return [(fault.offset, fault.message, fault.hint) for fault in caught.value.faults]


# --- against SQLite ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sqlite() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA case_sensitive_like = ON")
    kinds = {"a": "REAL", "b": "REAL", "limit": "REAL", "s": "TEXT", "u": "TEXT", "interval": "TEXT"}
    columns = ", ".join(f'"{name}" ' + kinds.get(name, "INTEGER") for name in ROWS)
    connection.execute(f"CREATE TABLE e ({columns})")
    connection.executemany(
        f"INSERT INTO e VALUES ({', '.join('?' * len(ROWS))})", list(zip(*ROWS.values(), strict=True))
    )
    return connection


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/"]), inner),
        st.builds("- {}".format, inner),
        st.builds("abs({})".format, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("round({}, 1)".format, st.sampled_from(["a", "b", "1.25", "-1.5"])),
        st.builds("CASE WHEN {} > {} THEN {} ELSE {} END".format, inner, inner, inner, inner),
        st.builds("case {} when {} then {} end".format, inner, inner, inner),
    )


_TEXTS = st.recursive(
    st.sampled_from(["s", "u", "'abc'", "''", "'a_c'", "null"]),
    lambda inner: st.one_of(
        st.builds("({} || {})".format, inner, inner),
        st.builds("lower({})".format, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
    ),
    max_leaves=3,
)
# SQLite divides integers as integers, and keeps a constant's type: all numbers here are floating.
_NUMBERS = st.recursive(st.sampled_from(["a", "b", "2.0", "0.0", "1.5", "NULL"]), _numbers, max_leaves=4)
_PATTERNS = st.text("abc%_!", max_size=4).map(lambda text: f"'{text}'")


def _conditions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "or"]), inner),
        st.builds("NOT {}".format, inner),
        st.builds("({} IS NULL)".format, inner),
        st.builds("({} is not true)".format, inner),
    )


_SIGNS = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="])
_CONDITIONS = st.recursive(
    st.one_of(
        st.sampled_from(["f", "g", "true", "NULL"]),
        st.builds("({} {} {})".format, _NUMBERS, _SIGNS, _NUMBERS),
        st.builds("({} {} {})".format, _TEXTS, _SIGNS, _TEXTS),
        st.builds(
            "({} {} {})".format, st.sampled_from(["n", "rank", "3"]), _SIGNS, st.sampled_from(["n", "2", "2.5", "a"])
        ),
        st.builds("({} IN ({}, {}))".format, _NUMBERS, _NUMBERS, _NUMBERS),
        st.builds("(n not in ({}))".format, st.sampled_from(["1", "1, 2", "1, null", "1.0, -7", "null", "rank, 9"])),
        st.builds("({} IN ('abc', {}))".format, _TEXTS, _TEXTS),
        st.builds(
            "({} {} {} AND {})".format, _NUMBERS, st.sampled_from(["between", "NOT BETWEEN"]), _NUMBERS, _NUMBERS
        ),
        st.builds("({} {} {})".format, st.sampled_from(["s", "u"]), st.sampled_from(["like", "NOT LIKE"]), _PATTERNS),
        st.builds("({} is {} null)".format, _NUMBERS, st.sampled_from(["", "not"])),
        st.builds("(length({}) > {})".format, _TEXTS, st.sampled_from(["1", "length(u)"])),
    ),
    _conditions,
    max_leaves=5,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_CONDITIONS)
def test_conditions_agree_with_sqlite(sqlite, text):
    """Three-valued logic, comparison, arithmetic, LIKE, IN, BETWEEN, CASE and COALESCE mean what SQL says."""
    compiled, _ = compile_condition(text, SCOPE, zone_ms=ZONE_MS)
    ours = FRAME.with_columns(compiled.expr.alias("out"))["out"].to_list()
    theirs = [None if row[0] is None else bool(row[0]) for row in sqlite.execute(f"SELECT {text} FROM e")]
    assert ours == theirs, text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_NUMBERS)
def test_numbers_agree_with_sqlite(sqlite, text):
    """Arithmetic gives SQLite's numbers, and null where SQLite gives null."""
    ours = values(text)
    theirs = [row[0] for row in sqlite.execute(f"SELECT {text} FROM e")]
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None), text
        if mine is not None:
            assert math.isclose(mine, other, rel_tol=1e-12, abs_tol=1e-12), text


# --- meaning ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("5 / 2", 2.5),
        ("n / 2", 0.5),
        ("a / b", None),
        ("n / 0", None),
        ("7 % 3", 1.0),
        ("-7 % 3", -1.0),
        ("n + 1", 2),
        ("n * 9223372036854775807 * 4", None),
        ("1e308 * 10 - 1e308 * 10", None),
        ("round(2.5)", 3.0),
        ("round(-2.5)", -3.0),
        ("round(1.25, 1)", 1.3),
        ("length('烽燧')", 2),
        ("upper('aß')", "ASS"),
        ("'it''s'", "it's"),
        ("s || '!'", "abc!"),
        ("starts_with(s, 'ab')", True),
        ("regexp_like(s, '^[a-c]{3}$')", True),
        ("regexp_like('浙A12345', '^\\p{Han}[A-Z]')", True),
        ("'a.c' like 'a.c'", True),
        ("'abc' like 'a.c'", False),
        ("'50%' like '%!%' escape '!'", True),
        ("'a\nb' like 'a_b'", True),
        ("hour('1970-01-01T00:00:00Z')", None),
        ("time = '1970-01-01T08:00:00+08:00'", True),
        ("'1970-01-01T00:00:00.001Z' > time", True),
        ("t in ('1970-01-01T00:00:00Z')", True),
        ("hour(t)", 8),
        ("weekday(t)", 4),
        ("rank - 1 = 0 and limit = 1 and interval = 'a'", True),
        ("a is not null", True),
        ("f is true", True),
        ("case when g then 1 end", None),
        ("coalesce(g, f)", True),
        ("n in (1, 2.0)", True),
        ("greatest(a, b, n)", 1.0),
        ("least(1, n, -3)", -3),
        ("greatest(null, s, 'abb')", "abc"),
        ("least(t, '1969-12-31T00:00:00Z') < time", True),
        ("day(t)", 1),
        ("month(t)", 1),
    ],
)
def test_a_value(text, first):
    """The first row's value of an expression."""
    if text.startswith("hour('"):
        assert faults(text)[0][1] == "hour needs a time, this is a string"
    else:
        assert values(text)[0] == first


def test_hours_and_weekdays_are_the_zone_s():
    """Also before 1970, and on both sides of midnight."""
    times = ["2026-01-01T00:00:00+08:00", "2026-01-04T23:59:59.999+08:00", "1969-12-28T00:30:00+08:00"]
    frame = pl.DataFrame({"t": [parse_instant(text) for text in times]})
    expectations = {"hour(t)": [0, 23, 0], "weekday(t)": [4, 7, 7], "day(t)": [1, 4, 28], "month(t)": [1, 1, 12]}
    for text, expected in expectations.items():
        compiled, _ = compile_value(text, SCOPE, zone_ms=ZONE_MS)
        assert frame.select(compiled.expr).to_series().to_list() == expected


def test_the_greatest_and_the_least_pass_over_nulls():
    """A null beside a value does not count; nulls alone, and numbers that are none, give null."""
    assert values("greatest(a, b)") == [1.0, 2.0, 0.0, 4.0, 1e12, 3.0, 1.5, 0.1]
    assert values("least(s, u)") == ["abc", "b", "x%y", "a%", "", "Abc", "", "C"]
    assert values("greatest(a / 0, null)") == [None] * 8
    assert values("least(1e308 * 10 - 1e308 * 10, a)") == ROWS["a"]


def test_a_difference_of_times_is_in_seconds():
    """Time minus time is a number of seconds; nothing else can be done with a time."""
    assert values("t - time")[2] == (1_000_000_000_000 - 2) / 1000
    assert "times is in seconds" in faults("t + 1")[0][2]


def test_a_measure_is_as_long_as_its_windows():
    """A row for each window also where Polars would make one row of them."""
    for text in ("coalesce(1, avg(a))", "case avg(a) when avg(a) then avg(a) end", "avg(a) - avg(a)"):
        measure, _ = compile_measure("m", text, SCOPE, zone_ms=ZONE_MS)
        frame = pl.DataFrame({a.key: pl.Series([None, None, None], dtype=pl.Float64) for a in measure.aggregates})
        assert len(frame.select(measure.expr.expr)) == 3, text


def test_a_constant_is_as_long_as_the_frame():
    """A condition without fields can be selected alone."""
    assert values("true") == [True] * 8
    assert values("1 < null") == [None] * 8


def test_canonical_text_does_not_depend_on_writing():
    """Spaces, brackets, case of keywords and the sign for unequal do not count; the meaning does."""

    def canon(text: str) -> str:
        return compile_condition(text, SCOPE, zone_ms=ZONE_MS)[1]

    assert canon("a>1 AND NOT b<>2") == canon('("a" > 1) and not (b != 2)')
    assert canon("a > 1 or b > 1 and f") == canon("a > 1 or (b > 1 and f)")
    assert canon("a > 1") != canon("a >= 1")
    assert canon("(a - b) - b > 1") != canon("a - (b - b) > 1")


def test_fields_are_the_columns_read():
    """A field that stands in another column is read from there."""
    scope = Scope({"v": "integer"}, "the feed y", columns={"v": "v@integer"})
    compiled, _ = compile_condition("v > 1", scope, zone_ms=ZONE_MS)
    assert compiled.fields == {"v@integer"}
    assert pl.DataFrame({"v@integer": [2]}).select(compiled.expr).to_series().to_list() == [True]


# --- measures ---------------------------------------------------------------------------------------------------------


def test_a_measure_reads_its_aggregates_by_key():
    """A ratio of aggregates is arithmetic over columns named by their keys."""
    measure, _ = compile_measure("share", "count(s) / count(*)", SCOPE, zone_ms=ZONE_MS)
    assert [a.op for a in measure.aggregates] == ["count", "count"]
    keys = [a.key for a in measure.aggregates]
    frame = pl.DataFrame({keys[0]: [1.0, 0.0], keys[1]: [4.0, 0.0]})
    assert frame.select(measure.expr.expr).to_series().to_list() == [0.25, None]
    assert measure.expr.type == "number"


def test_equal_aggregates_have_equal_keys():
    """However they are written, the same aggregate is computed once."""
    first, _ = compile_measure("x", "AVG( a*2 )", SCOPE, zone_ms=ZONE_MS)
    second, _ = compile_measure("y", 'max(b) + avg("a" * 2)', SCOPE, zone_ms=ZONE_MS)
    assert first.aggregates[0].key in {a.key for a in second.aggregates}


def test_counts_and_sums_of_integers_are_integers():
    """A count comes out as Int64 also where the engine counts in floats."""
    measure, _ = compile_measure("n", "count(*)", SCOPE, zone_ms=ZONE_MS)
    assert measure.expr.type == "integer"
    assert pl.DataFrame({"count(*)": [3.0]}).select(measure.expr.expr).to_series().to_list() == [3]
    assert compile_measure("n", "sum(n)", SCOPE, zone_ms=ZONE_MS)[0].expr.type == "integer"
    assert compile_measure("n", "avg(n)", SCOPE, zone_ms=ZONE_MS)[0].expr.type == "number"


def test_distinct_values_and_quantiles_have_keys_of_their_own():
    """The share of a quantile and the word distinct are part of what is computed; a field may be called distinct."""

    def aggregates(text: str, scope: Scope = SCOPE) -> list[tuple[str, float | None, str]]:
        measure, _ = compile_measure("m", text, scope, zone_ms=ZONE_MS)
        return [(a.op, a.parameter, a.key) for a in measure.aggregates]

    assert aggregates("Count( DISTINCT s )") == [("count_distinct", None, 'count(distinct "s":string)')]
    assert aggregates("count(distinct (f))") == [("count_distinct", None, 'count(distinct "f":boolean)')]
    assert aggregates("median(a) - quantile(a, 0.50) + quantile(a, 1)") == [
        ("median", 0.5, 'median("a":number)'),
        ("quantile", 0.5, 'quantile("a":number, 0.5)'),
        ("quantile", 1.0, 'quantile("a":number, 1.0)'),
    ]
    assert aggregates("sum(distinct)", Scope({"distinct": "number"}, "x")) == [("sum", None, 'sum("distinct":number)')]


def test_a_text_can_be_the_first_or_the_last():
    """Such a measure is a text itself, or is made a number by what is asked of it."""
    measure, _ = compile_measure("m", "upper(first(s)) || last(u)", SCOPE, zone_ms=ZONE_MS)
    keys = [a.key for a in measure.aggregates]
    frame = pl.DataFrame({keys[0]: ["a", None], keys[1]: ["b", "c"]})
    assert (measure.expr.type, frame.select(measure.expr.expr).to_series().to_list()) == ("string", ["Ab", None])
    measure, _ = compile_measure("m", "CASE WHEN last(s) = 'a' THEN 1 ELSE 0 END", SCOPE, zone_ms=ZONE_MS)
    frame = pl.DataFrame({'last("s":string)': ["a", "b"]})
    assert (measure.expr.type, frame.select(measure.expr.expr).to_series().to_list()) == ("integer", [1, 0])


def test_names_beside_the_aggregates():
    """Where they are allowed they have a scope of their own, and a measure may be made of them alone."""
    beside = Scope({"n": "integer", "mean": "number"}, "the window")
    earlier = Scope({"n": "integer"}, "the earlier windows")
    measure, _ = compile_measure("d", "n - avg(n) + mean", earlier, zone_ms=ZONE_MS, beside=beside)
    frame = pl.DataFrame({"n": [5], "mean": [0.5], 'avg("n":integer)': [3.0]})
    assert frame.select(measure.expr.expr).to_series().to_list() == [2.5]
    assert compile_measure("d", "n + mean", earlier, zone_ms=ZONE_MS, beside=beside)[0].aggregates == ()
    with pytest.raises(ExpressionErrors, match="unknown name mean: the earlier windows"):
        compile_measure("d", "avg(mean)", earlier, zone_ms=ZONE_MS, beside=beside)


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("a + 1", 0, "a must stand inside of an aggregate"),
        ("1 + 1", 0, "a measure needs an aggregate"),
        ("avg(a) + b", 9, "b must stand inside of an aggregate"),
        ("avg(max(a))", 4, "the aggregate max stands inside of another one"),
        ("sum(distinct a)", 0, "sum(distinct ...) has no meaning"),
        ("count(distinct a, b)", 0, "count(distinct ...) takes one argument, not 2"),
        ("max(count(distinct s))", 4, "the aggregate count(distinct ...) stands inside of another one"),
        ("quantile(a)", 0, "quantile takes 2 arguments, not 1"),
        ("quantile(a, b)", 12, "quantile needs a number from 0 to 1"),
        ("quantile(a, 95)", 12, "quantile needs a number from 0 to 1"),
        ("quantile(a, '0.5')", 12, "quantile needs a number from 0 to 1"),
        ("median(s)", 7, "median needs a number, this is a string"),
        ("first(f)", 6, "first needs a number or a text, this is a boolean"),
        ("upper(first(a))", 6, "upper needs a string, this is a number"),
        ("last(s) = 'a'", 0, "this is a boolean, where a measure must be a number or a text"),
        ("avg(s)", 4, "avg needs a number, this is a string"),
        ("sum(*)", 0, "sum(*) has no meaning"),
        ("avg(a, b)", 0, "avg takes one argument, not 2"),
        ("count()", 0, "count takes one argument, not 0"),
        ("avg(a) > 1", 0, "this is a boolean, where a measure must be a number or a text"),
        ("avg(nope)", 4, "unknown name nope: the feed x has no such field"),
    ],
)
def test_a_measure_that_is_none(text, offset, message):
    """Each fault of a measure stands at its place."""
    with pytest.raises(ExpressionErrors) as caught:
        compile_measure("m", text, SCOPE, zone_ms=ZONE_MS)
    assert (caught.value.faults[0].offset, caught.value.faults[0].message) == (offset, message)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset", "part"),
    [
        ("nope > 1", 0, "unknown name nope"),
        ("a > 1 and limt > 2", 10, "unknown name limt"),
        ("s > 5", 0, "a number and a string cannot be compared"),
        ("t > 5", 0, "a number and a time cannot be compared"),
        ("t > 'noon'", 4, "not an RFC 3339 time"),
        ("f > g", 0, "true and false have no order"),
        ("a and f", 0, "this is a number, where a condition is needed"),
        ("-s", 1, "- needs a number"),
        ("a + s", 4, "+ needs numbers, this is a string"),
        ("a || 'x'", 0, "|| joins texts"),
        ("avg(a) > 1", 0, "the aggregate avg is only allowed in measure"),
        ("frobnicate(a)", 0, "unknown function frobnicate"),
        ("mean(a)", 0, "unknown function mean"),
        ("length(s, u)", 0, "length takes 1 argument"),
        ("greatest(f, g)", 0, "true and false have no order"),
        ("least(a, s)", 0, "a number and a string cannot both be a result here"),
        ("greatest(a)", 0, "greatest takes 2 or more arguments, not 1"),
        ("month(n)", 6, "month needs a time, this is a integer"),
        ("length(a)", 7, "length needs a string"),
        ("round(a, b)", 9, "round needs a integer"),
        ("round(a, 99)", 9, "round needs a number of digits"),
        ("regexp_like(s, '(')", 15, "not a regular expression"),
        ("regexp_like(s, '(?=a)')", 15, "not a regular expression"),
        ("regexp_like(s, u)", 15, "needs a pattern in quotes"),
        ("regexp_like(s, 'a{9999}')", 15, "repeats more than"),
        ("s like u", 7, "LIKE needs a pattern in quotes"),
        ("s like 'a' escape '!!'", 0, "ESCAPE needs one character"),
        ("s like '!a' escape '!'", 7, "the escape character"),
        ("a in ()", 0, "IN needs a list"),
        ("a in b", 0, "IN needs a list"),
        ("a in (select 1)", 13, "is not expected here"),
        ("a is 5", 0, "IS needs NULL, TRUE or FALSE"),
        ("a = ", 2, "something is missing beside '='"),
        ("(a", 1, "a bracket is not closed"),
        ("a)", 1, "')' is not expected here"),
        ("a b", 2, "'b' is not expected here"),
        ("a == 1", 2, "== is not understood"),
        ("a && b", 2, "&& is not understood"),
        ("a; b", 1, "; is not understood"),
        ("a -- b", 2, "-- is not understood"),
        ("a::int", 1, "':' is not understood"),
        ("x.a", 1, "'.' is not understood"),
        ("s = 'abc", 4, "a quote without its end"),
        ("case when f then a", 17, "CASE without END"),
        ("case when f then a else s end", 10, "cannot both be a result here"),
        ("coalesce(a, 'x')", 0, "cannot both be a result here"),
        ("*", 0, "* stands alone"),
        ("(a, b)", 1, "a list has no meaning here"),
        ("1e999", 0, "is too large a number"),
        ("", 0, "an empty expression"),
        ("cast(a as text)", 7, "'as' is not expected here"),
        ("count(*) over ()", 9, "is not expected here"),
        ("interval '1 day'", 9, "is not expected here"),
    ],
)
def test_a_refusal_names_its_place(text, offset, part):
    """What is no expression is refused with the character it stands at."""
    found = faults(text)
    assert found[0][0] == offset, found
    assert part in found[0][1]


def test_all_faults_of_one_expression_come_at_once():
    """Three unknown names are three faults, in their order."""
    found = faults("xx > 1 and yy = 2 and limt > 3")
    assert [offset for offset, _, _ in found] == [0, 11, 22]
    assert found[2][2] == "did you mean 'limit'?"


@pytest.mark.parametrize("text", ["a > 1", "s", "t"])
def test_a_condition_must_be_one(text):
    """A number is no condition."""
    if text == "a > 1":
        compile_condition(text, SCOPE, zone_ms=ZONE_MS)
        return
    with pytest.raises(ExpressionErrors, match="where a condition is needed"):
        compile_condition(text, SCOPE, zone_ms=ZONE_MS)


def test_what_is_barred_says_why():
    """A field that is no measure says what to do."""
    scope = Scope({"mean": "number"}, "the window", barred={"value": "give it a name under measure"})
    assert faults("value > 1", scope)[0][1:] == ("value cannot be used here", "give it a name under measure")


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_two_hundred_nodes_and_no_more():
    """An expression of exactly 200 nodes loads; one more does not."""
    within = " and ".join(["f"] * (MAX_NODES // 2)) + " "
    compile_condition(f"not {within}", SCOPE, zone_ms=ZONE_MS)
    assert "200 are allowed" in faults(f"not not {within}")[0][1]


def test_four_kilobytes_and_no_more():
    """The bound is in bytes of UTF-8."""
    text = "s = '" + "烽" * ((MAX_BYTES - 6) // 3)
    compile_condition(text + "'", SCOPE, zone_ms=ZONE_MS)
    assert "longer than 4096 bytes" in faults(text + "烽烽'")[0][1]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4000,
        "(" * 2000 + "a" + ")" * 2000,
        "not " * 1000 + "f",
        "- " * 1900 + "a",
        "not (" * 100 + "f" + ")" * 100,
        "case when " * 60 + "f",
        "a/(1+" * 15 + "a" + ")" * 15,
        "coalesce(" * 300,
        "'" * 4095,
        '"' * 4096,
        "a," * 2000,
        "in " * 1300,
        "|" * 4000,
        "." * 4000,
        "\x00" * 4000,
        "\ud800",
    ],
)
def test_nothing_takes_long(text):
    """What is meant to hurt a parser is refused within a second."""
    begun = time.monotonic()
    faults(text)
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH,
        "coalesce(" * MAX_DEPTH + "a" + ", 1)" * MAX_DEPTH,
        "case when " * MAX_DEPTH + "f" + " then f end" * MAX_DEPTH,
        "a/(1+" * 5 + "a" + ")" * 5,
        "case " * 6 + "a" + " when 1 then 2 end" * 6,
        "+".join(["a / b"] * 40),
        " and ".join(["f"] * 100),
    ],
)
def test_the_deepest_that_is_allowed_is_cheap(text):
    """What the bounds let through neither exhausts the stack nor the time."""
    limit = sys.getrecursionlimit()
    begun = time.monotonic()
    values(text)
    assert time.monotonic() - begun < 1
    assert sys.getrecursionlimit() == limit


@settings(max_examples=300, deadline=None)
@given(text=st.text("abfstn()'\"<>=!|*/+-%,. 019_\n烽NOTand", max_size=60))
def test_any_text_is_an_expression_or_a_fault(text):
    """No text ends in anything but an expression or an ExpressionErrors with a place inside of it."""
    with contextlib.suppress(ExpressionErrors):
        values(text)
        return
    assert all(0 <= offset <= len(text) for offset, _, _ in faults(text))


_TOKENS = [
    "a",
    "s",
    "u",
    "n",
    "f",
    "t",
    "1",
    "0.5",
    "'k.csv'",
    "'a'",
    "'2026-01-01T00:00:00Z'",
    "null",
    "true",
    "(",
    ")",
    ",",
    ",",
    "*",
    "-",
    "+",
    "/",
    "||",
    "=",
    "<",
    "in",
    "not",
    "and",
    "or",
    "is",
    "like",
    "between",
    "case",
    "when",
    "then",
    "else",
    "end",
    "greatest(",
    "least(",
    "list(",
    "lookup(",
    "day(",
    "month(",
    "hour(",
    "coalesce(",
    "round(",
    "regexp_like(",
    "lower(",
    "count(",
    "count(distinct",
    "sum(",
    "median(",
    "quantile(",
    "first(",
    "last(",
    "min(",
    "distinct",
    ")",
    ")",
    ")",
]


@settings(max_examples=400, deadline=None)
@given(words=st.lists(st.sampled_from(_TOKENS), max_size=14))
def test_any_words_are_an_expression_or_a_fault(words):
    """The same of what looks more like one, as a value and as a measure; what compiles can be computed."""
    text = " ".join(words)
    scope = replace(SCOPE, tables=Tables(read_from({"k.csv": "s,a\na,1\nb,2\n"})))
    for compile_ in (compile_value, partial(compile_measure, "m")):
        offsets = [0]
        found = None
        try:
            found, _ = compile_(text, scope, zone_ms=ZONE_MS)
        except ExpressionErrors as error:
            offsets = [fault.offset for fault in error.faults]
        assert all(0 <= offset <= len(text) for offset in offsets)
        assert offsets or scope.tables.errors
        if isinstance(found, Expr):
            assert len(FRAME.select(found.expr)) == len(FRAME)


@pytest.mark.parametrize(
    "text",
    ["x / 3", "x / (1 + 2)", "x % 0.3", "100 / x / 7", "x / CASE WHEN x > 0 THEN 3 ELSE 5 END", "x / COALESCE(y, 3)"],
)
def test_a_division_does_not_depend_on_its_neighbours(text: str) -> None:
    """One row and many rows give the same bits."""
    expression, _ = compile_value(text, Scope({"x": "number", "y": "number"}, "test"), zone_ms=ZONE_MS)
    values = [7.0, 0.1, 1e-7, 123456.789]
    shape = {"x": pl.Float64, "y": pl.Float64}
    many = pl.DataFrame({"x": values, "y": None}, shape).select(out=expression.expr)["out"].to_list()
    assert many == [
        pl.DataFrame({"x": [value], "y": None}, shape).select(out=expression.expr)["out"][0] for value in values
    ]
