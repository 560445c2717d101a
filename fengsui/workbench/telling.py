"""What came of fixtures, in words: the difference of a failed one by time, the counts, and what no fixture shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.comparison import Difference, Row
from fengsui.workbench.coverage import Coverage
from fengsui.workbench.fixture import Expectation, Fixture
from fengsui.workbench.outcome_reader import TYPES
from fengsui.workbench.probe import Seen
from fengsui.workbench.trial import Verdict
from fengsui.workbench.wants import tell_value
from fengsui.workbench.width import padded, width

_WORDS = {type_: word for word, type_ in TYPES.items()}
_MARKS = {"same": " ", "differs": "≠", "missing": "-", "unexpected": "+", "forbidden": "!"}
COLOURS = {"same": None, "differs": "yellow", "missing": "red", "unexpected": "red", "forbidden": "red"}
_REMARKS = {
    "same": "",
    "differs": "不符 · differs",
    "missing": "没有发生 · did not happen",
    "unexpected": "没有预期 · not expected",
    "forbidden": "不应发生 · must not happen",
}
#: Names of rules in one line of the coverage; more are counted.
_MOST_NAMES = 12

#: Columns after which remarks no longer stand in one line under each other.
_WIDE = 56
#: ... and after which two values no longer stand in one.
_LONG = 76

Line = tuple[str, str | None]


def tell_failure(verdict: Verdict) -> Iterator[Line]:
    """(text, colour or None) of each line: what was expected and what happened, in one order of time."""
    fixture = verdict.fixture
    yield f"失败 · FAILED  {fixture.title}", "red"
    yield f"  {fixture.place.file}:{fixture.place.line}  {', '.join(fixture.rules)}", None
    for problem in verdict.problems:
        yield f"  {problem}", "red"
    shown = [(row, _time(row, fixture), _what(row, fixture)) for row in verdict.rows]
    times = max((len(time) for _, time, _ in shown), default=0)
    wide = min(_WIDE, max((width(what) for _, _, what in shown), default=0))
    for row, time, what in shown:
        place = f"{fixture.place.file}:{row.expectation.place.line}" if row.expectation else ""
        remark = "  ".join(filter(None, (_REMARKS[row.kind], place if row.kind != "same" else "")))
        yield f"  {_MARKS[row.kind]} {time:<{times}}  {padded(what, wide)}  {remark}".rstrip(), COLOURS[row.kind]
        for line in _details(row, verdict):
            yield f"    {'':<{times}}  {line}", None
    notes = _notes(verdict)
    if notes:
        yield f"  {notes}", None


def _time(row: Row, fixture: Fixture) -> str:
    """As the engine saw it, else as it was written."""
    if row.at_ms is None:
        return "any"
    return fixture.timeline.tell(row.at_ms)


def _what(row: Row, fixture: Fixture) -> str:
    if row.transition is not None:
        return _happened(row.transition, fixture)
    assert row.expectation is not None
    return _expected(row.expectation, fixture)


def _happened(transition: Transition, fixture: Fixture) -> str:
    rule = f"{transition.rule} " if len(fixture.rules) > 1 else ""
    key = ", ".join(tell_value(value) for value in transition.key.values())
    return f"{rule}{_WORDS[transition.type]} {transition.severity}  {key}"


def _expected(expectation: Expectation, fixture: Fixture) -> str:
    rule = f"{expectation.rule} " if len(fixture.rules) > 1 else ""
    severity = next((want.text for name, want in expectation.fields if name == "severity"), "")
    key = ", ".join(want.text for _, want in expectation.key)
    return "  ".join(filter(None, (f"{rule}{_WORDS[expectation.type]} {severity}".rstrip(), key)))


def _details(row: Row, verdict: Verdict) -> Iterator[str]:
    """Under a pair that differs what differs; under what stands alone all that may explain it."""
    fixture = verdict.fixture
    if row.kind == "differs":
        for difference in row.differences:
            yield from _difference(difference, fixture)
    elif row.kind in ("unexpected", "forbidden") and row.transition is not None:
        measures = _measures(row.transition)
        if measures:
            yield measures
        reason = row.transition.reason
        if reason:
            yield f"reason {reason}"
    elif row.kind == "missing" and row.expectation is not None:
        for seen in verdict.seen.get(row.expectation, ()):
            yield _heard(seen, fixture) if seen.step else _judged(seen, row.expectation, fixture)


def _difference(difference: Difference, fixture: Fixture) -> Iterator[str]:
    """In one line, or where that grows long with the two values one below the other."""
    got = difference.got
    told = fixture.timeline.tell(got) if difference.name == "at" and isinstance(got, int) else tell_value(got)
    name, wanted, happened = f"{difference.name}:", f"预期 · expected {difference.wanted}", f"实际 · happened {told}"
    if width(wanted) + width(happened) <= _LONG:
        yield f"{name} {wanted}, {happened}"
    else:
        yield f"{name} {wanted}"
        yield f"{' ' * len(name)} {happened}"


def _judged(seen: Seen, expectation: Expectation, fixture: Fixture) -> str:
    """The evaluation that should have brought it, or why there was none."""
    last = seen.last
    if last is None:
        return "规则没有可判定的事件 · the rule had nothing to judge by then: see feed, where, by, and how long windows take"
    at_ms = parse_instant(last.at)
    if expectation.moment and expectation.moment.from_ms <= at_ms:
        return f"那时 · then: {_measures(last) or 'true'}"
    return f"最后一次判定 · last judged {fixture.timeline.tell(at_ms)}: {_measures(last) or 'true'}"


def _heard(seen: Seen, fixture: Fixture) -> str:
    """How many events of a step had come by then."""
    if seen.last is None:
        return f"{seen.step}: 没有事件 · no event"
    told = fixture.timeline.tell(parse_instant(seen.last.at))
    return f"{seen.step}: {seen.count} 条 · {_some(seen.count, 'event')}, 最后 · last {told}"


def _measures(transition: Transition) -> str:
    return ", ".join(f"{name} {tell_value(value)}" for name, value in transition.measures.items())


def _notes(verdict: Verdict) -> str:
    """What became of events that the rule never judged."""
    counts = [
        (verdict.late, "条迟到 · late"),
        (verdict.keyless, "条缺少分组字段 · without their key"),
        (verdict.duplicate, "条重复 · repeated"),
    ]
    told = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"事件 · events: {told}" if told else ""


def tell_counts(verdicts: Sequence[Verdict], rules: int, seconds: float) -> Line:
    failed = sum(not verdict.passed for verdict in verdicts)
    files = len({verdict.fixture.place.file for verdict in verdicts})
    said = f"in {_some(files, 'file')} over {_some(rules, 'rule')}, {seconds:.1f} s"
    if failed:
        return f"{failed} 个用例失败 · {failed} of {_some(len(verdicts), 'test')} failed, {said}", "red"
    return f"用例全部通过 · all {_some(len(verdicts), 'test')} passed, {said}", "green"


def tell_coverage(coverage: Coverage) -> Iterator[Line]:
    """One line where nothing is left to show, and one more for each kind of gap."""
    fired, quiet = coverage.rules - len(coverage.unfired), coverage.rules - len(coverage.unquiet)
    rungs = ""
    if coverage.rungs:
        reached, spared = coverage.rungs - len(coverage.unreached), coverage.rungs - len(coverage.unspared)
        rungs = f"; 分级 · rungs: {reached}/{coverage.rungs} reached, {spared}/{coverage.rungs} not"
    yield (
        f"覆盖 · coverage: {fired}/{coverage.rules} rules with a test that fires, {quiet}/{coverage.rules} with one that does not{rungs}",
        None if coverage.whole else "yellow",
    )
    gaps = [
        ("没有触发的用例 · none that fires", coverage.unfired),
        ("没有不触发的用例 · none that does not fire", coverage.unquiet),
        ("没有用例到达的分级 · rungs that none reaches", _rungs(coverage.unreached, coverage.unfired)),
        ("每个用例都到达的分级 · rungs that all reach", _rungs(coverage.unspared, coverage.unfired)),
    ]
    for what, names in gaps:
        if names:
            more = f", … {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            yield f"  {what}: {', '.join(names[:_MOST_NAMES])}{more}", None


def _rungs(rungs: Sequence[tuple[str, str]], unfired: Sequence[str]) -> tuple[str, ...]:
    """Rules that never fire are named as a whole."""
    return tuple(f"{rule} {severity}" for rule, severity in rungs if rule not in unfired)


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
