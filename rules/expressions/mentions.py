"""Which constants an expression asks a field to equal: what can be known of it without its events."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from rules.expressions.tree import offset_of, parse


def mentions(text: str, name: str) -> list[tuple[str, int]]:
    """The texts in ``name = '...'`` and ``name IN ('...', ...)``, each with its place; not those that a NOT denies.

    >>> mentions("rule IN ('a', 'b') AND NOT rule = 'c' AND severity = 'red'", "rule")
    [('a', 9), ('b', 14)]
    """
    return [
        (str(literal.this), offset_of(literal)) for literal in _literals(parse(text), name) if literal.args["is_string"]
    ]


def _literals(node: exp.Expression, name: str) -> Iterator[exp.Literal]:
    match node:
        case exp.Not():
            return
        case exp.EQ():
            sides = (node.this, node.expression)
            options = sides if any(_is_field(side, name) for side in sides) else ()
        case exp.In() if _is_field(node.this, name):
            options = tuple(node.args.get("expressions") or ())
        case _:
            for child in node.iter_expressions():
                yield from _literals(child, name)
            return
    yield from (option for option in options if isinstance(option, exp.Literal))


def _is_field(node: exp.Expression, name: str) -> bool:
    return isinstance(node, exp.Column | exp.Identifier) and node.name == name
