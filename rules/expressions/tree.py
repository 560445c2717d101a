"""sqlglot's tree of an expression, from tokens of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlglot import Token, TokenType, exp
from sqlglot.errors import ErrorLevel, ParseError
from sqlglot.parser import Parser

from rules.expressions.faults import ExpressionErrors, Fault, fail
from rules.expressions.tokens import tokens

_BEGINNINGS = (TokenType.IDENTIFIER, TokenType.VAR, TokenType.CASE, TokenType.NUMBER, TokenType.STRING)


def parse(text: str) -> exp.Expression:
    """The tree. ExpressionErrors where the text is no expression, or beyond the bounds of :func:`tokens`."""
    found = _with_distinct(tokens(text))
    try:
        trees = Parser(error_level=ErrorLevel.IMMEDIATE).parse_into(exp.Condition, found, text)
    except ParseError as error:
        raise _syntax(error, found) from None
    except (RecursionError, AttributeError, ValueError, TypeError, IndexError):
        fail(0, "the expression cannot be parsed")
    if len(trees) != 1 or trees[0] is None:
        fail(0, "the expression cannot be parsed")
    return cast(exp.Expression, trees[0])


def _with_distinct(found: Sequence[Token]) -> list[Token]:
    """``count(distinct x)`` becomes a call of ``count distinct``, which nobody can write as a name.

    A field may be called distinct all the same: the word is one where no argument begins behind it.
    """
    out: list[Token | None] = list(found)
    for i, (call, bracket, word, following) in enumerate(zip(found, found[1:], found[2:], found[3:], strict=False)):
        if call.token_type != TokenType.VAR or bracket.token_type != TokenType.L_PAREN:
            continue
        bracketed = word.token_type == TokenType.VAR
        if word.text.split("@")[0].lower() == "distinct" and (bracketed or following.token_type in _BEGINNINGS):
            name, _, place = call.text.partition("@")
            out[i] = Token(TokenType.VAR, f"{name} distinct@{place}", 1, call.start + 1, call.start, call.end)
            out[i + 2] = None
    return [token for token in out if token is not None]


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


def offset_of(node: exp.Expression) -> int:
    """The first character of the node, as far as its leaves know it."""
    found = []
    for part in node.walk():
        if isinstance(part, exp.Anonymous):
            found.append(int(str(part.this).rpartition("@")[2]))
        elif "start" in part.meta:
            found.append(int(part.meta["start"]))
    return min(found, default=0)


def bare(node: exp.Expression) -> exp.Expression:
    """The node within its brackets."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def strung(node: exp.Expression, kind: type[exp.Expression]) -> list[exp.Expression]:
    """The parts of ``a AND b AND c`` (where ``kind`` is And), in order; the node itself where it is none."""
    inner = bare(node)
    if not isinstance(inner, kind):
        return [node]
    return [*strung(inner.this, kind), *strung(inner.expression, kind)]
