"""Which feed a rule reads, and what makes up its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rules.errors import did_you_mean
from rules.model import Kind, Step
from rules.reader.reading import Reading
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

MAX_BY: Final = 8
MAX_EXPECT: Final = 20_000


def read_feed(reading: Reading, kind: Kind) -> str:
    """The feed's name, empty after a report (or where the steps of a sequence name theirs)."""
    if kind == "sequence" and "feed" not in reading.keys:
        return ""
    node = reading.scalar("feed", required=True, hint="such as feed: sensor")
    return known_feed(reading, node) if node else ""


def known_feed(reading: Reading, node: Node) -> str:
    """The feed that the node names, empty after a report."""
    name = node.text if isinstance(node, Scalar) else ""
    known = reading.catalog.readable
    if name in known:
        return name
    reading.report.at(node, f"unknown feed {name[:40]!r}", did_you_mean(name, known) or f"there are {', '.join(known)}")
    return ""


def feeds_of(kind: Kind, feed: str, steps: Iterable[Step]) -> list[str]:
    """Every feed whose events the rule keys."""
    if kind != "sequence":
        return [feed] if feed else []
    named = [name for step in steps for name in (step.feed, step.unless[0] if step.unless else "") if name]
    return list(dict.fromkeys(named))


def read_by(reading: Reading, feeds: list[str]) -> tuple[str, ...]:
    if "by" not in reading.keys:
        reading.by_types |= {"subject": "string"}
        return ("subject",)
    key, value = reading.keys["by"]
    return _fields(reading, "by", key, value, feeds)


def read_new(reading: Reading, feed: str, by: tuple[str, ...]) -> tuple[str, ...]:
    """The fields whose values are new or known; they become part of the alert's key."""
    key, value = reading.keys["new"]
    names = _fields(reading, "new", key, value, [feed] if feed else [])
    for name in names:
        if name in by:
            reading.report.at(value, f"{name} is a field of by already", "new names other fields than by")
    return names


def _fields(reading: Reading, what: str, key: Scalar, value: Node, feeds: list[str]) -> tuple[str, ...]:
    items = value.items if isinstance(value, SeqNode) else (value,)
    names: list[str] = []
    if not items or len(items) > MAX_BY:
        hint = "write by: [feed] for one key over everything" if what == "by" else f"such as {what}: [metric]"
        reading.report.at(key, f"{what} needs 1 to {MAX_BY} fields", hint)
    for item in items:
        if not isinstance(item, Scalar) or item.is_null:
            reading.report.at(item, f"{what} is a list of field names", f"such as {what}: [subject, metric]")
        elif item.text in names:
            reading.report.at(item, f"{item.text[:40]} stands twice in {what}")
        else:
            names.append(item.text)
            _check_key_field(reading, item, feeds)
    return tuple(names)


def _check_key_field(reading: Reading, node: Scalar, feeds: list[str]) -> None:
    catalog = reading.catalog
    types = {feed: catalog.field_type(feed, node.text) for feed in feeds}
    for feed, type_ in types.items():
        if type_ is None:
            reading.report.at(
                node,
                f"unknown field {node.text[:40]}: the feed {feed} has no such field",
                did_you_mean(node.text, catalog.field_names(feed)),
            )
            return
    if len(set(types.values())) > 1:
        listed = ", ".join(f"{type_} in {feed}" for feed, type_ in types.items())
        reading.report.at(node, f"{node.text} must have one type in all steps: {listed}")
    elif "time" in types.values():
        reading.report.at(node, f"{node.text} is a time: it cannot be part of a key", "put time into a window")
    reading.by_types[node.text] = next(iter(types.values()), None)


# --- expect -----------------------------------------------------------------------------------------------------------


def read_expect(reading: Reading, feed: str, by: tuple[str, ...]) -> tuple[Mapping[str, object], ...]:
    """The keys that must report even if they were never heard."""
    if "expect" not in reading.keys or not feed:
        return ()
    key, value = reading.keys["expect"]
    if not isinstance(value, SeqNode) or not 1 <= len(value.items) <= MAX_EXPECT:
        reading.report.at(key, f"expect lists 1 to {MAX_EXPECT:,} keys", "such as expect: [S1, S2]")
        return ()
    found: dict[tuple[object, ...], Mapping[str, object]] = {}
    for item in value.items:
        one = _expected(reading, item, feed, by)
        if one is None:
            continue
        values = tuple(one[name] for name in by)
        if values in found:
            reading.report.at(item, "this key is expected twice")
        found[values] = one
    return tuple(found.values())


def _expected(reading: Reading, item: Node, feed: str, by: tuple[str, ...]) -> dict[str, object] | None:
    wanted = f"a mapping of {', '.join(by)}" if len(by) > 1 else f"a value of {by[0]}" if by else "a key"
    if isinstance(item, Scalar) and len(by) == 1:
        value = _key_value(reading, item, feed, by[0])
        return None if value is None else {by[0]: value}
    if not isinstance(item, MapNode):
        reading.report.at(item, f"an expected key must be {wanted}")
        return None
    given = {name.text: node for name, node in item}
    for name, _ in item:
        if name.text not in by:
            reading.report.at(name, f"{name.text[:40]!r} is not in by", did_you_mean(name.text, by))
    lacking = [name for name in by if name not in given]
    if lacking:
        reading.report.at(item, f"the expected key lacks {', '.join(lacking)}")
        return None
    values = {name: _key_value(reading, given[name], feed, name) for name in by}
    return None if None in values.values() else dict(values)


def _key_value(reading: Reading, node: Node, feed: str, name: str) -> object:
    """The value as the field's type has it: a code without quotes stays the text that it is."""
    type_ = reading.catalog.field_type(feed, name)
    value: object = None
    if isinstance(node, Scalar) and not node.is_null:
        number = node.number()
        match type_:
            case "string":
                value = node.text or None
            case "number":
                value = None if number is None else float(number)
            case "integer":
                value = number if isinstance(number, int) else None
            case "boolean":
                value = node.boolean()
            case _:
                return None
    if value is None:
        reading.report.at(node, f"{name} must be a {type_}")
    return value
