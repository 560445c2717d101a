"""An expected value as one writes it: ``65``, ``~101.3``, ``60..70``, ``true``, ``null``, a text, or a list of these."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence as Items
from dataclasses import dataclass

from events.times import parse_instant
from rules.yaml_source import Mapping, Node, Scalar

#: Numbers this near are the same: the last digits of a mean depend on the order of a sum.
TOLERANCE = 1e-9

_ABOUT = re.compile(r"~\s*([-+]?\d{1,18}(?:\.(\d{1,12}))?)")
_RANGE = re.compile(r"([-+]?\d{1,18}(?:\.\d+)?)\s*\.\.\s*([-+]?\d{1,18}(?:\.\d+)?)")


@dataclass(frozen=True)
class Want:
    """``text`` as written. ``low`` and ``high`` where a number is wanted; ``items`` where a list is."""

    text: str
    low: float | None = None
    high: float | None = None
    truth: bool | None = None
    null: bool = False
    items: tuple[Want, ...] | None = None

    def fits(self, got: object) -> bool:
        """Whether a transition's value is what was wanted."""
        if got is None:
            return self.null
        if isinstance(got, bool):
            return self.truth is got
        if isinstance(got, int | float):
            return self.low is not None and self.high is not None and self.low <= got <= self.high
        if isinstance(got, list | tuple):
            return self.items is not None and _all_fit(self.items, got)
        return not self.null and self.items is None and _same_text(self.text, str(got))


def _all_fit(wants: tuple[Want, ...], got: Items[object]) -> bool:
    return len(wants) == len(got) and all(want.fits(item) for want, item in zip(wants, got, strict=True))


def _same_text(wanted: str, got: str) -> bool:
    """Equal, or two ways to write one instant."""
    if wanted == got:
        return True
    try:
        return parse_instant(wanted) == parse_instant(got)
    except ValueError:
        return False


def read_want(node: Node) -> Want | None:
    """None where the node is a mapping, which is no value.

    >>> read_want(Scalar("~101.3", "", 1, 1)).fits(101.26)
    True
    """
    if isinstance(node, Mapping):
        return None
    if not isinstance(node, Scalar):
        items = [read_want(item) for item in node.items]
        whole = [item for item in items if item is not None]
        if len(whole) < len(items):
            return None
        return Want(f"[{', '.join(item.text for item in whole)}]", items=tuple(whole))
    if node.is_null:
        return Want("null", null=True)
    low, high = _bounds(node)
    return Want(node.text, low, high, node.boolean())


def _bounds(node: Scalar) -> tuple[float | None, float | None]:
    number = node.number()
    if number is not None:
        slack = abs(number) * TOLERANCE
        return number - slack, number + slack
    about = _ABOUT.fullmatch(node.text) if node.plain else None
    if about:
        middle, half = float(about[1]), 0.5 * 10.0 ** -len(about[2] or "")
        slack = max(abs(middle), half) * TOLERANCE
        return middle - half - slack, middle + half + slack
    within = _RANGE.fullmatch(node.text) if node.plain else None
    if within is None:
        return None, None
    first, second = float(within[1]), float(within[2])
    return min(first, second), max(first, second)


def tell_value(value: object) -> str:
    """A transition's value as one would write it.

    >>> tell_value(101.0), tell_value(None), tell_value("甲厂"), tell_value(1 / 3)
    ('101', 'null', '甲厂', '0.333333333333')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(tell_value, value))}]"
    return str(value)
