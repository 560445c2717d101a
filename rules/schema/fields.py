"""What depends on the rule's feed: the fields that its keys may name, offered where they may stand."""

from __future__ import annotations

from typing import Final

from events.event import ENVELOPE
from events.feeds import FeedCatalog
from rules.expressions import AGGREGATES
from rules.reader.key_fields import MAX_BY
from rules.schema.shapes import Json, ref, several, words

#: These shapes know what may stand under a key, but not whether the rule's kind has it: an editor is not to offer the key itself.
_ONLY_VALUES: Final[Json] = {"doNotSuggest": True}
_OF_ANY: Final = frozenset({"count", "first", "last"})


def field_shapes(catalog: FeedCatalog) -> Json:
    """The named shapes ``feed``, ``fields`` (of a rule's feed, wherever they are named), ``conditions`` (over single events)."""
    everything = dict.fromkeys(name for feed in catalog.readable for name in catalog.field_names(feed))
    return {
        "feed": words(
            catalog.readable,
            (" · ".join(catalog.feed(name).title.values()) for name in catalog.readable),
        ),
        "fields": _by_feed(catalog, "fields", ref("fields of any feed")),
        "conditions": _by_feed(catalog, "conditions", {}),
        "field of any feed": words(everything),
        "fields of any feed": _named("any feed"),
        **{name: shape for feed in catalog.readable for name, shape in _fields(catalog, feed).items()},
    }


def _by_feed(catalog: FeedCatalog, what: str, otherwise: Json) -> Json:
    """The shape that goes with the rule's feed."""
    chain = otherwise
    for feed in reversed(catalog.readable):
        asked = {"properties": {"feed": {"const": feed}}, "required": ["feed"]}
        chain = {"if": asked, "then": ref(f"{what} of {feed}"), "else": chain}
    return chain


def _fields(catalog: FeedCatalog, feed: str) -> Json:
    fields = catalog.feed(feed).fields
    names = catalog.field_names(feed)
    told = [
        f"{' · '.join(fields[name].title.values())} ({_typed(catalog, feed, name)})"
        if name in fields
        else f"各类数据都有 · of every event ({ENVELOPE[name]})"
        for name in names
    ]
    shape = _named(feed)
    offered = [{"label": name, "body": name, "description": text} for name, text in zip(names, told, strict=True)]
    text = {"allOf": [ref(f"texts over {feed}")], **_ONLY_VALUES}
    shape["properties"]["where"] = text
    shape["properties"]["measure"] = {"additionalProperties": ref(f"measures over {feed}"), **_ONLY_VALUES}
    return {
        f"field of {feed}": words(names, told),
        f"fields of {feed}": shape,
        f"conditions of {feed}": {"properties": {"when": text, "clear": text}},
        f"texts over {feed}": {"defaultSnippets": offered},
        f"measures over {feed}": {"defaultSnippets": _aggregates(catalog, feed)},
    }


def _aggregates(catalog: FeedCatalog, feed: str) -> list[Json]:
    """One for each aggregate, with the fields that it may take to choose from."""
    names = catalog.field_names(feed)
    numbers = [name for name in names if catalog.field_type(feed, name) in ("number", "integer")]
    made = [{"label": "count(*)", "body": "count(*)"}]
    for name in AGGREGATES:
        fields = names if name in _OF_ANY else numbers
        if fields:
            inside = f"${{1|{','.join(fields)}|}}"
            body = f"{name}({inside}, ${{2:0.95}})" if name == "quantile" else f"{name}({inside})"
            made.append({"label": f"{name}(…)", "body": body})
    return made


def _typed(catalog: FeedCatalog, feed: str, name: str) -> str:
    unit = catalog.feed(feed).fields[name].unit
    return f"{catalog.field_type(feed, name)}{f', {unit}' if unit else ''}"


def _named(feed: str) -> Json:
    fields = several(ref(f"field of {feed}"), most=MAX_BY) | _ONLY_VALUES
    return {"properties": {"by": fields, "new": fields}}
