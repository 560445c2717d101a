"""A rule by its kind. Which keys it has decides which kind it is, as in the loader, so an editor offers and asks for just those.

A chain of if, then and else, rather than oneOf: editors follow it without guessing which branch was meant, and an error names one key.
"""

from __future__ import annotations

from typing import Final

from rules.model import Kind
from rules.reader.keys import COMMON, KIND_KEYS, MAKERS, MAKING
from rules.schema.shapes import Json, ref

_NEEDED: Final[dict[Kind, list[str]]] = {
    "each": ["feed", "when"],
    "window": ["feed", "window", "measure", "when"],
    "absent": ["feed", "absent"],
    "sequence": ["sequence", "within"],
    "new": ["feed", "new"],
    "baseline": ["feed", "window", "measure", "baseline", "when"],
}
_HEAD: Final = {"id": "${1:domain.what.how}", "title": {"zh": "$2", "en": "$3"}}
_TAIL: Final = {"severity": "${9|red,orange,yellow,blue|}"}
_MEASURE: Final = {"n": "count(*)", "mean": "avg(${7:value})"}
_SNIPPETS: Final[dict[Kind, tuple[str, Json]]] = {
    "each": ("每个事件 · a rule over single events", {"feed": "${4:sensor}", "when": "${5:value > limit}"}),
    "window": (
        "时间窗口 · a rule over a window",
        {
            "feed": "${4:sensor}",
            "by": ["subject", "${5:metric}"],
            "window": {"tumbling": "${6:1h}"},
            "measure": _MEASURE,
            "when": "${8:mean > 10}",
        },
    ),
    "absent": ("断报 · a rule about silence", {"feed": "${4:sensor}", "absent": "${5:1h}"}),
    "sequence": (
        "先后发生 · a rule about a sequence",
        {
            "sequence": [{"feed": "${4:sensor}", "where": "$5"}, {"feed": "${6:inspection}", "where": "$7"}],
            "within": "${8:1h}",
        },
    ),
    "new": ("从未见过 · a rule about new values", {"feed": "${4:sensor}", "new": ["${5:metric}"], "learn": "${6:7d}"}),
    "baseline": (
        "与往常比 · a rule against earlier windows",
        {
            "feed": "${4:complaint}",
            "by": ["${5:region}"],
            "window": {"tumbling": "${6:1d}"},
            "measure": {"n": "count(*)"},
            "baseline": {"last": 7, "measure": {"mean": "avg(n)", "sd": "stddev(n)"}},
            "when": "${8:n > mean + 3 * sd}",
        },
    ),
}


def rule_shapes(keys: Json) -> Json:
    """The named shapes of a rule: ``rule``, one of each kind, and a template. ``keys``: key -> shape."""
    kinds: Json = {kind: _kind(kind, keys) for kind in KIND_KEYS}
    chain: Json = ref("each")
    for maker in reversed(MAKERS):
        then = _choice("baseline", ref("baseline"), ref("window")) if maker == "window" else ref(maker)
        chain = _choice(maker, then, chain)
    every = {name: keys[name] for name in keys if name not in MAKING}
    return {
        "rule": {
            "type": "object",
            **_choice("template", ref("templated"), chain),
            "defaultSnippets": [_snippet(kind) for kind in KIND_KEYS],
        },
        **kinds,
        "templated": {
            "type": "object",
            "required": ["template"],
            "additionalProperties": False,
            "properties": keys,
        },
        "template": {"type": "object", "additionalProperties": False, "properties": every},
    }


def _choice(key: str, then: Json, otherwise: Json) -> Json:
    return {"if": {"required": [key]}, "then": then, "else": otherwise}


def _kind(kind: Kind, keys: Json) -> Json:
    """Its own keys; beside them, those by which it would become a rule of another kind, so that an editor offers them too."""
    becoming = {"each": (*MAKERS, "template"), "window": ("baseline",)}.get(kind, ())
    properties = {name: keys[name] for name in (*COMMON, *KIND_KEYS[kind], *becoming, "with", "for_each")}
    if kind in ("absent", "sequence"):
        properties["severity"] = {**ref("severity"), "description": keys["severity"]["description"]}
    return {
        "title": _SNIPPETS[kind][0],
        "type": "object",
        "required": ["id", "title", "severity", *_NEEDED[kind]],
        "additionalProperties": False,
        "properties": properties,
        "allOf": [ref("fields"), ref("conditions")] if kind == "each" else [ref("fields")],
    }


def _snippet(kind: Kind) -> Json:
    told, body = _SNIPPETS[kind]
    return {"label": f"{kind} rule", "description": told, "body": {**_HEAD, **body, **_TAIL}}
