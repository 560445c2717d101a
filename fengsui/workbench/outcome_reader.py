"""The entries under ``expect`` and ``acts``: what must come of a fixture's events, and what people do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, get_args

from events.record import Verb
from events.transition import SEVERITIES
from fengsui.workbench.faults import Faults, Keys
from fengsui.workbench.fixture import Deed, Expectation, Moment
from fengsui.workbench.moments import FORMS, Timeline
from fengsui.workbench.wants import Want, read_want
from rules.errors import did_you_mean
from rules.model import Place, Rule
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

DEFAULT_PERSON: Final = "值班员"
TYPES: Final[Mapping[str, str]] = {
    "opens": "opened",
    "escalates": "escalated",
    "closes": "closed",
    "updates": "updated",
}
FIELDS: Final = (
    "severity",
    "measures",
    "summary",
    "title",
    "reason",
    "count",
    "state",
    "region",
    "subject",
    "shadow",
    "evidence",
)
_TEXTS: Final = ("summary", "title")
#: The one measure set that no rule declares: that of a storm alert.
_STORM: Final = ("folded", "open", "keys")


class OutcomeReader:
    """Reads for one test. ``rules``: those that it tests; ``find`` looks up an id, and reports one that there is not."""

    def __init__(
        self, rules: tuple[Rule, ...], find: Callable[[Node], Rule | None], timeline: Timeline, faults: Faults
    ) -> None:
        self.rules = rules
        self.find = find
        self.timeline = timeline
        self.faults = faults

    def expectation(self, node: Node) -> tuple[Expectation, ...]:
        if not isinstance(node, MapNode):
            self.faults.at(node, "what is expected must be a mapping", "such as - {opens: 1h, severity: red}")
            return ()
        keys = self.faults.keys(node, (*TYPES, "never", "rule", "key", *FIELDS), "an expectation")
        named = [name for name in (*TYPES, "never") if name in keys]
        if len(named) != 1:
            said = " and ".join(named) or "none"
            self.faults.at(node, f"an expectation has one of {', '.join(TYPES)} or never, and here is {said}")
            return ()
        word, (_, value) = named[0], keys[named[0]]
        rule = self._rule_of(keys, node)
        if rule is None:
            return ()
        key, fields, place = (
            self._key(keys, rule),
            self._fields(keys, rule),
            Place(self.faults.file, node.line, node.column),
        )
        if word == "never":
            text = self.faults.text(value, "never", f"one of {', '.join(TYPES)}, or anything")
            if text is not None and text not in (*TYPES, "anything"):
                self.faults.at(value, f"never what? {text[:40]!r}", f"one of {', '.join(TYPES)}, or anything")
            type_ = TYPES.get(text or "", "")
            return (Expectation(type_, True, None, rule.id, key, fields, place),)
        whens = value.items if isinstance(value, SeqNode) else (value,)
        if not whens:
            self.faults.at(value, f"{word} is empty", "say when, or any")
        moments = [self._when(when, word) for when in whens]
        return tuple(Expectation(TYPES[word], False, when, rule.id, key, fields, place) for when in moments)

    def _when(self, node: Node, word: str) -> Moment | None:
        text = self.faults.text(node, word, f"when? {FORMS}, a range 58m..62m, or any")
        if text is None or text == "any":
            return None
        ends = [self.faults.moment(part.strip(), node, word, self.timeline) for part in text.split("..", 1)]
        first, last = ends[0], ends[-1]
        if first is None or last is None:
            return None
        if last < first:
            self.faults.at(node, f"{text[:40]!r} ends before it begins")
        return Moment(first, last, text)

    def _rule_of(self, keys: Keys, node: MapNode) -> Rule | None:
        """Which of the test's rules an expectation or an act is about."""
        if "rule" not in keys:
            if len(self.rules) > 1:
                self.faults.at(node, "of which rule?", "the test has several: say rule: ID")
                return None
            return self.rules[0]
        rule = self.find(keys["rule"][1])
        if rule is not None and rule not in self.rules:
            self.faults.at(keys["rule"][1], f"{rule.id} is not tested here", "name it under rules")
            return None
        return rule

    def _key(self, keys: Keys, rule: Rule) -> tuple[tuple[str, Want], ...]:
        if "key" not in keys:
            return ()
        node = keys["key"][1]
        names = rule.alert_key
        if not isinstance(node, MapNode):
            if len(names) == 1:
                return self._wants(((names[0], node),))
            self.faults.at(node, "key must be a mapping", f"of {', '.join(names)}")
            return ()
        for name, _ in node:
            if name.text not in (*names, "storm"):
                hint = did_you_mean(name.text, names) or f"it has {', '.join(names)}"
                self.faults.at(name, f"the key of {rule.id} has no {name.text[:40]!r}", hint)
        return self._wants(tuple((name.text, value) for name, value in node))

    def _fields(self, keys: Keys, rule: Rule) -> tuple[tuple[str, Want], ...]:
        found: list[tuple[str, Want]] = []
        for name in FIELDS:
            if name not in keys:
                continue
            node = keys[name][1]
            if name == "measures":
                found += self._measures(node, rule)
            elif name in _TEXTS and isinstance(node, MapNode):
                languages = self.faults.keys(node, ("zh", "en"), name)
                found += self._wants(tuple((f"{name}.{language}", value) for language, (_, value) in languages.items()))
            else:
                if name == "severity" and isinstance(node, Scalar) and node.text not in SEVERITIES:
                    self.faults.at(node, f"no severity {node.text[:40]!r}", f"one of {', '.join(SEVERITIES)}")
                found += self._wants(((name, node),))
        return tuple(found)

    def _measures(self, node: Node, rule: Rule) -> tuple[tuple[str, Want], ...]:
        if not isinstance(node, MapNode):
            self.faults.at(node, "measures must be a mapping", "such as {mean: 65, n: 60}")
            return ()
        known = {measure.name for measure in rule.measures} | set(rule.shown)
        if rule.kind in ("each", "window"):
            for name, _ in node:
                if name.text not in (*known, *_STORM):
                    hint = did_you_mean(name.text, known) or f"it shows {', '.join(sorted(known)) or 'none'}"
                    self.faults.at(name, f"{rule.id} has no measure {name.text[:40]!r}", hint)
        return self._wants(tuple((f"measures.{name.text}", value) for name, value in node))

    def _wants(self, named: tuple[tuple[str, Node], ...]) -> tuple[tuple[str, Want], ...]:
        found = []
        for name, node in named:
            want = read_want(node)
            if want is None:
                self.faults.at(node, f"{name} must be a value")
            else:
                found.append((name, want))
        return tuple(found)

    def deed(self, node: Node) -> Deed | None:
        verbs: tuple[Verb, ...] = get_args(Verb)
        if not isinstance(node, MapNode):
            self.faults.at(node, "an act must be a mapping", "such as - {resolve: 1h10m, key: 甲厂}")
            return None
        keys = self.faults.keys(node, (*verbs, "rule", "key", "by", "to", "text"), "an act")
        named = [verb for verb in verbs if verb in keys]
        if len(named) != 1:
            self.faults.at(node, f"an act is one of {', '.join(verbs)}, with its time", "such as - {ack: 1h10m}")
            return None
        rule = self._rule_of(keys, node)
        at_ms = self.faults.moment_of(keys[named[0]][1], named[0], self.timeline)
        if rule is None or at_ms is None:
            return None
        texts = {name: self.faults.text(keys[name][1], name) for name in ("by", "to", "text") if name in keys}
        return Deed(
            at_ms=at_ms,
            verb=named[0],
            rule=rule.id,
            key=self._key(keys, rule),
            by=texts.get("by") or DEFAULT_PERSON,
            note=texts.get("text"),
            to=texts.get("to"),
            place=Place(self.faults.file, node.line, node.column),
        )
