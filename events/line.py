"""One line at a time: the plain reading of an event, which says exactly what is wrong with it.

This is the authority; :mod:`events.decode` reads whole batches in columns where it can prove that this would read the same.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from events.event import ENVELOPE, MAX_AHEAD_MS, MAX_DEPTH, MAX_LINE_BYTES, REQUIRED, Reason, Rejected
from events.feeds import FeedCatalog
from events.times import MAX_MS, MIN_MS, format_ms, parse_instant

Value = str | float | int | bool
_decode = msgspec.json.Decoder().decode
_PLAIN: dict[str, type] = {"string": str, "number": float, "boolean": bool}
_INT64 = range(-(2**63), 2**63)
_SHOWN = 60
#: Of a name that only counts and shows; the whole line is kept beside it.
_NAME_LENGTH = 200
_NOUNS = {
    "string": "text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "time": "an RFC 3339 time with offset or integer epoch milliseconds",
}


class Refusal(Exception):
    """Why a line is no event. ``detail`` names the field and what was found."""

    def __init__(self, reason: Reason, detail: str, feed: str = "", source: str = "") -> None:
        super().__init__(detail)
        self.reason, self.detail, self.feed, self.source = reason, detail, feed, source

    def rejected(self, number: int, raw: bytes) -> Rejected:
        return Rejected(number, self.reason, self.detail, raw, self.feed, self.source)


class LineReader:
    """Reads lines by a catalogue."""

    def __init__(self, catalog: FeedCatalog) -> None:
        #: feed -> field -> (column, type, Python type that needs no second look)
        self._fields: dict[str, dict[str, tuple[str, str, type | None]]] = {}
        for feed in catalog.feeds:
            fields = self._fields[feed] = {}
            for name in catalog.field_names(feed):
                kind = catalog.field_type(feed, name) or "string"
                fields[name] = (catalog.column(feed, name), kind, _PLAIN.get(kind))

    def read(self, line: bytes, *, receipt_ms: int | None = None) -> dict[str, Value]:
        """The event's values by column: the declared ones that are not null, times in epoch ms. Raises Refusal."""
        event = _parse(line)
        feed, source = _name(event.get("feed")), _name(event.get("source"))
        try:
            return self._values(event, receipt_ms)
        except Refusal as refusal:
            raise Refusal(refusal.reason, refusal.detail, feed, source) from None

    def _values(self, event: dict[str, Any], receipt_ms: int | None) -> dict[str, Value]:
        for name in REQUIRED:
            if (value := event.get(name)) is None or value == "":
                raise Refusal("missing_field", f"{name} is {'missing' if name not in event else 'empty'}")
        feed = event["feed"]
        if type(feed) is not str:
            raise _wrong("feed", "string", feed)
        fields = self._fields.get(feed)
        if fields is None:
            raise Refusal("unknown_feed", f"feed {_show(feed)} is not in the feed catalogue")
        values: dict[str, Any] = {}
        for name, value in event.items():
            field = fields.get(name)
            if field is None or value is None:
                continue
            column, kind, plain = field
            if type(value) is not plain:
                value = _typed(name, kind, value)
            values[column] = value
        time_ms = int(values["time"])
        if receipt_ms is not None and time_ms > receipt_ms + MAX_AHEAD_MS:
            ahead_s = (time_ms - receipt_ms) // 1000
            raise Refusal("time_in_future", f"time {format_ms(time_ms)} is {ahead_s} s ahead of its receipt")
        return values


def _parse(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise Refusal("too_long", f"the line has {len(line)} bytes; at most {MAX_LINE_BYTES} are taken")
    try:
        event = _decode(line)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        try:
            line.decode()
        except UnicodeDecodeError as bad:
            raise Refusal("bad_utf8", f"byte {bad.start + 1} of the line is not UTF-8") from None
        raise Refusal("bad_json", _short(str(error))) from None
    if type(event) is not dict:
        raise Refusal("bad_json", f"an event is a JSON object, found {_show(event)}")
    _check_depth(event)
    _check_names(line, event)
    return event


def _check_depth(event: dict[str, Any]) -> None:
    """The event itself is of depth 1."""
    level: list[Any] = [value for value in event.values() if type(value) is dict or type(value) is list]
    depth = 1
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, (dict, list))
        ]


def _too_deep() -> Refusal:
    return Refusal("too_deep", f"nested deeper than {MAX_DEPTH}")


def _check_names(line: bytes, event: dict[str, Any]) -> None:
    """A name that is there twice means one thing to one reader and another to the next: no event."""
    # No fewer colons after quotes than names, where no space stands before a colon; mostly just as many.
    if line.count(b'":') == len(event) and not (b" :" in line or b"\t:" in line or b"\r:" in line):
        return
    names: list[str] = []

    def outermost(pairs: list[tuple[str, Any]]) -> None:
        # Called from the inside out; the last call is the event's.
        names[:] = [name for name, _ in pairs]

    json.loads(line, object_pairs_hook=outermost, parse_int=str, parse_float=str)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Refusal("bad_json", f"field {_show(name)} is there twice")
        seen.add(name)


def _typed(name: str, kind: str, value: Any) -> Value:
    """What is not just of its field's plain Python type."""
    found = type(value)
    if kind == "number" and found is int:
        try:
            return float(value)
        except OverflowError:
            raise Refusal("bad_json", f"{name} is a number out of range") from None
    if kind == "integer" and (found is int or (found is float and value.is_integer())) and int(value) in _INT64:
        return int(value)
    if kind == "time" and found is int:
        if MIN_MS <= value <= MAX_MS:
            return int(value)
        raise Refusal("wrong_type", f"{name} is not in epoch milliseconds: {_short(_text(value))}")
    if kind == "time" and found is str:
        try:
            ms = parse_instant(value)
        except ValueError as error:
            raise Refusal("wrong_type", f"{name}: {_short(str(error))}") from None
        if MIN_MS <= ms <= MAX_MS:
            return ms
    raise _wrong(name, kind, value)


def _wrong(name: str, kind: str, value: Any) -> Refusal:
    return Refusal("wrong_type", f"{name} must be {_NOUNS[kind]}, found {_show(value)}")


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return _short(json.dumps(value[: _SHOWN + 1], ensure_ascii=False))
    return _short(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN:
        return "a very large integer"
    return "null" if value is None else str(value).lower()


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN * 2 else text[: _SHOWN * 2 - 1] + "…"


def _name(value: Any) -> str:
    return value[:_NAME_LENGTH] if isinstance(value, str) else ""


assert set(REQUIRED) <= ENVELOPE.keys()
