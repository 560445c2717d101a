"""What a field of an entry of ``events`` stands for: one value for all of its events, a list, or an even rise or fall."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from events.times import format_ms
from fengsui.workbench.faults import Faults
from fengsui.workbench.moments import parse_moment, parse_span
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

#: Events that one entry may stand for, and one fixture may have.
MAX_EVENTS = 100_000

_NUMBER = r"[-+]?\d{1,18}(?:\.\d{1,12})?"
_RAMP = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")
_REPEAT = re.compile(r"(\S.*?)\s+x\s*(\d{1,6})")
_HINTS = {
    "number": "such as 65, 60..70, [60, 65 x 30] or null",
    "integer": "such as 3, 1..10, [1, 2 x 30] or null",
    "boolean": "true, false or null",
    "time": "such as 2026-03-31, 2026-03-31 08:00, +30d or -1d (from the event's time), or null",
}


@dataclass(frozen=True)
class Value:
    """``length``: how many events it is given for, None where it goes with any number. ``of(i, n, time_ms)``: the i-th of n."""

    length: int | None
    of: Callable[[int, int, int], object]


def read_value(node: Node, type_: str, zone_ms: int, faults: Faults) -> Value | None:
    """The value as the field's type has it; None where the report has its faults."""
    if isinstance(node, SeqNode):
        return _listed(node, type_, zone_ms, faults)
    if not isinstance(node, Scalar):
        faults.at(node, "must be a value, or a list with one for each event")
        return None
    ramp = _RAMP.fullmatch(node.text) if node.plain and type_ in ("number", "integer") else None
    if ramp:
        first, last = float(ramp[1]), float(ramp[2])
        whole = type_ == "integer"
        return Value(None, lambda i, n, _: _between(first, last, i, n, whole=whole))
    one = _one(node, type_, zone_ms, faults)
    return None if one is None else Value(None, one)


def _listed(node: SeqNode, type_: str, zone_ms: int, faults: Faults) -> Value | None:
    each: list[Callable[[int, int, int], object]] = []
    sound = True
    for item in node.items:
        times = 1
        if isinstance(item, Scalar) and item.plain and (repeat := _REPEAT.fullmatch(item.text)):
            times = int(repeat[2])
            item = Scalar(repeat[1], "", item.line, item.column)
        made = _one(item, type_, zone_ms, faults) if isinstance(item, Scalar) else None
        if made is None:
            if not isinstance(item, Scalar):
                faults.at(item, "a list has one value for each event")
            sound = False
        elif len(each) + times > MAX_EVENTS:
            faults.at(item, f"more than {MAX_EVENTS:,} events")
            return None
        else:
            each += [made] * times
    if sound and not each:
        faults.at(node, "the list is empty", "one value for each event")
    return Value(len(each), lambda i, n, time_ms: each[i](i, n, time_ms)) if sound and each else None


def _one(node: Scalar, type_: str, zone_ms: int, faults: Faults) -> Callable[[int, int, int], object] | None:
    if node.is_null:
        return lambda *_: None
    text = node.text
    match type_:
        case "string":
            return (lambda i, *_: text.replace("{n}", str(i + 1))) if "{n}" in text else lambda *_: text
        case "boolean" if (truth := node.boolean()) is not None:
            return lambda *_: truth
        case "number" | "integer":
            number = node.number()
            if number is not None and (type_ == "number" or isinstance(number, int)):
                return lambda *_: number
        case "time" if text[:1] in "+-" and node.plain:
            try:
                ahead_ms = parse_span(text[1:]) * (-1 if text[0] == "-" else 1)
            except ValueError:
                pass
            else:
                return lambda _i, _n, time_ms: format_ms(time_ms + ahead_ms)
        case "time":
            try:
                instant = format_ms(parse_moment(text, zone_ms))
            except ValueError:
                pass
            else:
                return lambda *_: instant
    faults.at(node, f"{text[:40]!r} is no {type_}", _HINTS[type_])
    return None


def _between(first: float, last: float, i: int, n: int, *, whole: bool) -> float | int:
    """The i-th of n values from ``first`` to ``last``, without the dust of binary fractions."""
    value = first if n == 1 else first + (last - first) * i / (n - 1)
    return math.floor(value + 0.5) if whole else round(value, 9)
