"""The window of a rule and the measures over it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from rules.errors import did_you_mean
from rules.expressions import Scope
from rules.model import Measure, Window
from rules.reader.reading import DAY_MS, Reading
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar

#: Windows that one event may lie in.
MAX_OVERLAP: Final = 10_000
MAX_MEASURES: Final = 50
DEFAULT_SESSION_MS: Final = DAY_MS
SHAPES: Final = ("tumbling", "hopping", "sliding", "session")
_SECOND: Final = {"every": "hopping", "max": "session"}

_MEASURE = re.compile(r"[^\W\d]\w{0,63}")

Given = Mapping[str, tuple[Scalar, Node]]


def read_window(reading: Reading) -> Window | None:
    report = reading.report
    key, value = reading.keys["window"]
    if not isinstance(value, MapNode):
        report.at(key, "window must name its shape", "such as window: {tumbling: 1h}")
        return None
    given = {name.text: (name, node) for name, node in value}
    shapes = [name for name in SHAPES if name in given]
    for name, _ in value:
        if name.text not in (*SHAPES, *_SECOND):
            hint = did_you_mean(name.text, (*SHAPES, *_SECOND)) or "tumbling, hopping (with every), sliding or session"
            report.at(name, f"unknown key {name.text[:40]!r} in window", hint)
            return None
    if len(shapes) != 1:
        report.at(key, "a window has one shape", "tumbling, hopping (with every), sliding or session")
        return None
    shape = shapes[0]
    for second, goes_with in _SECOND.items():
        if second in given and shape != goes_with:
            report.at(given[second][0], f"{second} goes with {goes_with}, not with {shape}")
    size = reading.duration_of(shape, given[shape][1])
    match shape:
        case "tumbling":
            return Window("tumbling", size, size, _offset(reading, size, size))
        case "hopping":
            every = _every(reading, given, size)
            return None if every is None else Window("hopping", size, every, _offset(reading, size, every))
        case "session":
            return Window("session", size, 0, max_ms=_longest(reading, given, size))
        case _:
            return Window("sliding", size, 0)


def _offset(reading: Reading, size: int, every: int) -> int:
    """From one day up, windows begin at local midnight."""
    return -reading.setting.zone_ms % every if size >= DAY_MS else 0


def _every(reading: Reading, given: Given, size: int) -> int | None:
    report = reading.report
    if "every" not in given:
        report.at(given["hopping"][0], "a hopping window needs every", "such as {hopping: 1h, every: 10m}")
        return None
    node = given["every"][1]
    every = reading.duration_of("every", node)
    if every > size:
        report.at(node, "every is longer than the window: events between two would not be seen")
    elif size > every * MAX_OVERLAP:
        report.at(node, f"an event would lie in more than {MAX_OVERLAP:,} windows", "take a longer every")
    return every


def _longest(reading: Reading, given: Given, gap: int) -> int:
    if "max" not in given:
        return max(DEFAULT_SESSION_MS, gap)
    node = given["max"][1]
    longest = reading.duration_of("max", node)
    if longest < gap:
        reading.report.at(node, "max is shorter than the gap: every session would be cut before it could close")
    return longest


def read_measures(reading: Reading, scope: Scope | None, by: tuple[str, ...]) -> tuple[Measure, ...]:
    if "measure" not in reading.keys:
        reading.missing("measure", "such as measure: {n: count(*)}")
        return ()
    key, value = reading.keys["measure"]

    def compile_(name: str, text: str) -> tuple[Measure, str]:
        assert scope is not None
        return reading.setting.measure(name, text, scope)

    found, canons = compiled_measures(reading, key, value, by, compile_ if scope else None)
    reading.meaning["measures"] = canons
    return found


def compiled_measures(
    reading: Reading,
    key: Scalar,
    value: Node,
    taken: tuple[str, ...],
    compile_: Callable[[str, str], tuple[Measure, str]] | None,
) -> tuple[tuple[Measure, ...], dict[str, str]]:
    """The measures of one mapping, and their canonical texts. ``taken``: names that are fields of ``by`` or measures already.

    ``compile_``: None where there is no scope to compile in, because of another fault.
    """
    report = reading.report
    if not isinstance(value, MapNode) or not 1 <= len(value.entries) <= MAX_MEASURES:
        report.at(key, f"measure names 1 to {MAX_MEASURES} aggregates", "such as measure: {n: count(*)}")
        return (), {}
    found: list[Measure] = []
    canons: dict[str, str] = {}
    for name, node in value:
        if value.flow and isinstance(node, Scalar) and node.is_null:
            hint = "an expression with a comma must stand in quotes here"
            report.at(name, f"the measure {name.text[:40]!r} has no expression", hint)
            continue
        if not _MEASURE.fullmatch(name.text):
            report.at(name, f"{name.text[:40]!r} is no name for a measure", "letters, digits and underscores")
            continue
        if name.text in taken:
            report.at(name, f"{name.text} is a field of by already", "give the measure another name")
        if compile_ is None:
            continue
        if not isinstance(node, Scalar):
            report.at(node, f"the measure {name.text} must be an expression", "such as avg(value)")
            continue
        compiled = _compiled(reading, name.text, node, compile_)
        if compiled is not None:
            found.append(compiled[0])
            canons[name.text] = compiled[1]
    return tuple(found), canons


def _compiled(
    reading: Reading, name: str, node: Scalar, compile_: Callable[[str, str], tuple[Measure, str]]
) -> tuple[Measure, str] | None:
    return reading.guarded(node, lambda: compile_(name, node.text))
