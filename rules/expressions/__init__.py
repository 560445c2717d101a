"""SQL expressions of rules: bounded, parsed by sqlglot, type-checked, and built into Polars expressions.

A lexer of our own goes first. It bounds the expression before anything parses it, makes every word that is no operator a
field name (``limit``, ``interval``, ``time`` are fields here), and hands sqlglot tokens of which it can make only plain
expressions. The canonical text of an expression comes from our own tree, so that a rule's version does not depend on sqlglot's.
"""

from rules.expressions.aggregates import AGGREGATES
from rules.expressions.compile import compile_condition, compile_measure, compile_value
from rules.expressions.faults import ExpressionErrors, Fault
from rules.expressions.functions import FUNCTIONS
from rules.expressions.mentions import mentions
from rules.expressions.patterns import check_pattern
from rules.expressions.scope import Scope
from rules.expressions.tokens import MAX_BYTES, MAX_DEPTH, MAX_NODES

__all__ = [
    "AGGREGATES",
    "FUNCTIONS",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "ExpressionErrors",
    "Fault",
    "Scope",
    "check_pattern",
    "compile_condition",
    "compile_measure",
    "compile_value",
    "mentions",
]
