"""The lexer: bounds an expression before anything parses it, and hands on tokens of which only plain expressions can be made.

Every word that is no operator is a field name: ``limit``, ``interval`` and ``time`` are fields here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from sqlglot import Token, TokenType

from rules.expressions.faults import fail

MAX_BYTES = 4096
MAX_NODES = 200
#: Brackets, CASEs and signs within each other.
MAX_DEPTH = 16

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
#: What a Chinese keyboard writes for them.
_FULL_WIDTH = dict(zip("，（）＝＞＜‘’“”＋－＊／％！", ",()=><''\"\"+-*/%!", strict=True))


def tokens(text: str) -> list[Token]:
    """The tokens of an expression within its bounds. ExpressionErrors on what no expression may hold."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        fail(0, f"the expression is longer than {MAX_BYTES} bytes")
    found: list[Token] = []
    position = 0
    while position < len(text):
        for sign, hint in _STRANGE.items():
            if text.startswith(sign, position) and not text.startswith("!=", position):
                fail(position, f"{sign} is not understood", hint)
        match = _TOKEN.match(text, position)
        if match is None:
            if text[position] in "'\"":
                fail(position, "a quote without its end", "a quote inside of a text is doubled: 'it''s'")
            ascii_ = _FULL_WIDTH.get(text[position])
            fail(position, f"{text[position]!r} is not understood", f"write {ascii_}" if ascii_ else "")
        kind, start, position = cast(str, match.lastgroup), position, match.end()
        if kind == "space":
            continue
        found.append(_token(kind, match, start, text))
    if not found:
        fail(0, "an empty expression")
    nodes = sum(token.token_type not in _PLAIN for token in found)
    if nodes > MAX_NODES:
        fail(0, f"the expression has {nodes} nodes; at most {MAX_NODES} are allowed", "split it into several rules")
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
            fail(token.start, f"nested deeper than {MAX_DEPTH} levels")
        before = kind
