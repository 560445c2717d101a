"""The numbers that an expression compares something with: what can be turned to make it hold more or less often."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import TokenType, exp

from rules.expressions.tokens import tokens
from rules.expressions.tree import offset_of, parse

_ORDERED: dict[type[exp.Expression], int] = {exp.GT: 1, exp.GTE: 1, exp.LT: -1, exp.LTE: -1}
#: An argument of others says something else than how much: digits, a share, a place.
_TRANSPARENT = frozenset({"abs", "coalesce", "greatest", "least"})


@dataclass(frozen=True)
class Number:
    """A literal at ``offset`` of the text. ``direct``: it stands alone on its side of the comparison.

    ``stricter``: 1 where the expression holds less often as the number rises, -1 where as it falls; what a sum or a product is
    made of is taken for positive.
    """

    offset: int
    text: str
    stricter: int
    direct: bool

    @property
    def value(self) -> float:
        return float(self.text)

    @property
    def whole(self) -> bool:
        """Written without decimals."""
        return self.text.isdigit()


def numbers(text: str) -> list[Number]:
    """Every number on a side of ``<``, ``<=``, ``>``, ``>=`` or BETWEEN, in order of the text. ExpressionErrors.

    >>> [
    ...     (one.text, one.stricter, one.direct)
    ...     for one in numbers("mean > 2 * limit AND n >= 45 AND last BETWEEN 1 AND 9")
    ... ]
    [('2', 1, False), ('45', 1, True), ('1', 1, True), ('9', -1, True)]
    """
    written = {token.start: token.text for token in tokens(text) if token.token_type == TokenType.NUMBER}
    found = []
    for node in parse(text).find_all(exp.Literal):
        if node.is_string:
            continue
        offset = offset_of(node)
        seen = _seen(node)
        if seen is not None and offset in written:
            found.append(Number(offset, written[offset], *seen))
    return sorted(found, key=lambda one: one.offset)


def with_number(text: str, number: Number, value: str) -> str:
    """The text with another number in its place.

    >>> with_number("n > 5", numbers("n > 5")[0], "-2.5")
    'n > (-2.5)'
    """
    written = f"({value})" if value.startswith("-") else value
    return text[: number.offset] + written + text[number.offset + len(number.text) :]


def _seen(node: exp.Expression) -> tuple[int, bool] | None:
    """(stricter, direct) of a literal; None where no comparison is above it, or something else than arithmetic is between."""
    sign, direct = 1, True
    child: exp.Expr = node
    parent = node.parent
    while parent is not None:
        for kind, rises in _ORDERED.items():
            if isinstance(parent, kind):
                right = parent.expression is child
                return sign * rises * (1 if right else -1) * _denied(parent), direct
        if isinstance(parent, exp.Between):
            side = {id(parent.args["low"]): 1, id(parent.args["high"]): -1}.get(id(child))
            return None if side is None else (sign * side * _denied(parent), direct)
        if isinstance(parent, exp.Neg) or (isinstance(parent, exp.Sub | exp.Div) and parent.expression is child):
            sign = -sign
        elif isinstance(parent, exp.Anonymous):
            if str(parent.this).partition("@")[0].lower() not in _TRANSPARENT:
                return None
        elif not isinstance(parent, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Paren):
            return None
        direct = direct and isinstance(parent, exp.Neg | exp.Paren)
        child, parent = parent, parent.parent
    return None


def _denied(node: exp.Expr) -> int:
    sign = 1
    above = node.parent
    while above is not None:
        if isinstance(above, exp.Not):
            sign = -sign
        above = above.parent
    return sign
