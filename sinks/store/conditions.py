"""WHERE clauses from filters and keys. Values never become part of the text: they are bound on the server."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sinks.filters import Filter, FilterError

#: Fields of a key that are columns of ``events``; the others are taken out of the raw line.
COLUMNS = frozenset({"id", "feed", "source", "region", "subject"})
_EXACT = 2**53

Value = str | int | float | bool | list[str] | list[int]


@dataclass
class Where:
    """Conditions that must all hold, and the values that they name."""

    parts: list[str] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)

    def bind(self, value: Value, kind: str) -> str:
        """A placeholder for a value of a ClickHouse type."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"

    def add(self, condition: str) -> None:
        self.parts.append(condition)

    @property
    def sql(self) -> str:
        return " AND ".join(f"({part})" for part in self.parts) or "1"


def of_alerts(wanted: Filter) -> Where:
    """What holds for the rows of ``alerts`` that the filter admits; the cursor is not in it."""
    where = Where()
    if not wanted.shadow:
        where.add("NOT shadow")
    if wanted.from_ms is not None:
        where.add(f"opened_ms >= {where.bind(wanted.from_ms, 'Int64')}")
    if wanted.to_ms is not None:
        where.add(f"opened_ms < {where.bind(wanted.to_ms, 'Int64')}")
    for column in ("severity", "state"):
        words: Collection[str] = getattr(wanted, column)
        if words:
            where.add(f"{column} IN {where.bind(sorted(words), 'Array(String)')}")
    for column in ("domain", "rule", "subject", "feed"):
        text: str | None = getattr(wanted, column)
        if text is not None:
            where.add(f"{column} = {where.bind(text, 'String')}")
    _region(where, wanted)
    return where


def of_events(wanted: Filter, feeds_of: Mapping[str, Collection[str]]) -> Where:
    """What holds for the rows of ``events``; ``feeds_of``: the feeds of each domain. Cursor and times are not in it."""
    for name in ("severity", "state", "rule"):
        if getattr(wanted, name):
            raise FilterError(name, "is a side of alerts, not of events: leave it out")
    where = Where()
    for column in ("subject", "feed"):
        text: str | None = getattr(wanted, column)
        if text is not None:
            where.add(f"{column} = {where.bind(text, 'String')}")
    if wanted.domain is not None:
        where.add(f"feed IN {where.bind(sorted(feeds_of.get(wanted.domain, ())), 'Array(String)')}")
    _region(where, wanted)
    return where


def between(where: Where, from_ms: int, to_ms: int) -> str:
    """The event's time lies in [from, to], both ends included; said of the hour too, by which the table is sorted."""
    low, high = where.bind(from_ms, "Int64"), where.bind(to_ms, "Int64")
    return (
        f"time_ms BETWEEN {low} AND {high} "
        f"AND intDiv(time_ms, 3600000) BETWEEN intDiv({low}, 3600000) AND intDiv({high}, 3600000)"
    )


def key_is(where: Where, key: Mapping[str, str | float | int | bool]) -> str:
    """The event has these values in these fields: columns where there are any, else fields of the raw line."""
    return " AND ".join(_field_is(where, name, value) for name, value in key.items()) or "1"


def _field_is(where: Where, name: str, value: object) -> str:
    if name in COLUMNS and isinstance(value, str):
        return f"{name} = {where.bind(value, 'String')}"
    if name == "time" and isinstance(value, int) and not isinstance(value, bool):
        return f"time_ms = {where.bind(value, 'Int64')}"
    path = where.bind(name, "String")
    if isinstance(value, bool):
        return f"JSONExtractRaw(raw, {path}) = '{str(value).lower()}'"
    if isinstance(value, str):
        return f"JSONType(raw, {path}) = 'String' AND JSONExtractString(raw, {path}) = {where.bind(value, 'String')}"
    assert isinstance(value, int | float), f"a key holds {value!r}"
    if isinstance(value, int) and abs(value) > _EXACT:
        return f"JSONExtractRaw(raw, {path}) = {where.bind(str(value), 'String')}"
    return f"{number(path)} = {where.bind(float(value), 'Float64')}"


def number(path: str) -> str:
    """A numeric field of the raw line, null where it is missing or no number."""
    return f"if(JSONType(raw, {path}) IN ('Int64', 'UInt64', 'Double'), JSONExtract(raw, {path}, 'Nullable(Float64)'), NULL)"


def _region(where: Where, wanted: Filter) -> None:
    if wanted.region:
        where.add(f"startsWith(region, {where.bind(wanted.region, 'String')})")
