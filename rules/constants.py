"""``constants:`` of a rule file: names that stand for values in its rules."""

from __future__ import annotations

from collections.abc import Mapping as Names
from typing import Final

from rules.expansion import NAME, Expander, named
from rules.reader.reading import Report
from rules.yaml_source import Mapping, Node, Scalar

MAX_CONSTANT_CHARS: Final = 4_096
#: Constants that are made of others that are made of others.
MAX_DEPTH: Final = 20


def read_constants(node: Node | None, outer: Names[str, Scalar | None], report: Report) -> dict[str, Scalar | None]:
    """The constants of a file and those of ``outer`` that it does not name anew, each with the names in it replaced.

    None: of a constant that is at fault.
    """
    given = _given(node, report)
    known = {name: value for name, value in outer.items() if name not in given}
    for name in given:
        _resolve(name, given, known, report, ())
    return known


def _given(node: Node | None, report: Report) -> dict[str, Scalar | None]:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return {}
    if not isinstance(node, Mapping):
        report.at(node, "constants is a mapping of names to values", "such as constants: {cod_limit: 50}")
        return {}
    given: dict[str, Scalar | None] = {}
    for name, value in node:
        if not NAME.fullmatch(name.text):
            report.at(name, f"{name.text[:40]!r} is no name for a constant", "letters, digits and underscores")
        elif not isinstance(value, Scalar) or value.is_null:
            report.at(value, f"the constant {name.text} must be a single value", "such as cod_limit: 50")
            given[name.text] = None
        else:
            given[name.text] = value
    return given


def _resolve(
    name: str,
    given: Names[str, Scalar | None],
    known: dict[str, Scalar | None],
    report: Report,
    path: tuple[str, ...],
) -> None:
    """Fills in ``known[name]``, and before it those that it is made of."""
    if name in known:
        return
    value = given[name]
    if value is None:
        known[name] = None
        return
    if name in path:
        circle = " -> ".join([*path[path.index(name) :], name])
        report.at(value, f"the constant {name} stands for itself: {circle[:200]}")
        known[name] = None
        return
    if len(path) == MAX_DEPTH:
        report.at(value, f"constants made of constants, more than {MAX_DEPTH} deep")
        known[name] = None
        return
    for other in named(value.text):
        if other in given:
            _resolve(other, given, known, report, (*path, name))
    if name not in known:
        known[name] = Expander(known, report, max_chars=MAX_CONSTANT_CHARS).value(value)
