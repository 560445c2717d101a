"""How well a measure is known: whether its last digits depend on the way it is computed, so that nothing may hang on them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.expressions.trees import Tree, columns

#: A whole number, the same in any order of sums; one rounding of whole numbers; last digits that may differ; a text.
WHOLE, ONCE, ROUNDED, TEXT = 0, 1, 2, 3
#: Shares that fall on a value, or half-way or a quarter of the way to the next.
_EVEN = ("median", "quantile 0", "quantile 1", "quantile 0.25", "quantile 0.5", "quantile 0.75")


def grade(tree: Tree, names: Mapping[str, int] | None = None) -> int:
    """``names``: the grades of what the tree reads by name, WHOLE where it says nothing. What an aggregate is over has no division."""
    inside = max((0, *((names or {}).get(name, WHOLE) for name in columns(tree))))
    match tree:
        case ("agg", "count" | "count distinct", _):
            return WHOLE
        case ("agg", "min" | "max" | "first" | "last", _):
            return inside
        case ("agg", "sum", _):
            return ROUNDED if inside else WHOLE
        case ("agg", "avg", _):
            return ROUNDED if inside else ONCE
        case ("agg", op, _):
            return ONCE if op in _EVEN and not inside else ROUNDED
        case ("op", sign, left, right):
            return max(grade(left, names), grade(right, names), ONCE if sign == "/" else WHOLE)
        case ("most", _, parts):
            return max(grade(part, names) for part in parts)
        case ("coalesce", left, right):
            return max(grade(left, names), grade(right, names))
    return inside
