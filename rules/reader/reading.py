"""A rule being read: its nodes by key, its faults so far, and what all parts of it share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from events.feeds import FeedCatalog
from events.times import format_duration, parse_duration
from rules.errors import RuleError
from rules.expressions import ExpressionErrors, Scope, compile_condition, compile_measure, mentions
from rules.graph import Naming
from rules.model import Expr, Measure, RuleSet, Type
from rules.tables import Tables, read_from
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.zones import zone_ms

DAY_MS: Final = 86_400_000
MAX_DURATION_MS: Final = 400 * DAY_MS

_T = TypeVar("_T")


#: Faults of one rule, or of one file beside its rules, before the rest of it is left unread.
MAX_FAULTS: Final = 300


class Flood(Exception):
    """More faults than anybody reads: what is left of the rule or file is not looked at."""


@dataclass
class Report:
    """The faults of one file, or of one rule in it. A node may come from another file: a template. Flood, where there are too many."""

    file: str
    errors: list[RuleError] = field(default_factory=list)
    #: places of nodes whose fault is told already: what follows from it is not
    settled: set[tuple[str, int, int]] = field(default_factory=set)

    def at(self, node: Node, message: str, hint: str = "") -> None:
        if (node.file, node.line, node.column) in self.settled:
            return
        self._add(RuleError(node.file or self.file, node.line, node.column, message, hint))

    def inside(self, node: Scalar, offset: int, message: str, hint: str = "") -> None:
        if (node.file, node.line, node.column) in self.settled:
            return
        line, column = node.place_of(offset)
        self._add(RuleError(node.file or self.file, line, column, message, hint))

    def _add(self, error: RuleError) -> None:
        self.errors.append(error)
        if len(self.errors) >= MAX_FAULTS:
            raise Flood


@dataclass(frozen=True)
class Setting:
    """What all rules of a set share. ``zone_ms``: the zone's offset from UTC."""

    catalog: FeedCatalog
    zone_ms: int
    tables: Tables
    #: what was compiled before: rules of one template, or over one feed, say the same in many places
    _compiled: dict[tuple[object, ...], tuple[Any, str]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, ruleset: RuleSet) -> Setting:
        """That of rules that were read before."""
        files = ruleset.bundle["files"]
        assert isinstance(files, Mapping)
        return cls(ruleset.catalog, zone_ms(str(ruleset.bundle["zone"])), Tables(read_from(files)))

    def condition(self, text: str, scope: Scope) -> tuple[Expr, str]:
        """A condition and its canonical text. ExpressionErrors as :func:`compile_condition`."""
        what = ("condition", text, scope.what, *scope.types.items())
        return self._once(what, lambda: compile_condition(text, scope, zone_ms=self.zone_ms))

    def measure(self, name: str, text: str, scope: Scope, beside: Scope | None = None) -> tuple[Measure, str]:
        """A measure and its canonical text. ExpressionErrors as :func:`compile_measure`."""
        more = ("beside", *beside.types.items()) if beside else ()
        what = ("measure", text, scope.what, *scope.types.items(), *more)
        measure, canon = self._once(
            what, lambda: compile_measure(name, text, scope, zone_ms=self.zone_ms, beside=beside)
        )
        return replace(measure, name=name), canon

    def _once(self, what: tuple[object, ...], compile_: Callable[[], tuple[_T, str]]) -> tuple[_T, str]:
        if what not in self._compiled:
            self._compiled[what] = compile_()
        return self._compiled[what]


class Reading:
    """Each method reports what is wrong and gives back something to go on with, so that one pass finds every fault."""

    def __init__(self, node: MapNode, report: Report, setting: Setting) -> None:
        self.node = node
        self.report = report
        self.setting = setting
        self.catalog = setting.catalog
        self.keys: Mapping[str, tuple[Scalar, Node]] = {key.text: (key, value) for key, value in node}
        #: canonical texts for the version
        self.meaning: dict[str, object] = {}
        #: columns read by when, clear and severity
        self.read_columns: set[str] = set()
        #: key fields with their types
        self.by_types: dict[str, Type | None] = {}
        #: of a rule over alerts: the rules whose alerts it asks for by name
        self.namings: list[Naming] = []

    def missing(self, name: str, hint: str = "") -> None:
        self.report.at(self.node, f"the rule has no {name}", hint)

    def scalar(self, name: str, *, required: bool = False, hint: str = "") -> Scalar | None:
        """The key's scalar; None (and a report, if it is required or something else) where there is none."""
        if name not in self.keys:
            if required:
                self.missing(name, hint)
            return None
        key, value = self.keys[name]
        if isinstance(value, Scalar) and not value.is_null and value.text.strip():
            return value
        what = "is empty" if isinstance(value, Scalar) else "must be a single value"
        self.report.at(key if isinstance(value, Scalar) else value, f"{name} {what}", hint)
        return None

    # --- durations and numbers

    def duration(self, name: str, default: int | None, *, least_ms: int = 0, required: bool = False) -> int | None:
        node = self.scalar(name, required=required, hint=f"such as {name}: 10m")
        return default if node is None else self.duration_of(name, node, least_ms=least_ms)

    def duration_of(self, name: str, node: Node, *, least_ms: int = 1) -> int:
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
            self.report.at(node, f"{name} must lie between {least} and {most}, not {node.text[:40]}")
            return max(1, least_ms)
        return ms

    def whole(self, name: str, node: Node, *, least: int, most: int) -> int:
        """A whole number within bounds."""
        number = node.number() if isinstance(node, Scalar) else None
        if isinstance(number, int) and least <= number <= most:
            return number
        self.report.at(node, f"{name} must be a whole number from {least:,} to {most:,}")
        return least

    # --- expressions

    def condition(self, name: str, scope: Scope | None, *, required: bool = False) -> Expr | None:
        node = self.scalar(name, required=required, hint=f"such as {name}: value > 50, or {name}: true")
        if node is None or scope is None:
            return None
        return self.compiled(name, node, scope)

    def compiled(self, name: str, node: Node, scope: Scope) -> Expr | None:
        """A condition; its canonical text goes into the rule's meaning under ``name``."""
        if not isinstance(node, Scalar):
            self.report.at(node, f"{name} must be an expression", "in quotes if it begins with [ or {")
            return None

        compiled = self.guarded(node, lambda: self.setting.condition(node.text, scope))
        if compiled is None:
            return None
        expr, canon = compiled
        self.meaning[name] = canon
        if name != "where":
            self.read_columns |= expr.fields
        return expr

    def note_namings(self, node: Scalar) -> None:
        """Remembers which rules a condition over alerts asks for. What cannot be read has been reported."""
        with suppress(ExpressionErrors):
            for name, offset in mentions(node.text, "rule"):
                self.namings.append(Naming(name, *node.place_of(offset)))

    def guarded(self, node: Scalar, compile_: Callable[[], _T]) -> _T | None:
        """What ``compile_`` gives, or None after the faults of the expression in ``node`` were reported."""
        try:
            return compile_()
        except ExpressionErrors as error:
            for fault in error.faults:
                self.report.inside(node, fault.offset, fault.message, fault.hint)
            return None
