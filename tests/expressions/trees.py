"""Small expressions for the property tests: trees that are drawn once and read twice, as SQL text and as Python values.

A tree is a tuple whose first word names it:

- leaves: ``(col, name)``, ``(lit, number)``, ``(text, words)``, ``(true,)``;
- numbers: ``(op, sign, a, b)``, ``(abs, a)``, ``(coalesce, a, b)``, ``(case, condition, a, b)``, ``(length, text)``,
  ``(most, "greatest" or "least", [a, ...])``, ``(part, "hour" ..., time)``, ``(lookup, table, column, [field, ...])``;
- conditions: ``(cmp, sign, a, b)``, ``(textcmp, sign, text, word)``, ``(and | or, a, b)``, ``(not, a)``, ``(null, a, negated)``,
  ``(in, a, [leaf, ...], negated)``, ``(between, a, low, high)``, ``(prefix | like | upper, text, word)``,
  ``(listed, a, file, column or None, negated)``;
- in measures: ``(agg, op, inner)``, where ``inner`` None is ``*`` and op "quantile 0.9" has its share in its name.
"""

from __future__ import annotations

from typing import Any

Tree = tuple[Any, ...]


def columns(tree: Any) -> set[str]:
    """Every name that a tree reads."""
    if isinstance(tree, tuple) and tree and tree[0] == "col":
        return {tree[1]}
    if isinstance(tree, tuple) and tree and tree[0] == "lookup":
        return set(tree[3])
    return set().union(*map(columns, tree)) if isinstance(tree, tuple | list) else set()
