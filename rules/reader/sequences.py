"""The steps of a sequence."""

from __future__ import annotations

from typing import Final

from events.feeds import ALERT_FEED
from rules.errors import did_you_mean
from rules.model import Expr, Step
from rules.reader.key_fields import known_feed
from rules.reader.reading import Reading
from rules.reader.scopes import event_scope
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

MAX_STEPS: Final = 20
_SUCH_AS: Final = "such as {feed: sensor, where: value > 5}"


def read_sequence(reading: Reading, default_feed: str) -> tuple[Step, ...]:
    report = reading.report
    key, value = reading.keys["sequence"]
    if not isinstance(value, SeqNode):
        report.at(key, "sequence is a list of steps", "such as - {feed: sensor, where: value > 5}")
        return ()
    steps: list[Step] = []
    canons: list[object] = []
    unless: tuple[str, Expr | None] | None = None
    unless_node: Node | None = None
    unless_canon: object = None
    for index, item in enumerate(value.items):
        if not isinstance(item, MapNode):
            report.at(item, "a step is a mapping", _SUCH_AS)
            continue
        names = [name.text for name, _ in item]
        if names in (["unless"], ["absent"]):
            inner = item.entries[0][1]
            feed, where, canon = _event_of(reading, inner, names[0], default_feed)
            if names[0] == "absent":
                if index < len(value.items) - 1:
                    report.at(item, "absent can only be the last step")
                steps.append(Step(feed, where, absent=True, unless=unless))
                canons.append(["absent", canon, unless_canon if unless_node is not None else None])
                unless, unless_node = None, None
                continue
            if not steps or unless_node is not None or index == len(value.items) - 1:
                report.at(item, "unless stands between two steps, one at a time", "join two with OR")
            unless, unless_node, unless_canon = (feed, where), item, canon
            continue
        feed, where, canon = _event_of(reading, item, "step", default_feed)
        steps.append(Step(feed, where, unless=unless))
        canons.append(["step", canon, unless_canon if unless_node is not None else None])
        unless, unless_node = None, None
    if not 2 <= len(steps) <= MAX_STEPS and len(value.items) == len(steps):
        report.at(key, f"a sequence has 2 to {MAX_STEPS} steps", "a rule without sequence judges single events")
    elif len(steps) < 2:
        report.at(key, "a sequence needs at least 2 steps beside unless")
    reading.meaning["sequence"] = canons
    return tuple(steps)


def _event_of(reading: Reading, node: Node, what: str, default_feed: str) -> tuple[str, Expr | None, object]:
    """The ``{feed, where}`` of a step, an unless or an absence."""
    report = reading.report
    if not isinstance(node, MapNode):
        report.at(node, f"{what} must name its events", _SUCH_AS)
        return "", None, None
    given = {name.text: child for name, child in node}
    for name, _ in node:
        if name.text not in ("feed", "where"):
            hint = did_you_mean(name.text, ("feed", "where", "unless", "absent")) or "a step has feed and where"
            report.at(name, f"unknown key {name.text[:40]!r} in a step", hint)
    feed = default_feed
    if "feed" in given:
        feed = known_feed(reading, given["feed"])
    elif not default_feed:
        report.at(node, "the step has no feed", _SUCH_AS)
    where = given.get("where")
    if where is None or not feed:
        return feed, None, [feed, "true"]
    if isinstance(where, Scalar) and (where.is_null or not where.text.strip()):
        report.at(where, "where is empty")
        return feed, None, None
    expr = reading.compiled("step", where, event_scope(reading.setting, feed))
    if expr is not None and feed == ALERT_FEED and isinstance(where, Scalar):
        reading.note_namings(where)
    return feed, expr, [feed, reading.meaning.pop("step", None)]
