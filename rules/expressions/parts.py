"""A condition taken apart: its ANDs, ORs and NOTs, and what each of the rest compares, all ready to be computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from rules.expressions.arithmetic import ARITHMETIC
from rules.expressions.checker import Checker
from rules.expressions.comparison import COMPARISONS
from rules.expressions.compile import VISITORS
from rules.expressions.faults import ExpressionErrors
from rules.expressions.finish import finish
from rules.expressions.scope import Scope
from rules.expressions.tree import bare, parse, strung
from rules.model import Expr, Type

_JUNCTIONS: dict[type[exp.Expression], Literal["and", "or"]] = {exp.And: "and", exp.Or: "or"}


@dataclass(frozen=True)
class Operand:
    """A name that a part reads, or something that is worked out of names for it."""

    node: exp.Expression
    expr: Expr

    @property
    def name(self) -> str | None:
        return self.node.name if isinstance(self.node, exp.Column | exp.Identifier) else None


@dataclass(frozen=True)
class Part:
    """``op``: what joins ``parts``; empty for a part that has none, which has ``operands`` instead."""

    op: Literal["and", "or", ""]
    node: exp.Expression
    expr: Expr
    parts: tuple[Part, ...] = ()
    operands: tuple[Operand, ...] = ()

    def leaves(self) -> Iterator[Part]:
        """The parts that have none, in order."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def taken_apart(text: str, scope: Scope, *, zone_ms: int) -> Part:
    """The parts of a condition that compiles. ExpressionErrors where it does not."""
    return _Cutter(text, scope, zone_ms).part(parse(text))


class _Cutter:
    def __init__(self, text: str, scope: Scope, zone_ms: int) -> None:
        self._text = text
        self._scope = scope
        self._zone_ms = zone_ms

    def part(self, node: exp.Expression) -> Part:
        inner = bare(node)
        op = _JUNCTIONS.get(type(inner))
        expr = self._compiled(inner, "boolean")
        if op is not None:
            return Part(op, inner, expr, tuple(self.part(one) for one in strung(inner, type(inner))))
        return Part("", inner, expr, operands=tuple(self._operands(inner)))

    def _operands(self, node: exp.Expression) -> Iterator[Operand]:
        """Each name once, then what is worked out of them on a side of a comparison."""
        seen: set[str] = set()
        for leaf in node.find_all(exp.Column, bfs=False):
            if leaf.name not in seen:
                seen.add(leaf.name)
                yield Operand(leaf, self._compiled(leaf))
        for side in _sides(node):
            if type(side) in ARITHMETIC or isinstance(side, exp.Case | exp.Anonymous):
                expr = self._compiled(side)
                if expr.fields or isinstance(side, exp.Anonymous):
                    yield Operand(side, expr)

    def _compiled(self, node: exp.Expression, type_: Type | None = None) -> Expr:
        checker = Checker(self._scope, self._zone_ms, VISITORS, measure=False)
        value = checker.condition(node) if type_ == "boolean" else checker.visit(node)
        if checker.faults:
            raise ExpressionErrors(checker.faults)
        return finish(self._text, value, type_ or value.type, checker.dtypes)


def _sides(node: exp.Expression) -> Iterator[exp.Expression]:
    """What stands on the sides of the comparison that the node is, or denies."""
    inner = bare(node)
    if isinstance(inner, exp.Not):
        yield from _sides(inner.this)
    elif type(inner) in COMPARISONS:
        yield bare(inner.this)
        yield bare(inner.expression)
    elif isinstance(inner, exp.Between):
        yield from (bare(inner.this), bare(inner.args["low"]), bare(inner.args["high"]))
    elif isinstance(inner, exp.In):
        yield bare(inner.this)
