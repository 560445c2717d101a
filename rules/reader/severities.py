"""A rule's severity: a word, or a ladder of which the first rung that holds counts."""

from __future__ import annotations

from typing import Final

from events.transition import RANK, SEVERITIES
from rules.errors import did_you_mean
from rules.expressions import Scope
from rules.model import Expr, Kind
from rules.reader.reading import Reading
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

Ladder = tuple[tuple[str, Expr | None], ...]


#: Kinds that have something to judge by; the others take one word.
LADDERED: Final[frozenset[Kind]] = frozenset({"each", "window", "baseline", "new"})


def read_severity(reading: Reading, scope: Scope | None, kind: Kind) -> Ladder:
    hint = "one word, or a ladder such as {red: mean > 2 * limit, orange: true}"
    if "severity" not in reading.keys:
        reading.missing("severity", hint)
        return ()
    key, value = reading.keys["severity"]
    if isinstance(value, Scalar) and not value.is_null:
        if value.text not in RANK:
            _not_a_severity(reading, value)
        reading.meaning["severity"] = [[value.text, "true"]]
        return ((value.text, None),)
    if not isinstance(value, MapNode) or not value.entries:
        reading.report.at(key, "severity must be a word or a ladder", hint)
        return ()
    if kind not in LADDERED:
        reading.report.at(value, f"a rule of kind {kind} has one severity, not a ladder", "write it as one word")
        return ()
    return _ladder(reading, value, scope)


def _ladder(reading: Reading, ladder: MapNode, scope: Scope | None) -> Ladder:
    report = reading.report
    rungs: list[tuple[str, Expr | None]] = []
    canons: list[list[object]] = []
    lowest = max(RANK.values()) + 1
    for word, node in ladder:
        rank = RANK.get(word.text)
        if rank is None:
            _not_a_severity(reading, word)
            continue
        if rungs and rungs[-1][1] is None:
            report.at(word, f"{word.text} is never reached", f"{rungs[-1][0]}: true stands before it")
        elif rank > lowest:
            report.at(word, f"{word.text} stands below a lower severity", "the first that holds counts: begin with red")
        lowest = min(lowest, rank)
        if isinstance(node, Scalar) and node.boolean() is True:
            rungs.append((word.text, None))
            canons.append([word.text, "true"])
            continue
        if isinstance(node, Scalar) and (node.is_null or not node.text.strip()):
            report.at(word, f"{word.text} has no condition", f"such as {word.text}: true")
            continue
        name = f"severity {word.text}"
        expr = reading.compiled(name, node, scope) if scope else None
        canons.append([word.text, reading.meaning.pop(name, "")])
        if expr is not None:
            rungs.append((word.text, expr))
    reading.meaning["severity"] = canons
    return tuple(rungs)


def read_auto_resolve(reading: Reading) -> frozenset[str]:
    if "auto_resolve" not in reading.keys:
        return frozenset({"blue"})
    _, value = reading.keys["auto_resolve"]
    items = value.items if isinstance(value, SeqNode) else (value,)
    found = set()
    for item in items:
        if isinstance(item, Scalar) and item.text in RANK:
            found.add(item.text)
        else:
            _not_a_severity(reading, item)
    return frozenset(found)


def _not_a_severity(reading: Reading, node: Node) -> None:
    word = node.text if isinstance(node, Scalar) else ""
    hint = did_you_mean(word, SEVERITIES) or f"one of {', '.join(SEVERITIES)}"
    reading.report.at(node, f"{word[:40]!r} is no severity", hint)
