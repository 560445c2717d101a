"""SQL expressions of rules: bounded, parsed by sqlglot, type-checked, and built into Polars expressions.

A lexer of our own goes first. It bounds the expression before anything parses it, makes every word that is no operator a
field name (``limit``, ``interval``, ``time`` are fields here), and hands sqlglot tokens of which it can make only plain
expressions. The canonical text of an expression comes from our own tree, so that a rule's version does not depend on sqlglot's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NoReturn, cast

import polars as pl
from sqlglot import Token, TokenType, exp
from sqlglot.errors import ErrorLevel, ParseError
from sqlglot.parser import Parser

from events.times import parse_instant
from rules.errors import did_you_mean
from rules.model import Aggregate, Expr, Measure, Type

MAX_BYTES = 4096
MAX_NODES = 200
#: Brackets, CASEs and signs within each other.
MAX_DEPTH = 16
#: Polars nodes after expansion (a division reads its divisor twice).
MAX_EXPANDED = 2000
MAX_PATTERN_CHARS = 512
MAX_REPETITION = 256
MAX_ROUND_DIGITS = 15

AGGREGATES = ("count", "sum", "avg", "min", "max", "stddev", "first", "last")
AGGREGATES_LATER = ("median", "quantile")
FUNCTIONS = (
    "abs",
    "coalesce",
    "hour",
    "length",
    "lower",
    "regexp_like",
    "round",
    "starts_with",
    "upper",
    "weekday",
)
#: What people write for them in other dialects.
_OTHER_NAMES = {
    "mean": "avg",
    "average": "avg",
    "std": "stddev",
    "stddev_samp": "stddev",
    "len": "length",
    "char_length": "length",
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "regexp_matches": "regexp_like",
    "startswith": "starts_with",
    "lcase": "lower",
    "ucase": "upper",
}


@dataclass(frozen=True)
class Fault:
    """One fault in an expression. ``offset`` is the character it stands at."""

    offset: int
    message: str
    hint: str = ""


class ExpressionErrors(Exception):
    """An expression that does not hold up; every fault that could be found in one go."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in faults))


@dataclass(frozen=True)
class Scope:
    """The names an expression may use: their types, the columns they stand in, and what to call them in an error."""

    types: Mapping[str, Type]
    what: str
    columns: Mapping[str, str] = field(default_factory=dict)
    #: names that are known but not allowed here, each with the reason
    barred: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        return self.columns.get(name, name)


def compile_condition(text: str, scope: Scope, *, zone_ms: int) -> tuple[Expr, str]:
    """A condition and its canonical text. ExpressionErrors when it is not a boolean expression over the scope."""
    checker = _Checker(scope, zone_ms, measure=False)
    value = checker.check(text)
    if value.type not in ("boolean", "null"):
        checker.fail(0, f"this is a {value.type}, where a condition is needed", "compare it with something")
    return _finish(text, value, "boolean", checker.dtypes), value.canon


def compile_value(text: str, scope: Scope, *, zone_ms: int) -> tuple[Expr, str]:
    """An expression of any type, and its canonical text."""
    checker = _Checker(scope, zone_ms, measure=False)
    value = checker.check(text)
    return _finish(text, value, value.type, checker.dtypes), value.canon


def compile_measure(name: str, text: str, scope: Scope, *, zone_ms: int) -> tuple[Measure, str]:
    """A measure: arithmetic over aggregates of the event's fields. Its expression reads columns named by Aggregate.key."""
    checker = _Checker(scope, zone_ms, measure=True)
    value = checker.check(text)
    if not checker.aggregates:
        checker.fail(0, "a measure needs an aggregate", f"one of {', '.join(AGGREGATES)}, such as count(*)")
    if value.type not in ("number", "integer"):
        checker.fail(0, f"this is a {value.type}, where a measure must be a number", "")
    dtype = pl.Int64 if value.type == "integer" else pl.Float64
    cast_ = value.expr.cast(dtype, strict=False)
    # An expression whose rows all come to null may be given back as one row (Polars 2.1); a measure is there for each window.
    whole = cast_ if value.size == 1 else pl.when(pl.repeat(value=True, n=pl.len())).then(cast_)
    value = replace(value, expr=whole)
    expr = _finish(text, value, value.type, checker.dtypes)
    return Measure(name=name, expr=expr, aggregates=tuple(checker.aggregates.values())), value.canon


# --- tokens -----------------------------------------------------------------------------------------------------------

_KEYWORDS = {
    "and": TokenType.AND,
    "or": TokenType.OR,
    "not": TokenType.NOT,
    "in": TokenType.IN,
    "between": TokenType.BETWEEN,
    "like": TokenType.LIKE,
    "is": TokenType.IS,
    "null": TokenType.NULL,
    "true": TokenType.TRUE,
    "false": TokenType.FALSE,
    "case": TokenType.CASE,
    "when": TokenType.WHEN,
    "then": TokenType.THEN,
    "else": TokenType.ELSE,
    "end": TokenType.END,
    "escape": TokenType.ESCAPE,
}
_SYMBOLS = {
    "(": TokenType.L_PAREN,
    ")": TokenType.R_PAREN,
    ",": TokenType.COMMA,
    "+": TokenType.PLUS,
    "-": TokenType.DASH,
    "*": TokenType.STAR,
    "/": TokenType.SLASH,
    "%": TokenType.MOD,
    "=": TokenType.EQ,
    "<>": TokenType.NEQ,
    "!=": TokenType.NEQ,
    "<": TokenType.LT,
    "<=": TokenType.LTE,
    ">": TokenType.GT,
    ">=": TokenType.GTE,
    "||": TokenType.DPIPE,
}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<word>[^\W\d]\w*)
      | '(?P<string>(?:[^']|'')*)'
      | "(?P<quoted>[^"]+)"
      | (?P<symbol><>|!=|<=|>=|\|\||[()+\-*/%=<>,])""",
    re.VERBOSE,
)
_PLAIN = (TokenType.L_PAREN, TokenType.R_PAREN, TokenType.COMMA)
_OPERANDS = (
    TokenType.IDENTIFIER,
    TokenType.NUMBER,
    TokenType.STRING,
    TokenType.NULL,
    TokenType.TRUE,
    TokenType.FALSE,
    TokenType.R_PAREN,
    TokenType.END,
    TokenType.STAR,
)
_BEGINNINGS = (TokenType.IDENTIFIER, TokenType.VAR, TokenType.CASE, TokenType.NUMBER, TokenType.STRING)
_STRANGE = {
    "==": "write =",
    "&&": "write AND",
    "!": "write NOT",
    ";": "an expression stands alone",
    "--": "comments stand outside of expressions, after #",
}


def _fault(offset: int, message: str, hint: str = "") -> NoReturn:
    raise ExpressionErrors([Fault(offset, message, hint)])


def tokens(text: str) -> list[Token]:
    """The tokens of an expression within its bounds. ExpressionErrors on what no expression may hold."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        _fault(0, f"the expression is longer than {MAX_BYTES} bytes")
    found: list[Token] = []
    position = 0
    while position < len(text):
        for sign, hint in _STRANGE.items():
            if text.startswith(sign, position) and not text.startswith("!=", position):
                _fault(position, f"{sign} is not understood", hint)
        match = _TOKEN.match(text, position)
        if match is None:
            if text[position] in "'\"":
                _fault(position, "a quote without its end", "a quote inside of a text is doubled: 'it''s'")
            _fault(position, f"{text[position]!r} is not understood")
        kind, start, position = cast(str, match.lastgroup), position, match.end()
        if kind == "space":
            continue
        found.append(_token(kind, match, start, text))
    if not found:
        _fault(0, "an empty expression")
    nodes = sum(token.token_type not in _PLAIN for token in found)
    if nodes > MAX_NODES:
        _fault(0, f"the expression has {nodes} nodes; at most {MAX_NODES} are allowed", "split it into several rules")
    _check_depth(found)
    return found


def _token(kind: str, match: re.Match[str], start: int, text: str) -> Token:
    content = match[kind]
    if kind == "word":
        keyword = _KEYWORDS.get(content.lower())
        if keyword is not None:
            type_ = keyword
        elif text[match.end() :].lstrip()[:1] == "(":
            # A function: its place travels in its name, and sqlglot knows none of these names.
            type_, content = TokenType.VAR, f"{content}@{start}"
        else:
            type_ = TokenType.IDENTIFIER
    elif kind == "symbol":
        type_ = _SYMBOLS[content]
    elif kind == "string":
        type_, content = TokenType.STRING, content.replace("''", "'")
    else:
        type_ = TokenType.NUMBER if kind == "number" else TokenType.IDENTIFIER
    return Token(type_, content, 1, start + 1, start, match.end() - 1)


def _check_depth(found: Iterable[Token]) -> None:
    """Bounds what a recursive parser would recurse into: brackets, CASE and runs of NOT and signs."""
    stack: list[str] = []
    before: TokenType | None = None
    for token in found:
        kind = token.token_type
        if kind == TokenType.L_PAREN:
            stack.append("(")
        elif kind == TokenType.CASE:
            stack.append("case")
        elif kind == TokenType.NOT or (kind in (TokenType.DASH, TokenType.PLUS) and before not in _OPERANDS):
            stack.append("sign")
        elif kind in _OPERANDS:
            while stack and stack[-1] == "sign":
                stack.pop()
            if kind in (TokenType.R_PAREN, TokenType.END) and stack:
                stack.pop()
                while stack and stack[-1] == "sign":
                    stack.pop()
        if len(stack) > MAX_DEPTH:
            _fault(token.start, f"nested deeper than {MAX_DEPTH} levels")
        before = kind


def _parse(text: str) -> exp.Expression:
    found = tokens(text)
    _check_distinct(found)
    try:
        trees = Parser(error_level=ErrorLevel.IMMEDIATE).parse_into(exp.Condition, found, text)
    except ParseError as error:
        raise _syntax(error, found) from None
    except (RecursionError, AttributeError, ValueError, TypeError, IndexError):
        _fault(0, "the expression cannot be parsed")
    if len(trees) != 1 or trees[0] is None:
        _fault(0, "the expression cannot be parsed")
    return cast(exp.Expression, trees[0])


def _check_distinct(found: Sequence[Token]) -> None:
    """``count(distinct x)`` has a message of its own; a field may be called distinct all the same."""
    for call, bracket, word, following in zip(found, found[1:], found[2:], found[3:], strict=False):
        opens = call.token_type == TokenType.VAR and bracket.token_type == TokenType.L_PAREN
        if opens and word.text.lower() == "distinct" and following.token_type in _BEGINNINGS:
            _fault(call.start, f"{call.text.split('@')[0].lower()}(distinct ...) is not supported yet")


def _syntax(error: ParseError, found: Sequence[Token]) -> ExpressionErrors:
    detail = error.errors[0] if error.errors else {}
    column = detail.get("col") or 1
    at = max((token.start for token in found if token.start < column), default=0)
    description = str(detail.get("description") or "")
    last = found[-1]
    opened = sum(t.token_type == TokenType.L_PAREN for t in found) - sum(
        t.token_type == TokenType.R_PAREN for t in found
    )
    if opened > 0:
        fault = Fault(last.end, "a bracket is not closed", "in {...} an expression with a comma must stand in quotes")
    elif description.startswith("Required keyword"):
        fault = Fault(at, f"something is missing beside {_shown(found, at)}")
    elif "END" in description:
        fault = Fault(at, "CASE without END")
    else:
        fault = Fault(at, f"{_shown(found, at)} is not expected here")
    return ExpressionErrors([fault])


def _shown(found: Sequence[Token], start: int) -> str:
    text = next((token.text for token in found if token.start == start), "")
    return repr(text.split("@")[0][:40])


# --- checking ---------------------------------------------------------------------------------------------------------

_NO_LITERAL = object()


@dataclass(frozen=True)
class _Value:
    """A checked subexpression. ``bad``: already reported, fits anywhere."""

    expr: pl.Expr
    type: Type
    canon: str
    size: int = 1
    fields: frozenset[str] = frozenset()
    literal: object = _NO_LITERAL
    bad: bool = False
    #: arithmetic on floats, where what overflowed may have met and become NaN
    raw: bool = False

    @property
    def numeric(self) -> bool:
        return self.bad or self.type in ("number", "integer", "null")


def _over(dividend: pl.Expr, divisor: pl.Expr, *, column: bool = False) -> pl.Expr:
    """A division that is rounded alike for one row and for many. ``column``: the divisor is a column as it stands.

    Polars divides a column by a constant by multiplying with its reciprocal, but not where the column has one row: 7 / 3 would
    depend on how many windows ended in one batch. What it takes for a constant (a literal, a CASE whose rows agree) is made a
    column by adding one of zeros.
    """
    return dividend / (divisor if column else divisor + dividend.is_null().cast(pl.Float64) * 0.0)


_BAD = _Value(pl.lit(None), "null", "?", bad=True)
_COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ARITHMETIC: dict[type[exp.Expression], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


class _Checker:
    """Walks the tree once, collects every fault, and builds values from the leaves up."""

    def __init__(self, scope: Scope, zone_ms: int, *, measure: bool) -> None:
        self.scope = scope
        self.zone_ms = zone_ms
        self.measure = measure
        self.aggregates: dict[str, Aggregate] = {}
        self.faults: list[Fault] = []
        #: of the columns read
        self.dtypes: dict[str, pl.DataType] = {}
        self._inside = False

    def check(self, text: str) -> _Value:
        value = self._visit(_parse(text))
        if self.faults:
            raise ExpressionErrors(sorted(self.faults, key=lambda fault: fault.offset))
        return value

    def fail(self, offset: int, message: str, hint: str = "") -> NoReturn:
        raise ExpressionErrors([Fault(offset, message, hint)])

    def _report(self, node: exp.Expression, message: str, hint: str = "") -> _Value:
        self.faults.append(Fault(_offset(node), message, hint))
        return _BAD

    def _visit(self, node: exp.Expression) -> _Value:
        """The node's value with NaN as null."""
        value = self._visit_raw(node)
        if value.raw:
            # Polars makes several copies of what it fills, hence once for each term and not at each sign.
            value = replace(value, expr=value.expr.fill_nan(None), size=4 * value.size, raw=False)
        return value

    def _visit_raw(self, node: exp.Expression) -> _Value:
        visit = _VISITORS.get(type(node))
        if visit is None:
            return self._report(node, f"{type(node).__name__.upper()} is not part of the expression language")
        value = visit(self, node)
        if value.size > MAX_EXPANDED:
            self.fail(_offset(node), "the expression is too entangled", "nest fewer divisions and CASEs")
        return value

    def _make(self, type_: Type, canon: str, expr: pl.Expr, *parts: _Value, size: int | None = None) -> _Value:
        if any(part.bad for part in parts):
            return _BAD
        fields = frozenset().union(*(part.fields for part in parts)) if parts else frozenset()
        return _Value(expr, type_, canon, size or 1 + sum(part.size for part in parts), fields)

    # leaves

    def _column(self, node: exp.Expression) -> _Value:
        name = node.name
        if self.measure and not self._inside:
            hint = f"such as avg({name})" if name in self.scope.types else "measures cannot read each other"
            return self._report(node, f"{name} must stand inside of an aggregate", hint)
        type_ = self.scope.types.get(name)
        if type_ is None:
            reason = self.scope.barred.get(name)
            if reason:
                return self._report(node, f"{name} cannot be used here", reason)
            hint = did_you_mean(name, self.scope.types)
            return self._report(node, f"unknown name {name}: {self.scope.what} has no such field", hint)
        column = self.scope.column(name)
        self.dtypes[column] = _DTYPES[type_]
        return _Value(pl.col(column), type_, f'"{name}":{type_}', fields=frozenset([column]))

    def _literal(self, node: exp.Expression) -> _Value:
        text = str(node.this)
        if node.args.get("is_string"):
            return _Value(pl.lit(text), "string", _quoted(text), literal=text)
        if text.isdigit() and int(text) < 2**63:
            return _Value(pl.lit(int(text), dtype=pl.Int64), "integer", str(int(text)), literal=int(text))
        number = float(text)
        if number == float("inf"):
            return self._report(node, f"{text[:20]} is too large a number")
        return _Value(pl.lit(number, dtype=pl.Float64), "number", repr(number), literal=number)

    def _null(self, _: exp.Expression) -> _Value:
        return _Value(pl.lit(None), "null", "null", literal=None)

    def _boolean(self, node: exp.Expression) -> _Value:
        truth = bool(node.this)
        return _Value(pl.lit(truth), "boolean", "true" if truth else "false", literal=truth)

    def _paren(self, node: exp.Expression) -> _Value:
        return self._visit_raw(node.this)

    # logic

    def _logical(self, node: exp.Expression) -> _Value:
        left, right = self._condition(node.this), self._condition(node.expression)
        if isinstance(node, exp.And):
            return self._make("boolean", f"(and {left.canon} {right.canon})", left.expr & right.expr, left, right)
        return self._make("boolean", f"(or {left.canon} {right.canon})", left.expr | right.expr, left, right)

    def _not(self, node: exp.Expression) -> _Value:
        return self._negated(self._condition(node.this))

    def _negated(self, inner: _Value) -> _Value:
        return self._make("boolean", f"(not {inner.canon})", ~inner.expr, inner)

    def _condition(self, node: exp.Expression) -> _Value:
        value = self._visit(node)
        if value.bad or value.type == "boolean":
            return value
        if value.type == "null":
            return _Value(pl.lit(None, dtype=pl.Boolean), "boolean", "null", literal=None)
        return self._report(node, f"this is a {value.type}, where a condition is needed", "compare it with something")

    # comparison

    def _compare(self, node: exp.Expression) -> _Value:
        sign = _COMPARISONS[type(node)]
        values = self._alike(node, [node.this, node.expression], "compared")
        if values is None:
            return _BAD
        left, right = values
        if sign not in ("=", "<>") and "boolean" in (left.type, right.type):
            return self._report(node, f"true and false have no order: {sign} does not fit")
        return self._make("boolean", f"({sign} {left.canon} {right.canon})", _compared(left, sign, right), left, right)

    def _between(self, node: exp.Expression) -> _Value:
        values = self._alike(node, [node.this, node.args["low"], node.args["high"]], "compared")
        if values is None:
            return _BAD
        value, low, high = values
        if value.type == "boolean":
            return self._report(node, "true and false have no order: BETWEEN does not fit")
        expr = _compared(value, ">=", low) & _compared(value, "<=", high)
        size = 3 + 2 * value.size + low.size + high.size
        return self._make(
            "boolean", f"(between {value.canon} {low.canon} {high.canon})", expr, value, low, high, size=size
        )

    def _in(self, node: exp.Expression) -> _Value:
        items = node.args.get("expressions") or []
        if not items or node.args.get("query") or node.args.get("field") or node.args.get("unnest"):
            return self._report(node, "IN needs a list", "such as IN ('a', 'b')")
        values = self._alike(node, [node.this, *items], "compared")
        if values is None:
            return _BAD
        value, *options = values
        canon = f"(in {value.canon} {' '.join(option.canon for option in options)})"
        literals = [option.literal for option in options]
        if any(literal is _NO_LITERAL for literal in literals) or value.type == "null":
            expr = _compared(value, "=", options[0])
            for option in options[1:]:
                expr = expr | _compared(value, "=", option)
            size = sum(2 + value.size + option.size for option in options)
            return self._make("boolean", canon, expr, value, *options, size=size)
        known = [literal for literal in literals if literal is not None]
        if len(known) == 1:
            expr = value.expr == pl.lit(known[0])
        elif any(isinstance(literal, float) for literal in known) or value.type == "number":
            expr = _float(value).is_in([float(cast(float, literal)) for literal in known])
        else:
            expr = value.expr.is_in(known)
        if len(known) < len(literals):
            # x IN (1, NULL) is true or unknown, never false.
            expr = pl.when(expr).then(pl.lit(True)) if known else pl.lit(None, dtype=pl.Boolean)
        return self._make("boolean", canon, expr, value, size=value.size + 2)

    def _is(self, node: exp.Expression) -> _Value:
        value, right = self._visit(node.this), node.expression
        if isinstance(right, exp.Null):
            return self._make("boolean", f"(null? {value.canon})", value.expr.is_null(), value)
        if isinstance(right, exp.Boolean):
            if not value.bad and value.type not in ("boolean", "null"):
                return self._report(node, f"this is a {value.type}, where a condition is needed")
            truth = bool(right.this)
            expr = (value.expr.cast(pl.Boolean) if truth else ~value.expr.cast(pl.Boolean)).fill_null(False)
            return self._make("boolean", f"(is {value.canon} {truth})", expr, value)
        return self._report(node, "IS needs NULL, TRUE or FALSE", "write = to compare")

    def _like(self, node: exp.Expression) -> _Value:
        escape = ""
        like = node
        if isinstance(node, exp.Escape):
            like = node.this
            escape = str(node.expression.this) if isinstance(node.expression, exp.Literal) else ""
            if len(escape) != 1 or not isinstance(like, exp.Like):
                return self._report(node, "ESCAPE needs one character", "such as ESCAPE '!'")
        value, pattern = self._visit(like.this), self._visit(like.expression)
        if value.bad or pattern.bad:
            return _BAD
        if value.type not in ("string", "null"):
            return self._report(like.this, f"LIKE needs a text, this is a {value.type}")
        if not isinstance(pattern.literal, str):
            return self._report(like.expression, "LIKE needs a pattern in quotes", "such as LIKE 'a%'")
        try:
            expr = _like_expr(value.expr.cast(pl.String), pattern.literal, escape)
        except ValueError as error:
            return self._report(like.expression, str(error))
        canon = f"(like {value.canon} {pattern.canon} {_quoted(escape)})"
        matched = self._make("boolean", canon, expr, value, size=value.size + 3)
        return self._negated(matched) if like.args.get("negate") else matched

    # arithmetic

    def _arithmetic(self, node: exp.Expression) -> _Value:
        sign = _ARITHMETIC[type(node)]
        left, right = self._visit_raw(node.this), self._visit_raw(node.expression)
        if left.bad or right.bad:
            return _BAD
        canon = f"({sign} {left.canon} {right.canon})"
        if sign == "-" and left.type == right.type == "time":
            expr = _over((left.expr - right.expr).cast(pl.Float64), pl.lit(1000.0))
            return self._make("number", canon, expr, left, right)
        for side, value in ((node.this, left), (node.expression, right)):
            if not value.numeric:
                hint = "the difference of two times is in seconds" if value.type == "time" else ""
                hint = "texts are joined with ||" if value.type == "string" and sign == "+" else hint
                return self._report(side, f"{sign} needs numbers, this is a {value.type}", hint)
        a, b = _float(left), _float(right)
        size = 3 + left.size + right.size
        if sign in "/%":
            quotient = _over(a, b, column=isinstance(node.expression, exp.Column))
            if sign == "%":  # the sign of the dividend, as in SQL
                quotient = a - quotient.truncate() * b
                size += left.size + right.size + 2
            expr = quotient
            if not (isinstance(right.literal, int | float) and right.literal != 0):
                expr = pl.when(b != 0.0).then(quotient)
                size += right.size + 2
        else:
            expr = a + b if sign == "+" else a - b if sign == "-" else a * b
        integer = sign in "+-*" and left.type == right.type == "integer"
        if integer:
            expr = expr.cast(pl.Int64, strict=False)
        made = self._make("integer" if integer else "number", canon, expr, left, right, size=size)
        return made if integer or made.bad else replace(made, raw=True)

    def _neg(self, node: exp.Expression) -> _Value:
        value = self._visit_raw(node.this)
        if value.bad:
            return _BAD
        if not value.numeric:
            return self._report(node.this, f"- needs a number, this is a {value.type}")
        if value.type == "null":
            return value
        if isinstance(value.literal, int | float):
            number = -value.literal
            type_: Type = "integer" if isinstance(number, int) else "number"
            dtype = pl.Int64 if type_ == "integer" else pl.Float64
            return _Value(pl.lit(number, dtype=dtype), type_, repr(number), literal=number)
        made = self._make(value.type, f"(- {value.canon})", -value.expr, value)
        return replace(made, raw=value.raw)

    def _concat(self, node: exp.Expression) -> _Value:
        values = [self._visit(node.this), self._visit(node.expression)]
        for part, value in zip((node.this, node.expression), values, strict=True):
            if not value.bad and value.type not in ("string", "null"):
                return self._report(part, f"|| joins texts, this is a {value.type}")
        left, right = values
        expr = pl.concat_str([left.expr.cast(pl.String), right.expr.cast(pl.String)])
        return self._make("string", f"(|| {left.canon} {right.canon})", expr, left, right)

    # CASE and functions

    def _case(self, node: exp.Expression) -> _Value:
        branches = node.args.get("ifs") or []
        default = node.args.get("default")
        if not branches:
            return self._report(node, "CASE needs at least one WHEN")
        conditions, size = self._case_conditions(node, branches)
        results = self._alike(
            node, [branch.args["true"] for branch in branches] + ([default] if default else []), "a result"
        )
        if results is None or conditions is None:
            return _BAD
        type_ = _common(results)
        dtype = _DTYPES[type_]
        expr: pl.Expr = pl.lit(None, dtype=dtype) if default is None else results[-1].expr.cast(dtype)
        for condition, result in reversed(list(zip(conditions, results[: len(branches)], strict=True))):
            expr = pl.when(condition.expr).then(result.expr.cast(dtype)).otherwise(expr)
        canon = "(case " + " ".join(f"{c.canon} {r.canon}" for c, r in zip(conditions, results, strict=False))
        canon += f" {results[-1].canon})" if default else ")"
        size += sum(result.size + 2 for result in results)
        return self._make(type_, canon, expr, *conditions, *results, size=size)

    def _case_conditions(
        self, node: exp.Expression, branches: Sequence[exp.Expression]
    ) -> tuple[list[_Value] | None, int]:
        if node.this is None:
            found = [self._condition(branch.this) for branch in branches]
            return found, sum(value.size for value in found)
        values = self._alike(node, [node.this, *(branch.this for branch in branches)], "compared")
        if values is None:
            return None, 0
        operand, *options = values
        conditions = [
            self._make(
                "boolean", f"(= {operand.canon} {option.canon})", _compared(operand, "=", option), operand, option
            )
            for option in options
        ]
        return conditions, sum(value.size for value in conditions)

    def _call(self, node: exp.Expression) -> _Value:
        name, _, _ = str(node.this).rpartition("@")
        function = name.lower()
        arguments = list(node.expressions)
        if function in AGGREGATES:
            return self._aggregate(node, function, arguments)
        if function in AGGREGATES_LATER:
            return self._report(node, f"{function} is not supported yet")
        known = (*FUNCTIONS, *AGGREGATES)
        if function not in FUNCTIONS:
            other = _OTHER_NAMES.get(function)
            hint = f"did you mean {other!r}?" if other else did_you_mean(function, known)
            return self._report(node, f"unknown function {name}", hint or f"there are {', '.join(known)}")
        return self._function(node, function, arguments)

    def _function(self, node: exp.Expression, function: str, arguments: list[exp.Expression]) -> _Value:
        if function == "coalesce":
            return self._coalesce(node, arguments)
        least, most, types = _SIGNATURES[function]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} or {most}"
            return self._report(
                node, f"{function} takes {wanted} argument{'s' if most > 1 else ''}, not {len(arguments)}"
            )
        values = [self._visit(argument) for argument in arguments]
        if any(value.bad for value in values):
            return _BAD
        for argument, value, allowed in zip(arguments, values, types, strict=False):
            if value.type not in allowed and value.type != "null":
                wanted = " or a ".join(kind for kind in allowed if kind != "integer" or "number" not in allowed)
                return self._report(argument, f"{function} needs a {wanted}, this is a {value.type}")
        canon = f"({function} {' '.join(value.canon for value in values)})"
        make = partial(self._make, size=2 + sum(value.size for value in values))
        first = values[0]
        text = first.expr.cast(pl.String)
        match function:
            case "lower":
                return make("string", canon, text.str.to_lowercase(), first)
            case "upper":
                return make("string", canon, text.str.to_uppercase(), first)
            case "length":
                return make("integer", canon, text.str.len_chars().cast(pl.Int64), first)
            case "abs":
                return first if first.type == "null" else make(first.type, canon, first.expr.abs(), first)
            case "starts_with":
                return make("boolean", canon, text.str.starts_with(values[1].expr.cast(pl.String)), *values)
            case "hour" | "weekday":
                local = first.expr + self.zone_ms
                # 1970-01-01 was a Thursday, the fourth day
                part = local // 3_600_000 % 24 if function == "hour" else (local // 86_400_000 + 3) % 7 + 1
                return make("integer", f"{canon[:-1]} {self.zone_ms})", part, first)
            case "round":
                return self._round(arguments, values, canon)
            case _:
                return self._regexp_like(arguments, values, canon)

    def _coalesce(self, node: exp.Expression, arguments: list[exp.Expression]) -> _Value:
        if len(arguments) < 2:
            return self._report(node, f"coalesce takes 2 or more arguments, not {len(arguments)}")
        values = self._alike(node, arguments, "a result")
        if values is None:
            return _BAD
        type_ = _common(values)
        expr = pl.coalesce([value.expr.cast(_DTYPES[type_]) for value in values])
        return self._make(type_, f"(coalesce {' '.join(value.canon for value in values)})", expr, *values)

    def _round(self, arguments: list[exp.Expression], values: list[_Value], canon: str) -> _Value:
        digits = values[1].literal if len(values) > 1 else 0
        if not isinstance(digits, int) or not 0 <= digits <= MAX_ROUND_DIGITS:
            return self._report(arguments[1], f"round needs a number of digits from 0 to {MAX_ROUND_DIGITS}")
        first = values[0]
        if first.type == "integer":
            return first
        expr = first.expr.cast(pl.Float64).round(digits, mode="half_away_from_zero")
        return self._make("number", canon, expr, first, size=first.size + 2)

    def _regexp_like(self, arguments: list[exp.Expression], values: list[_Value], canon: str) -> _Value:
        pattern = values[1].literal
        if not isinstance(pattern, str):
            return self._report(arguments[1], "regexp_like needs a pattern in quotes")
        try:
            check_pattern(pattern)
        except ValueError as error:
            return self._report(arguments[1], str(error))
        expr = values[0].expr.cast(pl.String).str.contains(pattern)
        return self._make("boolean", canon, expr, values[0], size=values[0].size + 2)

    def _aggregate(self, node: exp.Expression, op: str, arguments: list[exp.Expression]) -> _Value:
        if not self.measure:
            return self._report(
                node, f"the aggregate {op} is only allowed in measure", "name it there, and use the name here"
            )
        if self._inside:
            return self._report(node, f"the aggregate {op} stands inside of another one")
        if len(arguments) != 1:
            return self._report(node, f"{op} takes one argument, not {len(arguments)}")
        argument = arguments[0]
        if isinstance(argument, exp.Star):
            if op != "count":
                return self._report(node, f"{op}(*) has no meaning", "only count(*) has")
            return self._aggregated(op, None, "count(*)", "integer")
        self._inside = True
        value = self._visit(argument)
        self._inside = False
        if value.bad:
            return _BAD
        if op == "count":
            if value.literal is not _NO_LITERAL and value.literal is not None:
                return self._aggregated(op, None, "count(*)", "integer")
            kind: Type = "integer"
        elif value.type not in ("number", "integer"):
            return self._report(argument, f"{op} needs a number, this is a {value.type}")
        else:
            kind = "number" if op in ("avg", "stddev") else value.type
        argument_expr = _finish(value.canon, value, value.type, self.dtypes)
        return self._aggregated(op, argument_expr, f"{op}({value.canon})", kind)

    def _aggregated(self, op: str, argument: Expr | None, key: str, type_: Type) -> _Value:
        self.dtypes[key] = pl.Float64()
        self.aggregates.setdefault(key, Aggregate(op=op, input=argument, key=key))
        return _Value(pl.col(key), type_, key, fields=frozenset([key]))

    def _strange(self, node: exp.Expression) -> _Value:
        if isinstance(node, exp.Star):
            return self._report(node, "* stands alone", "only count(*) has it")
        return self._report(node, "a list has no meaning here", "only IN takes a list")

    def _alike(self, node: exp.Expression, parts: Sequence[exp.Expression], what: str) -> list[_Value] | None:
        """The values of the parts, of one type: texts beside a time become times. None after a report."""
        values = [self._visit(part) for part in parts]
        if any(value.type == "time" for value in values):
            values = [self._as_time(part, value) for part, value in zip(parts, values, strict=True)]
        if any(value.bad for value in values):
            return None
        kinds = {("number" if value.type == "integer" else value.type) for value in values} - {"null"}
        if len(kinds) > 1:
            names = " and a ".join(sorted(kinds))
            joined = "cannot be compared" if what == "compared" else "cannot both be a result here"
            hint = "write a time as '2026-01-01T00:00:00+08:00'" if "time" in kinds else ""
            hint = "numbers stand without quotes" if kinds == {"number", "string"} else hint
            self._report(node, f"a {names} {joined}", hint)
            return None
        return values

    def _as_time(self, part: exp.Expression, value: _Value) -> _Value:
        if not isinstance(value.literal, str):
            return value
        try:
            ms = parse_instant(value.literal)
        except ValueError as error:
            return self._report(part, str(error), "write a time as '2026-01-01T00:00:00+08:00'")
        return _Value(pl.lit(ms, dtype=pl.Int64), "time", f"@{ms}", literal=ms)


_VISITORS: dict[type[exp.Expression], Callable[[_Checker, exp.Expression], _Value]] = {
    exp.Column: _Checker._column,
    exp.Identifier: _Checker._column,
    exp.Literal: _Checker._literal,
    exp.Null: _Checker._null,
    exp.Boolean: _Checker._boolean,
    exp.Paren: _Checker._paren,
    exp.And: _Checker._logical,
    exp.Or: _Checker._logical,
    exp.Not: _Checker._not,
    exp.Between: _Checker._between,
    exp.In: _Checker._in,
    exp.Is: _Checker._is,
    exp.Like: _Checker._like,
    exp.Escape: _Checker._like,
    exp.Neg: _Checker._neg,
    exp.DPipe: _Checker._concat,
    exp.Case: _Checker._case,
    exp.Anonymous: _Checker._call,
    exp.Star: _Checker._strange,
    exp.Tuple: _Checker._strange,
    **dict.fromkeys(_COMPARISONS, _Checker._compare),
    **dict.fromkeys(_ARITHMETIC, _Checker._arithmetic),
}
_SIGNATURES: dict[str, tuple[int, int, tuple[tuple[Type, ...], ...]]] = {
    "abs": (1, 1, (("number", "integer"),)),
    "hour": (1, 1, (("time",),)),
    "length": (1, 1, (("string",),)),
    "lower": (1, 1, (("string",),)),
    "regexp_like": (2, 2, (("string",), ("string",))),
    "round": (1, 2, (("number", "integer"), ("integer",))),
    "starts_with": (2, 2, (("string",), ("string",))),
    "upper": (1, 1, (("string",),)),
    "weekday": (1, 1, (("time",),)),
}
_DTYPES: dict[Type, pl.DataType] = {
    "string": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
    "time": pl.Int64(),
    "null": pl.Null(),
}
#: Rows to try expressions on.
_SAMPLES: dict[str, pl.Series] = {
    "String": pl.Series(["a", "b", None, ""], dtype=pl.String),
    "Float64": pl.Series([1.5, 0.0, None, -2.0], dtype=pl.Float64),
    "Int64": pl.Series([1, 0, None, -2], dtype=pl.Int64),
    "Boolean": pl.Series([True, False, None, True], dtype=pl.Boolean),
    "Null": pl.Series([None] * 4, dtype=pl.Null),
}


def _common(values: Sequence[_Value]) -> Type:
    kinds = {value.type for value in values} - {"null"}
    if kinds == {"number", "integer"}:
        return "number"
    return kinds.pop() if kinds else "null"


def _compared(left: _Value, sign: str, right: _Value) -> pl.Expr:
    """A comparison with a constant on its right: with one on the left Polars 2.1 may give one row for many."""
    if not left.fields:
        left, sign, right = right, _TURNED[sign], left
    a, b = left.expr, right.expr
    match sign:
        case "=":
            return a == b
        case "<>":
            return a != b
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case _:
            return a >= b


def _float(value: _Value) -> pl.Expr:
    return value.expr if value.type == "number" else value.expr.cast(pl.Float64)


def _finish(text: str, value: _Value, type_: Type, dtypes: Mapping[str, pl.DataType]) -> Expr:
    """The value as Polars will compute it, tried out on a few rows, and always as long as the frame that it is selected from."""
    dtype = _DTYPES[type_]
    expr = value.expr
    rows = pl.DataFrame({column: _SAMPLES[str(dtypes[column])] for column in sorted(value.fields)} or {" ": [None] * 4})
    try:
        tried = rows.select(expr.alias("out"))["out"].cast(dtype)
    except pl.exceptions.PolarsError as error:
        _fault(0, f"the expression cannot be computed: {str(error).splitlines()[0]}")
    if not value.fields:
        expr = pl.repeat(tried[0], pl.len(), dtype=dtype)
    elif len(tried) != len(rows):
        # Polars makes one row of ``f OR true``
        expr = pl.when(pl.repeat(value=True, n=pl.len())).then(expr)
    return Expr(text=text, expr=expr, type=type_, fields=value.fields)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _offset(node: exp.Expression) -> int:
    """The first character of the node, as far as its leaves know it."""
    found = []
    for part in node.walk():
        if isinstance(part, exp.Anonymous):
            found.append(int(str(part.this).rpartition("@")[2]))
        elif "start" in part.meta:
            found.append(int(part.meta["start"]))
    return min(found, default=0)


def _like_expr(value: pl.Expr, pattern: str, escape: str) -> pl.Expr:
    """LIKE as the cheapest operation that does it. ValueError on an escape that escapes nothing."""
    parts: list[str] = [""]
    wild: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if escape and character == escape:
            following = next(characters, "")
            if following not in ("%", "_", escape):
                raise ValueError("the escape character must stand before %, _ or itself")
            parts[-1] += following
        elif character in "%_":
            wild.append(character)
            parts.append("")
        else:
            parts[-1] += character
    texts = [part for part in parts if part]
    if not wild:
        return value == pl.lit(pattern if not escape else parts[0])
    if "_" not in wild and len(texts) == 1 and len(wild) <= 2:
        front, back = parts[0] == "", parts[-1] == ""
        if front and back:
            return value.str.contains(texts[0], literal=True)
        return value.str.ends_with(texts[0]) if front else value.str.starts_with(texts[0])
    regex = "".join(_escaped(part) + (".*" if sign == "%" else ".") for part, sign in zip(parts, wild, strict=False))
    return value.str.contains(f"(?s)^{regex}{_escaped(parts[-1])}$")


def _escaped(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$#&\-~])", r"\\\1", text)


def check_pattern(pattern: str) -> None:
    """A regular expression in Rust's syntax, within bounds. ValueError says what is wrong."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
    for low, high in re.findall(r"\{(\d+)(?:,(\d*))?\}", pattern):
        if max(int(low), int(high or 0)) > MAX_REPETITION:
            raise ValueError(f"the pattern repeats more than {MAX_REPETITION} times")
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        detail = next((line for line in lines if line.startswith("error:")), lines[0])
        raise ValueError(
            f"not a regular expression: {detail.removeprefix('error:').removeprefix('regex ').strip()}"
        ) from None
