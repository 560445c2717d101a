"""JSON arrays and CloudEvents 1.0 as lines of events.

An item's line number is its place in the array, from 1. Nothing is judged here: an item that is no event becomes a line that the
decoder refuses by name, and costs the others nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from events.event import MAX_DEPTH
from events.lines import BOM

TYPE_PREFIX = "cn.fengsui."
#: Attributes of the wrapping that say nothing about the event.
_WRAPPING = frozenset({"specversion", "type", "datacontenttype", "dataschema", "data"})
#: Attributes that no member of ``data`` may replace.
_ENVELOPE = ("id", "source", "time", "subject")

_one = msgspec.json.Decoder(msgspec.Raw)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode
_FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)
#: A string, whole; or a mark of structure.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)


def to_ndjson(body: bytes, content_type: str) -> bytes:
    """A JSON array or object, or lines of them, as NDJSON; by content type its items are unwrapped from CloudEvents.

    ``application/cloudevents+json`` and ``application/cloudevents-batch+json`` differ in nothing here: what begins with a bracket
    is an array.

    >>> to_ndjson(b'[{"id": 1},\\n {"id":\\n 2}]', "application/json")
    b'{"id": 1}\\n{"id":  2}'
    """
    items = _items(body.removeprefix(BOM).strip(b" \t\r\n"))
    if content_type.partition(";")[0].strip().lower().startswith("application/cloudevents"):
        return b"\n".join([_on_one_line(_unwrapped(item)) for item in items])
    return _on_one_line_each(items, body)


def _items(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    if body.startswith(b"["):
        try:
            return _array.decode(body)
        except _FAULTS:
            return list(_split(body))
    try:
        _one.decode(body)
    except _FAULTS:
        # Lines after all, or what came of them: each is judged for itself.
        return body.split(b"\n") if body else []
    return [body]


def _split(array: bytes) -> Iterator[bytes]:
    """The items of an array that is no JSON as a whole, so that only those that are at fault are refused."""
    depth, begin = 0, 1
    for token in _TOKEN.finditer(array):
        mark = token[0]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        if (mark == b"," and depth == 1) or (depth == 0 and mark == b"]"):
            item = array[begin : token.start()].strip(b" \t\r\n")
            begin = token.end()
            # A blank line would be no event at all; a missing item is a fault.
            yield item or b","
        # Deeper no event may be; what is left of such a body is one item, whatever it is.
        if not 0 < depth <= MAX_DEPTH + 1:
            break
    rest = array[begin:].strip(b" \t\r\n")
    if rest:
        yield rest
    elif depth == 1 and begin > 1:
        # Cut off after a comma: whoever sent it must hear that something is missing.
        yield b","


def _unwrapped(item: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """One CloudEvent as an event: members of ``data`` beside the attributes. As it came where it is no object."""
    try:
        attributes = _object.decode(item)
        event = {name: attributes[name] for name in _ENVELOPE if name in attributes}
        if "type" in attributes:
            # Another's type is no feed of ours, and is refused as that.
            event["feed"] = msgspec.Raw(_encode(_feed(attributes["type"])))
        try:
            data = _object.decode(attributes.get("data", b"{}"))
        except msgspec.ValidationError:
            # Null, text or a list: kept as it is, as any field that the catalogue does not know.
            data = {"data": attributes["data"]}
        # Extension attributes are fields too; those of the event itself come first.
        for name, value in (*data.items(), *attributes.items()):
            if name not in _WRAPPING or name in data:
                event.setdefault(name, value)
        return _encode(event)
    except _FAULTS:
        return item


def _feed(raw: msgspec.Raw) -> object:
    try:
        return _text.decode(raw).removeprefix(TYPE_PREFIX)
    except msgspec.ValidationError:
        return raw


def _on_one_line(item: bytes | msgspec.Raw) -> bytes:
    """Between the tokens of JSON a newline means no more than a space, and inside of them there is none."""
    return bytes(item).replace(b"\n", b" ").replace(b"\r", b" ")


def _on_one_line_each(items: Sequence[bytes | msgspec.Raw], body: bytes) -> bytes:
    if b"\n" in body or b"\r" in body:
        return b"\n".join([_on_one_line(item) for item in items])
    return b"\n".join(items)
