"""``*.test.yaml`` -> fixtures, or all faults of the file with their places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from fengsui.workbench.faults import Faults, Keys
from fengsui.workbench.fixture import Deed, Expectation, Fixture
from fengsui.workbench.moments import Timeline, parse_moment
from fengsui.workbench.outcome_reader import OutcomeReader
from fengsui.workbench.series_reader import SHARED_WORDS, WORDS, SeriesReader
from fengsui.workbench.spans import span_ms
from rules.errors import RuleErrors, did_you_mean
from rules.model import Place, Rule, RuleSet
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar, parse_yaml
from rules.yaml_source import Sequence as SeqNode

#: A Monday that is a working day, 08:00 in the default zone.
DEFAULT_START: Final = "2026-03-02 08:00"

#: What a file's ``defaults`` may hold, and a test too.
SHARED: Final = ("rule", "rules", "start", "until", "receipts", "event")
TEST: Final = ("title", *SHARED, "events", "acts", "expect")


def read_fixtures(text: str, file: str, ruleset: RuleSet, zone_ms: int) -> tuple[Fixture, ...]:
    """The fixtures of a file. Raises RuleErrors with every fault at once."""
    faults = Faults(file)
    rules = {rule.id: rule for rule in ruleset.rules}
    try:
        root = parse_yaml(text, file, faults.errors)
    except RuleErrors as error:
        raise RuleErrors([*faults.errors, *error.errors]) from None
    fixtures: list[Fixture] = []
    if isinstance(root, MapNode):
        keys = faults.keys(root, ("defaults", "tests"), "a file of tests")
        defaults = _defaults(keys, faults)
        for node in _tests(keys, root, faults):
            made = _TestReader(node, defaults, rules, ruleset, zone_ms, faults).read()
            if made is not None:
                fixtures.append(made)
    elif root is not None and not (isinstance(root, Scalar) and root.is_null):
        faults.at(root, "a file of tests begins with tests:", "put tests: above the list")
    if faults.errors:
        raise RuleErrors(faults.errors)
    return tuple(fixtures)


def _defaults(keys: Keys, faults: Faults) -> Keys:
    node = keys["defaults"][1] if "defaults" in keys else None
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return {}
    if not isinstance(node, MapNode):
        faults.at(node, "defaults must be a mapping", f"of {', '.join(SHARED)}")
        return {}
    return faults.keys(node, SHARED, "defaults")


def _tests(keys: Keys, root: MapNode, faults: Faults) -> tuple[Node, ...]:
    if "tests" not in keys:
        faults.at(root, "the file has no tests", "a list under tests:")
        return ()
    node = keys["tests"][1]
    if isinstance(node, SeqNode):
        return node.items
    if not (isinstance(node, Scalar) and node.is_null):
        faults.at(node, "tests must be a list", "each test begins with - title:")
    return ()


class _TestReader:
    """Reads one test; each method reports what is wrong and gives back something to go on with."""

    def __init__(
        self,
        node: Node,
        defaults: Keys,
        rules: Mapping[str, Rule],
        ruleset: RuleSet,
        zone_ms: int,
        faults: Faults,
    ) -> None:
        self.node = node
        self.defaults = defaults
        self.known = rules
        self.ruleset = ruleset
        self.zone_ms = zone_ms
        self.faults = faults
        self.keys: Keys = {}
        self.rules: tuple[Rule, ...] = ()
        self.timeline = Timeline(0, zone_ms)

    def read(self) -> Fixture | None:
        faults = self.faults
        if not isinstance(self.node, MapNode):
            faults.at(self.node, "a test must be a mapping", "begin with - title: ...")
            return None
        before = len(faults.errors)
        own = faults.keys(self.node, TEST, "a test")
        self.keys = {**self.defaults, **own}
        if "rule" in own or "rules" in own:  # its own choice takes the place of the default, however each is written
            kept = self.keys.items()
            self.keys = {name: entry for name, entry in kept if name in own or name not in ("rule", "rules")}
        title = self._title()
        self.rules = self._rules()
        start_ms = self._start()
        self.timeline = Timeline(start_ms, self.zone_ms)
        if not self.rules:
            return None
        series = self._series(own)
        outcome = OutcomeReader(self.rules, self._rule, self.timeline, faults)
        deeds = tuple(deed for node in self._list("acts") if (deed := outcome.deed(node)) is not None)
        expectations = self._expectations(outcome)
        until_ms, last_ms = self._until(series, deeds, expectations)
        if len(faults.errors) > before:
            return None
        return Fixture(
            title=title,
            place=Place(faults.file, self.node.line, self.node.column),
            rules=tuple(rule.id for rule in self.rules),
            timeline=self.timeline,
            until_ms=until_ms,
            last_ms=last_ms,
            puts=tuple(series.puts),
            deeds=deeds,
            expectations=expectations,
            receipts=self._receipts(),
        )

    # --- the test as a whole

    def _list(self, name: str) -> tuple[Node, ...]:
        if name not in self.keys:
            return ()
        node = self.keys[name][1]
        if isinstance(node, SeqNode):
            return node.items
        if not (isinstance(node, Scalar) and node.is_null):
            self.faults.at(node, f"{name} must be a list", "each entry begins with a hyphen")
        return ()

    def _title(self) -> str:
        if "title" not in self.keys:
            self.faults.at(self.node, "the test has no title", "say what it shows, such as title: 小时均值 101，黄色")
            return ""
        node = self.keys["title"][1]
        if not isinstance(node, MapNode):
            return self.faults.text(node, "title", "a text with a colon or a comma may need quotes") or ""
        languages = self.faults.keys(node, ("zh", "en"), "a title")
        return " · ".join(filter(None, (self.faults.text(value, "title") for _, value in languages.values())))

    def _rules(self) -> tuple[Rule, ...]:
        if "rule" in self.keys and "rules" in self.keys:
            self.faults.at(self.keys["rules"][0], "a test has rule or rules, not both")
        if "rules" in self.keys:
            found = [self._rule(node) for node in self._list("rules")]
            if not found:
                self.faults.at(self.keys["rules"][0], "rules is empty", "name the rules that are tested")
            return tuple({rule.id: rule for rule in found if rule is not None}.values())
        if "rule" in self.keys:
            rule = self._rule(self.keys["rule"][1])
            return () if rule is None else (rule,)
        beside = PurePath(self.faults.file).name.removesuffix(".yml").removesuffix(".yaml").removesuffix(".test")
        own = [rule for rule in self.known.values() if PurePath(rule.place.file).stem == beside]
        if len(own) == 1:
            return (own[0],)
        self.faults.at(
            self.node, "the test has no rule", "say rule: ID here, or under defaults for all tests of the file"
        )
        return ()

    def _rule(self, node: Node) -> Rule | None:
        text = self.faults.text(node, "rule", "the id of a rule")
        if text is None:
            return None
        if text not in self.known:
            self.faults.at(node, f"no rule {text[:60]!r} in this directory", did_you_mean(text, self.known))
        return self.known.get(text)

    def _start(self) -> int:
        node = self.keys["start"][1] if "start" in self.keys else Scalar(DEFAULT_START, "", 0, 0)
        text = self.faults.text(node, "start")
        try:
            return parse_moment(text or DEFAULT_START, self.zone_ms)
        except ValueError as error:
            self.faults.at(node, f"start: {error}", f"such as {DEFAULT_START}")
            return parse_moment(DEFAULT_START, self.zone_ms)

    def _receipts(self) -> bool:
        if "receipts" not in self.keys:
            return True
        node = self.keys["receipts"][1]
        truth = node.boolean() if isinstance(node, Scalar) else None
        if truth is None:
            self.faults.at(node, "receipts must be true or false")
        return truth is not False

    def _series(self, own: Keys) -> SeriesReader:
        shared: dict[str, tuple[Scalar, Node]] = {}
        for keys in (self.defaults, own):
            if "event" in keys:
                shared |= self._shared(keys["event"][1])
        # of alerts there are no events of their own: they come of what the rules below say
        feeds = {feed for rule in self.rules for feed in rule.feeds} & set(self.ruleset.catalog.feeds)
        feed = next(iter(feeds)) if len(feeds) == 1 else None
        series = SeriesReader(self.timeline, self.ruleset.catalog, feed, shared, self.faults)
        if "events" not in self.keys:
            self.faults.at(self.node, "the test has no events", "a list under events:, [] for none")
        for node in self._list("events"):
            series.read(node)
        return series

    def _shared(self, node: Node) -> Keys:
        if not isinstance(node, MapNode):
            self.faults.at(node, "event must be a mapping", "of what all events share, such as {metric: w01018}")
            return {}
        for key, _ in node:
            if key.text in WORDS and key.text not in SHARED_WORDS:
                self.faults.at(key, f"{key.text} is said of each entry under events")
        return {key.text: (key, value) for key, value in node}

    def _until(
        self, series: SeriesReader, deeds: tuple[Deed, ...], expectations: tuple[Expectation, ...]
    ) -> tuple[int, int]:
        """How far the test looks, and how far closings must be expected: as written, else as :class:`Fixture` says."""
        events_ms = max((put.receipt_ms for put in series.puts), default=self.timeline.start_ms)
        moments = [*(deed.at_ms for deed in deeds), *(e.moment.to_ms for e in expectations if e.moment)]
        last_ms = max([events_ms, *moments])
        if "until" not in self.keys:
            reach_ms = max(span_ms(rule, self.known, series.feeds) for rule in self.rules)
            # a closing at any time: as long as the rule takes for it
            closing = [
                self.known[e.rule] for e in expectations if e.type == "closed" and e.moment is None and not e.never
            ]
            reach_ms += max((rule.clear_after_ms or 0 for rule in closing), default=0)
            return max(events_ms + reach_ms, last_ms), last_ms
        node = self.keys["until"][1]
        until_ms = self.faults.moment_of(node, "until", self.timeline)
        if until_ms is None:
            return last_ms, last_ms
        for expectation in expectations:
            if expectation.moment and expectation.moment.to_ms > until_ms:
                place = expectation.place
                self.faults.at(
                    Scalar("", "", place.line, place.column),
                    f"{expectation.moment.text} is after until, which is as far as the test goes",
                    "say a later until",
                )
        return until_ms, until_ms

    def _expectations(self, outcome: OutcomeReader) -> tuple[Expectation, ...]:
        if "expect" not in self.keys:
            self.faults.at(
                self.node, "the test expects nothing, and does not say so", "a list under expect:, or expect: nothing"
            )
            return ()
        node = self.keys["expect"][1]
        if isinstance(node, Scalar) and node.text == "nothing":
            return ()
        if not isinstance(node, SeqNode):
            self.faults.at(node, "expect must be a list, or the word nothing", "such as - {opens: 1h, severity: red}")
            return ()
        return tuple(expectation for item in node.items for expectation in outcome.expectation(item))
