"""One rule of a file: from YAML nodes to a checked Rule, or to its faults with their places."""

from __future__ import annotations

import re
from typing import Final, cast

from events.feeds import ALERT_FEED
from events.times import format_duration
from rules.errors import did_you_mean
from rules.expressions import Scope
from rules.graph import Naming
from rules.model import Kind, Mode, Place, Rule, Window
from rules.reader.baselines import read_baselines
from rules.reader.calendars import read_only
from rules.reader.key_fields import feeds_of, read_by, read_expect, read_feed, read_new
from rules.reader.keys import COMMON, ELSEWHERE, KIND_KEYS, KNOWN, LATER, MAKERS, MAKING, MISPLACED
from rules.reader.reading import DAY_MS, Reading, Report, Setting
from rules.reader.scopes import event_scope, measure_names, window_scope, without_measures
from rules.reader.sequences import read_sequence
from rules.reader.severities import read_auto_resolve, read_severity
from rules.reader.texts import read_summary, read_text, read_title, shown_fields, shown_types
from rules.reader.windows import read_measures, read_window
from rules.versions import rule_version
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar

DEFAULT_UPDATE_MS: Final = 60_000
DEFAULT_FORGET_MS: Final = 7 * DAY_MS
#: With a baseline a quiet time is news in itself: days of none, and not a key that was never heard of.
DEFAULT_BASELINE_FORGET_MS: Final = 90 * DAY_MS
DEFAULT_MEMORY_MS: Final = 30 * DAY_MS
DEFAULT_MAX_OPEN: Final = 500
MAX_MAX_OPEN: Final = 100_000

_ID = re.compile(r"\w[\w.-]{0,127}")
_DOMAIN = re.compile(r"[a-z][a-z0-9-]{0,63}")


def read_rule(node: Node, report: Report, setting: Setting) -> tuple[Rule, list[Naming]] | None:
    """The rule and whose alerts it asks for by name, or None when the report has its faults. Flood, where there are too many."""
    before = len(report.errors)
    if not isinstance(node, MapNode):
        report.at(node, "a rule must be a mapping", "begin with - id: ...")
        return None
    reading = Reading(node, report, setting)
    rule = _read(reading)
    return (rule, reading.namings) if rule is not None and len(report.errors) == before else None


def _read(reading: Reading) -> Rule | None:
    kind = _kind(reading)
    if kind is None:
        return None
    _check_keys(reading, kind)
    rule_id = _id(reading)
    feed = read_feed(reading, kind)
    steps = read_sequence(reading, feed) if kind == "sequence" else ()
    by = read_by(reading, feeds_of(kind, feed, steps))
    new = read_new(reading, feed, by) if kind == "new" else ()
    if kind == "sequence" and steps:
        feed = steps[0].feed
    events = event_scope(reading.setting, feed) if feed and kind != "sequence" else None
    windowed = kind in ("window", "baseline")
    narrowed = without_measures(events, measure_names(reading)) if events and windowed else events
    where = reading.condition("where", narrowed)
    only = read_only(reading)
    window = read_window(reading) if windowed else None
    measures = read_measures(reading, events, by) if windowed else ()
    baseline = read_baselines(reading, window, measures, by) if kind == "baseline" else ()
    shown_measures = (*measures, *(measure for one in baseline for measure in one.measures))
    scope: Scope | None = None
    if feed and kind != "sequence":
        scope = window_scope(reading, feed, shown_measures, by) if windowed else events
    judged = kind == "each" or windowed
    when = reading.condition("when", scope, required=True) if judged else None
    clear = reading.condition("clear", scope) if judged else None
    severity = read_severity(reading, scope, kind)
    if feed == ALERT_FEED:
        _note_namings(reading, kind)
    title = read_title(reading)
    summary = read_summary(
        reading, title, shown_types(reading, kind, feed, shown_measures, measure_names(reading) if windowed else ())
    )
    mode = _mode(reading)
    values: dict[str, int | None] = {
        "hold_ms": reading.duration("hold", 0) if judged else 0,
        "clear_after_ms": _clear_after(reading, window) if kind != "absent" else None,
        "update_every_ms": reading.duration("update_every", DEFAULT_UPDATE_MS) if judged else DEFAULT_UPDATE_MS,
        "absent_ms": reading.duration("absent", None, least_ms=1) if kind == "absent" else None,
        "within_ms": reading.duration("within", None, least_ms=1, required=True) if kind == "sequence" else None,
        "memory_ms": reading.duration("memory", DEFAULT_MEMORY_MS, least_ms=1) if kind == "new" else None,
        "learn_ms": reading.duration("learn", 0) if kind == "new" else None,
    }
    reach = max((one.every_ms * (one.skip + one.last) for one in baseline), default=0)
    looks_back = [window.size_ms + reach if window else 0, *(values[name] or 0 for name in _LOOKS_BACK)]
    values["forget_ms"] = _forget(reading, kind, max(looks_back))
    expect = read_expect(reading, feed, by) if kind == "absent" else ()
    auto_resolve = read_auto_resolve(reading)
    domain = _domain(reading, feed)
    max_open = _bound(reading, "max_open", DEFAULT_MAX_OPEN)
    max_rate = _bound(reading, "max_rate", None)
    reading.meaning |= values | {
        "kind": kind,
        "feed": feed,
        "by": _typed(reading, by) if "by" in reading.keys else None,
        "new": _typed(reading, new),
        "domain": domain,
        "window": _window_meaning(window),
        "expect": sorted(([sorted(key.items()) for key in expect]), key=str),
        "auto_resolve": sorted(auto_resolve),
        "shadow": mode == "shadow",
        "max_open": None if max_open == DEFAULT_MAX_OPEN else max_open,
        "max_rate": max_rate,
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
        version=rule_version(reading.meaning),
        where=where,
        only=only,
        when=when,
        clear=clear,
        measures=measures,
        window=window,
        absent_ms=values["absent_ms"],
        expect=expect,
        sequence=steps,
        within_ms=values["within_ms"],
        new=new,
        memory_ms=values["memory_ms"] or 0,
        learn_ms=values["learn_ms"] or 0,
        baseline=baseline,
        hold_ms=values["hold_ms"] or 0,
        clear_after_ms=values["clear_after_ms"],
        update_every_ms=cast(int, values["update_every_ms"]),
        auto_resolve=auto_resolve,
        mode=mode,
        source=read_text(reading, "source"),
        place=Place(reading.report.file, reading.node.line, reading.node.column),
        shown=shown_fields(reading, feed, (*by, *new), summary) if kind in ("each", "new") else (),
        forget_ms=cast(int, values["forget_ms"]),
        max_open=cast(int, max_open),
        max_rate=max_rate,
    )


_LOOKS_BACK: Final = ("absent_ms", "within_ms", "hold_ms", "memory_ms")


def _typed(reading: Reading, names: tuple[str, ...]) -> list[str]:
    return sorted(f"{name}:{type_}" for name, type_ in reading.by_types.items() if name in names)


def _window_meaning(window: Window | None) -> list[object] | None:
    if window is None:
        return None
    meaning: list[object] = [window.shape, window.size_ms, window.every_ms, window.offset_ms]
    return [*meaning, window.max_ms] if window.max_ms else meaning


def _note_namings(reading: Reading, kind: Kind) -> None:
    """What stands in conditions over the alerts themselves; those over measures have no field ``rule``, or that of the key."""
    names = ("where",) if kind not in ("each", "new") else ("where", "when", "clear", "severity")
    for name in names:
        node = reading.keys[name][1] if name in reading.keys else None
        for condition in (child for _, child in node) if isinstance(node, MapNode) else (node,):
            if isinstance(condition, Scalar) and not condition.is_null:
                reading.note_namings(condition)


def _kind(reading: Reading) -> Kind | None:
    later = [reading.keys[name][0] for name in LATER if name in reading.keys]
    for key in later:
        reading.report.at(key, f"{key.text} is not supported yet")
    if later:
        return None
    named = [reading.keys[name] for name in MAKERS if name in reading.keys]
    if len(named) > 1:
        first, second = named[0][0].text, named[1][0]
        reading.report.at(
            second, f"a rule is of one kind: {second.text} does not go with {first}", "make two rules of it"
        )
        return None
    if not named:
        return "each"
    kind = named[0][0].text
    return cast(Kind, "baseline" if kind == "window" and "baseline" in reading.keys else kind)


def _check_keys(reading: Reading, kind: Kind) -> None:
    allowed = (*COMMON, *KIND_KEYS[kind])
    for key, value in reading.node:
        if key.text in allowed:
            continue
        if key.text in KNOWN:
            message = f"{key.text} has no meaning in a rule of kind {kind}"
            reading.report.at(key, message, MISPLACED.get(key.text, ""))
        elif reading.node.flow and isinstance(value, Scalar) and value.is_null:
            hint = "an expression with a comma must stand in quotes here"
            reading.report.at(key, f"unknown key {key.text[:40]!r}", hint)
        else:
            called = f"here it is called {ELSEWHERE[key.text]}" if key.text in ELSEWHERE else ""
            hint = called or did_you_mean(key.text, (*allowed, *MAKING)) or MISPLACED.get(key.text, "")
            reading.report.at(key, f"unknown key {key.text[:40]!r}", hint)


def _id(reading: Reading) -> str:
    node = reading.scalar("id", required=True, hint="such as id: env.cod.hourly-mean")
    if node is None:
        return ""
    if not _ID.fullmatch(node.text):
        hint = "letters, digits, dots, hyphens and underscores, at most 128"
        reading.report.at(node, f"{node.text[:40]!r} is no id", hint)
    return node.text


def _domain(reading: Reading, feed: str) -> str:
    if "domain" not in reading.keys:
        return reading.catalog.feed(feed).domain if feed in reading.catalog.readable else ""
    node = reading.scalar("domain")
    if node is None:
        return ""
    if not _DOMAIN.fullmatch(node.text):
        hint = "small letters, digits and hyphens, such as work-safety"
        reading.report.at(node, f"{node.text[:40]!r} is no domain", hint)
    return node.text


def _mode(reading: Reading) -> Mode:
    node = reading.scalar("enabled")
    if node is None:
        return "on"
    if node.text == "shadow":
        return "shadow"
    truth = node.boolean()
    if truth is None:
        reading.report.at(node, f"enabled must be true, false or shadow, not {node.text[:40]!r}")
    return "off" if truth is False else "on"


def _clear_after(reading: Reading, window: Window | None) -> int | None:
    """By default the window's size, or a session's gap; else never."""
    node = reading.scalar("clear_after")
    if node is not None and node.text == "never":
        return None
    if node is not None:
        return reading.duration_of("clear_after", node)
    return window.size_ms if window else None


def _forget(reading: Reading, kind: Kind, looks_back_ms: int) -> int:
    """A key must be remembered for as long as the rule looks back."""
    node = reading.scalar("forget")
    if node is None:
        return max(DEFAULT_BASELINE_FORGET_MS if kind == "baseline" else DEFAULT_FORGET_MS, looks_back_ms)
    forget = reading.duration_of("forget", node, least_ms=60_000)
    if forget < looks_back_ms:
        message = f"forget is shorter than the {format_duration(looks_back_ms)} that the rule looks back"
        reading.report.at(node, message)
    return forget


def _bound(reading: Reading, name: str, default: int | None) -> int | None:
    node = reading.scalar(name, hint=f"such as {name}: 100")
    return default if node is None else reading.whole(name, node, least=1, most=MAX_MAX_OPEN)
