"""The baselines of a rule: earlier windows, and the measures that hold this window against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rules.errors import did_you_mean
from rules.expressions import Scope
from rules.model import Baseline, Measure, Type, Window
from rules.reader.reading import Reading
from rules.reader.windows import compiled_measures
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node
from rules.yaml_source import Sequence as SeqNode

MAX_BASELINES: Final = 8
#: Windows that a baseline may reach back.
MAX_DEPTH: Final = 5_000
_KEYS: Final = ("last", "skip", "every", "measure")
_SUCH_AS: Final = "such as baseline: {last: 7, measure: {mean: avg(n), sd: stddev(n)}}"


def read_baselines(
    reading: Reading, window: Window | None, measures: tuple[Measure, ...], by: tuple[str, ...]
) -> tuple[Baseline, ...]:
    """Each baseline sees the measures of the window and of the baselines before it."""
    report = reading.report
    key, value = reading.keys["baseline"]
    items = value.items if isinstance(value, SeqNode) else (value,)
    if not 1 <= len(items) <= MAX_BASELINES:
        report.at(key, f"a rule has 1 to {MAX_BASELINES} baselines", _SUCH_AS)
        return ()
    if window is not None and window.shape not in ("tumbling", "hopping"):
        report.at(key, f"a baseline goes with a tumbling or hopping window, not with a {window.shape} one")
        return ()
    found: list[Baseline] = []
    canons: list[object] = []
    known = {measure.name: measure.expr.type for measure in measures}
    for item in items:
        baseline, canon = _baseline(reading, item, window, known, by)
        canons.append(canon)
        if baseline is not None:
            found.append(baseline)
            known |= {measure.name: measure.expr.type for measure in baseline.measures}
    reading.meaning["baseline"] = canons
    return tuple(found)


def _baseline(
    reading: Reading, item: Node, window: Window | None, known: dict[str, Type], by: tuple[str, ...]
) -> tuple[Baseline | None, object]:
    report = reading.report
    if not isinstance(item, MapNode):
        report.at(item, "a baseline is a mapping", _SUCH_AS)
        return None, None
    given = {name.text: (name, node) for name, node in item}
    for name, _ in item:
        if name.text not in _KEYS:
            hint = did_you_mean(name.text, _KEYS) or "a baseline has last, skip, every and measure"
            report.at(name, f"unknown key {name.text[:40]!r} in a baseline", hint)
    if "last" not in given or "measure" not in given:
        lacking = " and ".join(name for name in ("last", "measure") if name not in given)
        report.at(item, f"the baseline has no {lacking}", _SUCH_AS)
        return None, None
    last = reading.whole("last", given["last"][1], least=1, most=MAX_DEPTH)
    skip = reading.whole("skip", given["skip"][1], least=0, most=MAX_DEPTH) if "skip" in given else 0
    every = window.size_ms if window else 0
    if "every" in given:
        every = reading.duration_of("every", given["every"][1])
    if window is not None:
        _check_reach(reading, given["every"][1] if "every" in given else item, window, every, last + skip)
    plain, earlier = _scopes(reading, known, by)
    key, value = given["measure"]
    measures, canons = compiled_measures(
        reading,
        key,
        value,
        (*by, *known),
        lambda name, text: reading.setting.measure(name, text, earlier, beside=plain),
    )
    return Baseline(last, skip, every, measures), [last, skip, every, canons]


def _scopes(reading: Reading, known: Mapping[str, Type], by: tuple[str, ...]) -> tuple[Scope, Scope]:
    """The names of this window, and those that the earlier windows are remembered by: numbers only."""
    types: dict[str, Type] = {name: reading.by_types.get(name) or "null" for name in by}
    remembered = {name: type_ for name, type_ in known.items() if type_ != "string"}
    barred = {
        name: "earlier windows are remembered by their numbers" for name in (*types, *known) if name not in remembered
    }
    tables = reading.setting.tables
    return (
        Scope(types | dict(known), "the window", "has no such measure", tables=tables),
        Scope(remembered, "the earlier windows", "have no such measure", barred=barred, tables=tables),
    )


def _check_reach(reading: Reading, node: Node, window: Window, every_ms: int, windows: int) -> None:
    report = reading.report
    if every_ms < window.size_ms:
        report.at(node, "every is shorter than the window: a window would be held against a part of itself")
    elif every_ms % window.every_ms:
        report.at(node, "every must be a multiple of the step of the windows", "such as every: 1d for hourly windows")
    elif windows * every_ms // window.every_ms > MAX_DEPTH:
        report.at(node, f"the baseline reaches back more than {MAX_DEPTH:,} windows", "take fewer or longer windows")
