"""One rule of a file: from YAML nodes to a checked Rule, or to its faults with their places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar, cast

from events.feeds import FeedCatalog
from events.times import format_duration, parse_duration
from events.transition import RANK, SEVERITIES
from rules.errors import RuleError, did_you_mean
from rules.expressions import ExpressionErrors, Scope, compile_condition, compile_measure
from rules.model import Expr, Kind, Measure, Mode, Place, Rule, Step, Type, Window
from rules.summary import TIME_SPECS, TemplateError, escape, parse, placeholders, with_zone
from rules.versions import rule_version
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

DAY_MS: Final = 86_400_000
MAX_DURATION_MS: Final = 400 * DAY_MS
#: Windows that one event may lie in.
MAX_OVERLAP: Final = 10_000
MAX_BY: Final = 8
MAX_MEASURES: Final = 50
MAX_STEPS: Final = 20
MAX_EXPECT: Final = 20_000
MAX_TEXT_CHARS: Final = 500
DEFAULT_UPDATE_MS: Final = 60_000
DEFAULT_FORGET_MS: Final = 7 * DAY_MS

COMMON: Final = (
    "id",
    "title",
    "domain",
    "feed",
    "by",
    "severity",
    "summary",
    "source",
    "enabled",
    "auto_resolve",
    "forget",
)
KIND_KEYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "each": ("where", "when", "clear", "clear_after", "hold", "update_every"),
    "window": ("where", "window", "measure", "when", "clear", "clear_after", "hold", "update_every"),
    "absent": ("where", "absent", "expect"),
    "sequence": ("sequence", "within", "clear_after"),
}
#: Keys of kinds that this version does not know yet.
LATER: Final = ("new", "learn", "memory", "baseline", "detector", "cluster")
KNOWN: Final = tuple(dict.fromkeys([*COMMON, *(key for keys in KIND_KEYS.values() for key in keys), *LATER]))
LANGUAGES: Final = ("zh", "en")

_T = TypeVar("_T")

_ID = re.compile(r"\w[\w.-]{0,127}")
_DOMAIN = re.compile(r"[a-z][a-z0-9-]{0,63}")
_MEASURE = re.compile(r"[^\W\d]\w{0,63}")


@dataclass
class Report:
    """The faults of one file."""

    file: str
    errors: list[RuleError] = field(default_factory=list)

    def at(self, node: Node, message: str, hint: str = "") -> None:
        self.errors.append(RuleError(self.file, node.line, node.column, message, hint))

    def inside(self, node: Scalar, offset: int, message: str, hint: str = "") -> None:
        line, column = node.place_of(offset)
        self.errors.append(RuleError(self.file, line, column, message, hint))


@dataclass(frozen=True)
class Setting:
    """What all rules of a set share. ``zone_ms``: the zone's offset from UTC."""

    catalog: FeedCatalog
    zone_ms: int


def read_rule(node: Node, report: Report, setting: Setting) -> Rule | None:
    """The rule, or None when the report has its faults."""
    before = len(report.errors)
    if not isinstance(node, MapNode):
        report.at(node, "a rule must be a mapping", "begin with - id: ...")
        return None
    rule = _RuleReader(node, report, setting).read()
    return rule if len(report.errors) == before else None


class _RuleReader:
    """Reads key after key; each method reports what is wrong and gives back something to go on with."""

    def __init__(self, node: MapNode, report: Report, setting: Setting) -> None:
        self.node = node
        self.report = report
        self.setting = setting
        self.catalog = setting.catalog
        self.keys = {key.text: (key, value) for key, value in node}
        #: canonical texts for the version
        self.meaning: dict[str, object] = {}
        #: columns read by when, clear and severity
        self.read_columns: set[str] = set()
        #: key fields with their types
        self.by_types: dict[str, Type | None] = {}

    def read(self) -> Rule | None:
        kind = self._kind()
        if kind is None:
            return None
        self._check_keys(kind)
        rule_id = self._id()
        feed = self._feed(kind)
        steps = self._sequence(feed) if kind == "sequence" else ()
        by = self._by(self._feeds_of(kind, feed, steps))
        if kind == "sequence" and steps:
            feed = steps[0].feed
        events = self._event_scope(feed) if feed and kind != "sequence" else None
        where = self._condition("where", events)
        window = self._window() if kind == "window" else None
        measures = self._measures(events, by) if kind == "window" else ()
        scope = events if kind == "each" else self._window_scope(feed, measures, by) if feed else None
        judged = kind in ("each", "window")
        when = self._condition("when", scope, required=judged) if judged else None
        clear = self._condition("clear", scope) if judged else None
        severity = self._severity(scope if judged else None, kind)
        title = self._texts("title", required=True)
        types = self._shown_types(kind, feed, by, measures)
        summary = self._summary(title, types)
        mode = self._mode()
        default_clear = window.size_ms if window else None
        values: dict[str, int | None] = {
            "hold_ms": self._duration("hold", 0) if judged else 0,
            "clear_after_ms": self._clear_after(default_clear) if kind != "absent" else None,
            "update_every_ms": self._duration("update_every", DEFAULT_UPDATE_MS) if judged else DEFAULT_UPDATE_MS,
            "absent_ms": self._duration("absent", None, least_ms=1) if kind == "absent" else None,
            "within_ms": self._duration("within", None, least_ms=1, required=True) if kind == "sequence" else None,
        }
        values["forget_ms"] = self._forget(window, values)
        expect = self._expect(feed, by) if kind == "absent" else ()
        auto_resolve = self._auto_resolve()
        domain = self._domain(feed)
        self.meaning |= values | {
            "kind": kind,
            "feed": feed,
            "by": sorted(f"{name}:{type_}" for name, type_ in self.by_types.items()),
            "domain": domain,
            "window": [window.shape, window.size_ms, window.every_ms, window.offset_ms] if window else None,
            "expect": sorted(([sorted(key.items()) for key in expect]), key=str),
            "auto_resolve": sorted(auto_resolve),
            "shadow": mode == "shadow",
        }
        return Rule(
            id=rule_id,
            kind=kind,
            title=title,
            domain=domain,
            feed=feed,
            by=by,
            severity=severity,
            summary=summary,
            version=rule_version(self.meaning),
            where=where,
            when=when,
            clear=clear,
            measures=measures,
            window=window,
            absent_ms=values["absent_ms"],
            expect=expect,
            sequence=steps,
            within_ms=values["within_ms"],
            hold_ms=values["hold_ms"] or 0,
            clear_after_ms=values["clear_after_ms"],
            update_every_ms=cast(int, values["update_every_ms"]),
            auto_resolve=auto_resolve,
            mode=mode,
            source=self._text("source"),
            place=Place(self.report.file, self.node.line, self.node.column),
            shown=self._shown(feed, by, summary) if kind == "each" else (),
            forget_ms=cast(int, values["forget_ms"]),
        )

    # --- the rule as a whole

    def _kind(self) -> Kind | None:
        later = [self.keys[name][0] for name in LATER if name in self.keys]
        for key in later:
            self.report.at(key, f"{key.text} is not supported yet")
        if later:
            return None
        named = [self.keys[name] for name in ("window", "absent", "sequence") if name in self.keys]
        if len(named) > 1:
            first, second = named[0][0].text, named[1][0]
            self.report.at(
                second, f"a rule is of one kind: {second.text} does not go with {first}", "make two rules of it"
            )
            return None
        return cast(Kind, named[0][0].text) if named else "each"

    def _check_keys(self, kind: Kind) -> None:
        allowed = (*COMMON, *KIND_KEYS[kind])
        for key, value in self.node:
            if key.text in allowed:
                continue
            if key.text in KNOWN:
                hint = {
                    "measure": "measures need a window",
                    "within": "within goes with sequence",
                    "expect": "expect goes with absent",
                    "where": "each step has its own where",
                    "when": "the absence, or the last step, is the condition",
                }.get(key.text, "")
                self.report.at(key, f"{key.text} has no meaning in a rule of kind {kind}", hint)
            elif self.node.flow and isinstance(value, Scalar) and value.is_null:
                self.report.at(key, f"unknown key {key.text!r}", "an expression with a comma must stand in quotes here")
            else:
                self.report.at(key, f"unknown key {key.text!r}", did_you_mean(key.text, allowed))

    def _missing(self, name: str, hint: str = "") -> None:
        self.report.at(self.node, f"the rule has no {name}", hint)

    def _scalar(self, name: str, *, required: bool = False, hint: str = "") -> Scalar | None:
        """The key's scalar; None (and a report, if it is required or something else) where there is none."""
        if name not in self.keys:
            if required:
                self._missing(name, hint)
            return None
        key, value = self.keys[name]
        if isinstance(value, Scalar) and not value.is_null and value.text.strip():
            return value
        what = "is empty" if isinstance(value, Scalar) else "must be a single value"
        self.report.at(key if isinstance(value, Scalar) else value, f"{name} {what}", hint)
        return None

    def _id(self) -> str:
        node = self._scalar("id", required=True, hint="such as id: env.cod.hourly-mean")
        if node is None:
            return ""
        if not _ID.fullmatch(node.text):
            self.report.at(
                node, f"{node.text[:40]!r} is no id", "letters, digits, dots, hyphens and underscores, at most 128"
            )
        return node.text

    def _domain(self, feed: str) -> str:
        if "domain" not in self.keys:
            known = self.catalog.feeds.get(feed)
            return known.domain if known else ""
        node = self._scalar("domain")
        if node is None:
            return ""
        if not _DOMAIN.fullmatch(node.text):
            self.report.at(
                node, f"{node.text[:40]!r} is no domain", "small letters, digits and hyphens, such as work-safety"
            )
        return node.text

    def _mode(self) -> Mode:
        node = self._scalar("enabled")
        if node is None:
            return "on"
        if node.text == "shadow":
            return "shadow"
        truth = node.boolean()
        if truth is None:
            self.report.at(node, f"enabled must be true, false or shadow, not {node.text[:40]!r}")
        return "off" if truth is False else "on"

    def _text(self, name: str) -> str:
        node = self._scalar(name)
        if node is not None and len(node.text) > MAX_TEXT_CHARS:
            self.report.at(node, f"{name} is longer than {MAX_TEXT_CHARS} characters")
        return node.text.strip() if node else ""

    def _texts(self, name: str, *, required: bool) -> dict[str, str]:
        """A text in each language; one that is given alone stands for both."""
        return {language: node.text.strip() for language, node in self._text_nodes(name, required=required).items()}

    def _text_nodes(self, name: str, *, required: bool) -> dict[str, Scalar]:
        if name not in self.keys:
            if required:
                self._missing(name, f"such as {name}: {{zh: ..., en: ...}}")
            return {}
        key, value = self.keys[name]
        if not isinstance(value, MapNode):
            single = self._scalar(name, hint=f"write {name}: {{zh: ..., en: ...}}")
            return dict.fromkeys(LANGUAGES, single) if single else {}
        found: dict[str, Scalar] = {}
        for language, node in value:
            if language.text not in LANGUAGES:
                hint = did_you_mean(language.text, LANGUAGES) or "a text with a comma or a colon must stand in quotes"
                self.report.at(language, f"{name} is given in zh and en, not in {language.text[:40]!r}", hint)
            elif not isinstance(node, Scalar) or node.is_null or not node.text.strip():
                self.report.at(language, f"{name} in {language.text} must be a text", "put it in quotes")
            else:
                found[language.text] = node
        if not found:
            self.report.at(key, f"{name} has no text")
            return {}
        only = next(iter(found.values()))
        return {language: found.get(language, only) for language in LANGUAGES}

    def _duration(self, name: str, default: int | None, *, least_ms: int = 0, required: bool = False) -> int | None:
        node = self._scalar(name, required=required, hint=f"such as {name}: 10m")
        return default if node is None else self._duration_of(name, node, least_ms=least_ms)

    def _duration_of(self, name: str, node: Node, *, least_ms: int = 1) -> int:
        if not isinstance(node, Scalar):
            self.report.at(node, f"{name} must be a duration", "write 30s, 5m, 1h or 1d")
            return least_ms
        try:
            ms = parse_duration(node.text)
        except (ValueError, OverflowError):
            hint = (
                f"write {node.text}s, {node.text}m or {node.text}h"
                if node.number() is not None
                else "write 30s, 5m, 1h or 1d"
            )
            self.report.at(node, f"{name}: {node.text[:40]!r} is no duration", hint)
            return max(1, least_ms)
        if not least_ms <= ms <= MAX_DURATION_MS:
            least, most = format_duration(least_ms), format_duration(MAX_DURATION_MS)
            self.report.at(node, f"{name} must lie between {least} and {most}, not {node.text}")
            return max(1, least_ms)
        return ms

    def _clear_after(self, default: int | None) -> int | None:
        node = self._scalar("clear_after")
        if node is not None and node.text == "never":
            return None
        return default if node is None else self._duration_of("clear_after", node)

    def _forget(self, window: Window | None, durations: Mapping[str, int | None]) -> int:
        """A key must be remembered for as long as the rule looks back."""
        spans = [
            window.size_ms if window else 0,
            *(durations[name] or 0 for name in ("absent_ms", "within_ms", "hold_ms")),
        ]
        node = self._scalar("forget")
        if node is None:
            return max(DEFAULT_FORGET_MS, *spans)
        forget = self._duration_of("forget", node, least_ms=60_000)
        if forget < max(spans):
            self.report.at(node, f"forget is shorter than the {format_duration(max(spans))} that the rule looks back")
        return forget

    def _auto_resolve(self) -> frozenset[str]:
        if "auto_resolve" not in self.keys:
            return frozenset({"blue"})
        _, value = self.keys["auto_resolve"]
        items = value.items if isinstance(value, SeqNode) else (value,)
        found = set()
        for item in items:
            if isinstance(item, Scalar) and item.text in RANK:
                found.add(item.text)
            else:
                self._not_a_severity(item)
        return frozenset(found)

    def _not_a_severity(self, node: Node) -> None:
        word = node.text if isinstance(node, Scalar) else ""
        hint = did_you_mean(word, SEVERITIES) or f"one of {', '.join(SEVERITIES)}"
        self.report.at(node, f"{word[:40]!r} is no severity", hint)

    # --- feed and key

    def _feed(self, kind: Kind) -> str:
        if kind == "sequence" and "feed" not in self.keys:
            return ""
        node = self._scalar("feed", required=True, hint="such as feed: sensor")
        return self._known_feed(node) if node else ""

    def _known_feed(self, node: Node) -> str:
        """The feed's name, empty after a report."""
        name = node.text if isinstance(node, Scalar) else ""
        if name in self.catalog.feeds:
            return name
        if name == "alert":
            self.report.at(node, "rules over alerts are not supported yet")
        else:
            known = self.catalog.feeds
            self.report.at(
                node, f"unknown feed {name[:40]!r}", did_you_mean(name, known) or f"there are {', '.join(known)}"
            )
        return ""

    def _feeds_of(self, kind: Kind, feed: str, steps: Iterable[Step]) -> list[str]:
        if kind != "sequence":
            return [feed] if feed else []
        named = [name for step in steps for name in (step.feed, step.unless[0] if step.unless else "") if name]
        return list(dict.fromkeys(named))

    def _by(self, feeds: list[str]) -> tuple[str, ...]:
        if "by" not in self.keys:
            return ("subject",)
        key, value = self.keys["by"]
        items = value.items if isinstance(value, SeqNode) else (value,)
        names: list[str] = []
        if not items or len(items) > MAX_BY:
            self.report.at(key, f"by needs 1 to {MAX_BY} fields", "write by: [feed] for one key over everything")
        for item in items:
            if not isinstance(item, Scalar) or item.is_null:
                self.report.at(item, "by is a list of field names", "such as by: [subject, metric]")
            elif item.text in names:
                self.report.at(item, f"{item.text} stands twice in by")
            else:
                names.append(item.text)
                self._check_key_field(item, feeds)
        return tuple(names)

    def _check_key_field(self, node: Scalar, feeds: list[str]) -> None:
        types = {feed: self.catalog.field_type(feed, node.text) for feed in feeds}
        for feed, type_ in types.items():
            if type_ is None:
                self.report.at(
                    node,
                    f"unknown field {node.text}: the feed {feed} has no such field",
                    did_you_mean(node.text, self.catalog.field_names(feed)),
                )
                return
        if len(set(types.values())) > 1:
            listed = ", ".join(f"{type_} in {feed}" for feed, type_ in types.items())
            self.report.at(node, f"{node.text} must have one type in all steps: {listed}")
        elif "time" in types.values():
            self.report.at(node, f"{node.text} is a time: it cannot be part of a key", "put time into a window")
        self.by_types[node.text] = next(iter(types.values()), None)

    # --- expressions

    def _event_scope(self, feed: str) -> Scope:
        names = self.catalog.field_names(feed)
        types = {name: self.catalog.field_type(feed, name) or "null" for name in names}
        return Scope(types, f"the feed {feed}", {name: self.catalog.column(feed, name) for name in names})

    def _window_scope(self, feed: str, measures: tuple[Measure, ...], by: tuple[str, ...]) -> Scope:
        types: dict[str, Type] = {name: self.catalog.field_type(feed, name) or "null" for name in by}
        _, value = self.keys.get("measure", (None, None))
        if isinstance(value, MapNode):
            # one that did not compile is reported once, not wherever it is used
            types |= {name.text: "null" for name, _ in value}
        types |= {measure.name: measure.expr.type for measure in measures}
        reason = "the condition reads measures and the fields of by: give it a name under measure, such as m: max({})"
        barred = {name: reason.format(name) for name in self.catalog.field_names(feed) if name not in types}
        return Scope(types, "the window", barred=barred)

    def _condition(self, name: str, scope: Scope | None, *, required: bool = False) -> Expr | None:
        node = self._scalar(name, required=required, hint=f"such as {name}: value > 50, or {name}: true")
        if node is None or scope is None:
            return None
        return self._compiled(name, node, scope)

    def _compiled(self, name: str, node: Node, scope: Scope) -> Expr | None:
        if not isinstance(node, Scalar):
            self.report.at(node, f"{name} must be an expression", "in quotes if it begins with [ or {")
            return None

        def compile_() -> tuple[Expr, str]:
            return compile_condition(node.text, scope, zone_ms=self.setting.zone_ms)

        compiled = self._guarded(node, compile_)
        if compiled is None:
            return None
        expr, canon = compiled
        self.meaning[name] = canon
        if name != "where":
            self.read_columns |= expr.fields
        return expr

    def _guarded(self, node: Scalar, compile_: Callable[[], _T]) -> _T | None:
        try:
            return compile_()
        except ExpressionErrors as error:
            for fault in error.faults:
                self.report.inside(node, fault.offset, fault.message, fault.hint)
            return None

    def _severity(self, scope: Scope | None, kind: Kind) -> tuple[tuple[str, Expr | None], ...]:
        hint = "one word, or a ladder such as {red: mean > 2 * limit, orange: true}"
        if "severity" not in self.keys:
            self._missing("severity", hint)
            return ()
        key, value = self.keys["severity"]
        if isinstance(value, Scalar) and not value.is_null:
            if value.text not in RANK:
                self._not_a_severity(value)
            self.meaning["severity"] = [[value.text, "true"]]
            return ((value.text, None),)
        if not isinstance(value, MapNode) or not value.entries:
            self.report.at(key, "severity must be a word or a ladder", hint)
            return ()
        if kind in ("absent", "sequence"):
            self.report.at(value, f"a rule of kind {kind} has one severity, not a ladder", "write it as one word")
            return ()
        return self._ladder(value, scope)

    def _ladder(self, ladder: MapNode, scope: Scope | None) -> tuple[tuple[str, Expr | None], ...]:
        rungs: list[tuple[str, Expr | None]] = []
        canons: list[list[object]] = []
        lowest = max(RANK.values()) + 1
        for word, node in ladder:
            rank = RANK.get(word.text)
            if rank is None:
                self._not_a_severity(word)
                continue
            if rungs and rungs[-1][1] is None:
                self.report.at(word, f"{word.text} is never reached", f"{rungs[-1][0]}: true stands before it")
            elif rank > lowest:
                self.report.at(
                    word, f"{word.text} stands below a lower severity", "the first that holds counts: begin with red"
                )
            lowest = min(lowest, rank)
            if isinstance(node, Scalar) and node.boolean() is True:
                rungs.append((word.text, None))
                canons.append([word.text, "true"])
                continue
            if isinstance(node, Scalar) and (node.is_null or not node.text.strip()):
                self.report.at(word, f"{word.text} has no condition", f"such as {word.text}: true")
                continue
            name = f"severity {word.text}"
            expr = self._compiled(name, node, scope) if scope else None
            canons.append([word.text, self.meaning.pop(name, "")])
            if expr is not None:
                rungs.append((word.text, expr))
        self.meaning["severity"] = canons
        return tuple(rungs)

    # --- windows

    def _window(self) -> Window | None:
        key, value = self.keys["window"]
        if not isinstance(value, MapNode):
            self.report.at(key, "window must name its shape", "such as window: {tumbling: 1h}")
            return None
        given = {name.text: (name, node) for name, node in value}
        shapes = [name for name in ("tumbling", "hopping", "sliding") if name in given]
        for name, _ in value:
            if name.text in ("session", "max"):
                self.report.at(name, "session windows are not supported yet")
                return None
            if name.text not in ("tumbling", "hopping", "sliding", "every"):
                hint = did_you_mean(name.text, ("tumbling", "hopping", "sliding", "every"))
                self.report.at(
                    name, f"unknown key {name.text!r} in window", hint or "tumbling, hopping (with every) or sliding"
                )
                return None
        if len(shapes) != 1:
            self.report.at(key, "a window has one shape", "tumbling, hopping (with every) or sliding")
            return None
        shape = shapes[0]
        size = self._duration_of(shape, given[shape][1])
        every = size if shape == "tumbling" else 0
        if shape == "hopping":
            if "every" not in given:
                self.report.at(given[shape][0], "a hopping window needs every", "such as {hopping: 1h, every: 10m}")
                return None
            every = self._duration_of("every", given["every"][1])
            if every > size:
                self.report.at(
                    given["every"][1], "every is longer than the window: events between two would not be seen"
                )
            elif size > every * MAX_OVERLAP:
                self.report.at(
                    given["every"][1], f"an event would lie in more than {MAX_OVERLAP:,} windows", "take a longer every"
                )
        elif "every" in given:
            self.report.at(given["every"][0], f"every goes with hopping, not with {shape}")
        offset = -self.setting.zone_ms % every if every and size >= DAY_MS else 0
        return Window(shape, size, every, offset)

    def _measures(self, scope: Scope | None, by: tuple[str, ...]) -> tuple[Measure, ...]:
        if "measure" not in self.keys:
            self._missing("measure", "such as measure: {n: count(*)}")
            return ()
        key, value = self.keys["measure"]
        if not isinstance(value, MapNode) or not 1 <= len(value.entries) <= MAX_MEASURES:
            self.report.at(key, f"measure names 1 to {MAX_MEASURES} aggregates", "such as measure: {n: count(*)}")
            return ()
        found: list[Measure] = []
        canons: dict[str, str] = {}
        for name, node in value:
            if value.flow and isinstance(node, Scalar) and node.is_null:
                hint = "an expression with a comma must stand in quotes here"
                self.report.at(name, f"the measure {name.text[:40]!r} has no expression", hint)
                continue
            if not _MEASURE.fullmatch(name.text):
                self.report.at(name, f"{name.text[:40]!r} is no name for a measure", "letters, digits and underscores")
                continue
            if name.text in by:
                self.report.at(name, f"{name.text} is a field of by already", "give the measure another name")
            if not isinstance(node, Scalar) or scope is None:
                if scope is not None:
                    self.report.at(node, f"the measure {name.text} must be an expression", "such as avg(value)")
                continue
            text = node.text
            measure_name = name.text
            compiled = self._guarded(
                node, partial(compile_measure, measure_name, text, scope, zone_ms=self.setting.zone_ms)
            )
            if compiled is not None:
                found.append(compiled[0])
                canons[measure_name] = compiled[1]
        self.meaning["measures"] = canons
        return tuple(found)

    # --- absent

    def _expect(self, feed: str, by: tuple[str, ...]) -> tuple[Mapping[str, object], ...]:
        if "expect" not in self.keys or not feed:
            return ()
        key, value = self.keys["expect"]
        if not isinstance(value, SeqNode) or not 1 <= len(value.items) <= MAX_EXPECT:
            self.report.at(key, f"expect lists 1 to {MAX_EXPECT:,} keys", "such as expect: [S1, S2]")
            return ()
        found: dict[tuple[object, ...], Mapping[str, object]] = {}
        for item in value.items:
            one = self._expected(item, feed, by)
            if one is None:
                continue
            values = tuple(one[name] for name in by)
            if values in found:
                self.report.at(item, "this key is expected twice")
            found[values] = one
        return tuple(found.values())

    def _expected(self, item: Node, feed: str, by: tuple[str, ...]) -> dict[str, object] | None:
        wanted = f"a mapping of {', '.join(by)}" if len(by) > 1 else f"a value of {by[0]}" if by else "a key"
        if isinstance(item, Scalar) and len(by) == 1:
            value = self._key_value(item, feed, by[0])
            return None if value is None else {by[0]: value}
        if not isinstance(item, MapNode):
            self.report.at(item, f"an expected key must be {wanted}")
            return None
        given = {name.text: node for name, node in item}
        for name, _ in item:
            if name.text not in by:
                self.report.at(name, f"{name.text[:40]!r} is not in by", did_you_mean(name.text, by))
        lacking = [name for name in by if name not in given]
        if lacking:
            self.report.at(item, f"the expected key lacks {', '.join(lacking)}")
            return None
        values = {name: self._key_value(given[name], feed, name) for name in by}
        return None if None in values.values() else dict(values)

    def _key_value(self, node: Node, feed: str, name: str) -> object:
        """The value as the field's type has it: a code without quotes stays the text that it is."""
        type_ = self.catalog.field_type(feed, name)
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
            self.report.at(node, f"{name} must be a {type_}")
        return value

    # --- sequence

    def _sequence(self, default_feed: str) -> tuple[Step, ...]:
        key, value = self.keys["sequence"]
        if not isinstance(value, SeqNode):
            self.report.at(key, "sequence is a list of steps", "such as - {feed: sensor, where: value > 5}")
            return ()
        steps: list[Step] = []
        canons: list[object] = []
        unless: tuple[str, Expr | None] | None = None
        unless_node: Node | None = None
        unless_canon: object = None
        for index, item in enumerate(value.items):
            if not isinstance(item, MapNode):
                self.report.at(item, "a step is a mapping", "such as {feed: sensor, where: value > 5}")
                continue
            names = [name.text for name, _ in item]
            if names in (["unless"], ["absent"]):
                inner = item.entries[0][1]
                feed, where, canon = self._event_of(inner, names[0], default_feed)
                if names[0] == "absent":
                    if index < len(value.items) - 1:
                        self.report.at(item, "absent can only be the last step")
                    steps.append(Step(feed, where, absent=True, unless=unless))
                    canons.append(["absent", canon, unless_canon if unless_node is not None else None])
                    unless, unless_node = None, None
                    continue
                if not steps or unless_node is not None or index == len(value.items) - 1:
                    self.report.at(item, "unless stands between two steps, one at a time", "join two with OR")
                unless, unless_node, unless_canon = (feed, where), item, canon
                continue
            feed, where, canon = self._event_of(item, "step", default_feed)
            steps.append(Step(feed, where, unless=unless))
            canons.append(["step", canon, unless_canon if unless_node is not None else None])
            unless, unless_node = None, None
        if not 2 <= len(steps) <= MAX_STEPS and len(value.items) == len(steps):
            self.report.at(
                key, f"a sequence has 2 to {MAX_STEPS} steps", "a rule without sequence judges single events"
            )
        elif len(steps) < 2:
            self.report.at(key, "a sequence needs at least 2 steps beside unless")
        self.meaning["sequence"] = canons
        return tuple(steps)

    def _event_of(self, node: Node, what: str, default_feed: str) -> tuple[str, Expr | None, object]:
        """The ``{feed, where}`` of a step, an unless or an absence."""
        if not isinstance(node, MapNode):
            self.report.at(node, f"{what} must name its events", "such as {feed: sensor, where: value > 5}")
            return "", None, None
        given = {name.text: child for name, child in node}
        for name, _ in node:
            if name.text not in ("feed", "where"):
                hint = did_you_mean(name.text, ("feed", "where", "unless", "absent")) or "a step has feed and where"
                self.report.at(name, f"unknown key {name.text!r} in a step", hint)
        feed = default_feed
        if "feed" in given:
            feed = self._known_feed(given["feed"])
        elif not default_feed:
            self.report.at(node, "the step has no feed", "such as {feed: sensor, where: value > 5}")
        where = given.get("where")
        if where is None or not feed:
            return feed, None, [feed, "true"]
        if isinstance(where, Scalar) and (where.is_null or not where.text.strip()):
            self.report.at(where, "where is empty")
            return feed, None, None
        expr = self._compiled("step", where, self._event_scope(feed))
        return feed, expr, [feed, self.meaning.pop("step", None)]

    # --- summaries

    def _shown_types(
        self, kind: Kind, feed: str, by: tuple[str, ...], measures: tuple[Measure, ...]
    ) -> dict[str, Type | None]:
        """What a summary may name; None for a type that is not known because of another fault."""
        types: dict[str, Type | None] = {}
        if kind == "each" and feed:
            types |= {name: self.catalog.field_type(feed, name) for name in self.catalog.field_names(feed)}
        if kind == "window":
            _, value = self.keys.get("measure", (None, None))
            types |= {name.text: None for name, _ in value} if isinstance(value, MapNode) else {}
            types |= {measure.name: measure.expr.type for measure in measures}
        return types | {name: self.by_types.get(name) for name in by}

    def _summary(self, title: dict[str, str], types: Mapping[str, Type | None]) -> dict[str, str]:
        if "summary" not in self.keys:
            return {language: escape(text) for language, text in title.items()}
        nodes = self._text_nodes("summary", required=False)
        for node in {id(node): node for node in nodes.values()}.values():
            self._check_template(node, types)
        times = [name for name, type_ in types.items() if type_ == "time"]
        return {
            language: with_zone(node.text.strip(), times, self.setting.zone_ms) if _is_template(node.text) else ""
            for language, node in nodes.items()
        }

    def _check_template(self, node: Scalar, types: Mapping[str, Type | None]) -> None:
        try:
            found = placeholders(node.text)
        except TemplateError as error:
            self.report.inside(node, error.offset, str(error))
            return
        for placeholder in found:
            name = placeholder.name
            if name not in types:
                hint = did_you_mean(name, types) or f"there are {', '.join(types)}"
                self.report.inside(
                    node, placeholder.offset, f"the summary names {name}, which this rule does not have", hint
                )
                continue
            type_ = types[name]
            wanted = "times" if placeholder.spec[:4] in TIME_SPECS else "numbers"
            fitting = ("time",) if wanted == "times" else ("number", "integer", "null")
            if placeholder.spec and type_ is not None and type_ not in fitting:
                message = f"{name} is a {type_}: the format {placeholder.spec} is for {wanted}"
                self.report.inside(node, placeholder.offset, message)

    def _shown(self, feed: str, by: tuple[str, ...], summary: Mapping[str, str]) -> tuple[str, ...]:
        if not feed:
            return ()
        named = {part.name for template in summary.values() for part in placeholders(template)}
        return tuple(
            name
            for name in self.catalog.field_names(feed)
            if (self.catalog.column(feed, name) in self.read_columns or name in named) and name not in by
        )


def _is_template(text: str) -> bool:
    try:
        parse(text)
    except TemplateError:
        return False
    return True
