"""The keys of a rule file: which there are, and which each kind of rule takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rules.model import Kind

COMMON: Final = (
    "id",
    "title",
    "domain",
    "feed",
    "by",
    "only",
    "severity",
    "summary",
    "source",
    "enabled",
    "auto_resolve",
    "forget",
    "max_open",
    "max_rate",
)
_WINDOWED: Final = ("where", "window", "measure", "when", "clear", "clear_after", "hold", "update_every")
KIND_KEYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "each": ("where", "when", "clear", "clear_after", "hold", "update_every"),
    "window": _WINDOWED,
    "absent": ("where", "absent", "expect"),
    "sequence": ("sequence", "within", "clear_after"),
    "new": ("where", "new", "memory", "learn", "clear_after"),
    "baseline": (*_WINDOWED, "baseline"),
}
#: Keys that make rules, and are gone when a rule is read.
MAKING: Final = ("template", "with", "for_each")
#: Keys of kinds that this version does not know yet.
LATER: Final = ("detector", "cluster")
KNOWN: Final = tuple(dict.fromkeys([*COMMON, *(key for keys in KIND_KEYS.values() for key in keys), *LATER]))
#: The keys that make a rule one of a kind; at most one of them stands in a rule.
MAKERS: Final = ("window", "absent", "sequence", "new")
#: What to say of a key that stands in a rule of another kind.
MISPLACED: Final[Mapping[str, str]] = {
    "measure": "measures need a window",
    "baseline": "a baseline needs a window",
    "within": "within goes with sequence",
    "expect": "expect goes with absent",
    "memory": "memory goes with new",
    "learn": "learn goes with new",
    "where": "each step has its own where",
    "<<": "a template, or an alias of a single value, is what this language has",
    "when": "the absence, the last step or the new value is the condition",
}
#: What Prometheus, ElastAlert and Sigma call them.
ELSEWHERE: Final[Mapping[str, str]] = {
    "group_by": "by",
    "group-by": "by",
    "query_key": "by",
    "filter": "where",
    "condition": "when",
    "expr": "when",
    "timeframe": "window",
    "timespan": "window",
    "for": "hold",
    "keep_firing_for": "clear_after",
    "level": "severity",
    "priority": "severity",
    "name": "title",
    "description": "summary",
    "annotations": "summary",
    "terms_window_size": "memory",
}
LANGUAGES: Final = ("zh", "en")
