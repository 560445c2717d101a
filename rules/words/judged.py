"""What the parts of a condition came to, in words: each with its values and whether it held."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.expressions.parts import Operand
from rules.findings import Finding
from rules.words.expression import Names, Teller
from rules.words.said import Language
from rules.words.tongue import Tongue

COVERED = "●●●"
_MOST_CHARS = 60


def instant(ms: int, zone_ms: int) -> str:
    """An instant in local time, with milliseconds only where there are some.

    >>> instant(1767225600000, 28800000), instant(1767225600250, 0)
    ('2026-01-01 08:00:00', '2026-01-01 00:00:00.250')
    """
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms + zone_ms)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{ms % 1000:03d}" if ms % 1000 else "")


def value(given: Any, language: Language, *, is_time: bool = False, zone_ms: int = 0) -> str:
    """A value as people write it.

    >>> value(61.234567, "zh"), value(1200000.0, "en"), value("甲厂", "zh"), value(None, "en"), value(True, "zh")
    ('61.2346', '1,200,000', '“甲厂”', 'missing', '是')
    """
    if given is None:
        return "没有值" if language == "zh" else "missing"
    if isinstance(given, bool):
        return {"zh": "是" if given else "否", "en": "true" if given else "false"}[language]
    if is_time and isinstance(given, int):
        return instant(given, zone_ms)
    if isinstance(given, int | float):
        if float(given).is_integer() and abs(given) < 1e15:
            return f"{int(given):,}" if abs(given) >= 10_000 else str(int(given))
        return f"{given:,.2f}" if abs(given) >= 10_000 else f"{given:.6g}"
    text = str(given)
    return f"“{text if len(text) <= _MOST_CHARS else text[: _MOST_CHARS - 1] + '…'}”"


class Verdicts:
    """``names``: what the clause calls a name; ``labels``: what stands before its value. ``covered``: names of personal data."""

    def __init__(
        self,
        names: Names,
        labels: Callable[[str], str],
        tongue: Tongue,
        *,
        zone_ms: int,
        covered: Collection[str] = (),
    ) -> None:
        self._teller = Teller(names, tongue)
        self._names = names
        self._labels = labels
        self._language: Language = tongue.language
        self._zone_ms = zone_ms
        self._covered = covered

    def lines(self, finding: Finding) -> list[str]:
        """A line for each part; those of an inner OR or AND are set in below it."""
        if finding.part.op == "and":
            return [line for part in finding.parts for line in self._lines(part, 0)]
        return self._lines(finding, 0)

    def brief(self, finding: Finding) -> str:
        """The whole condition as one clause with its values."""
        clause = self._teller.condition(finding.part.node)
        values = [self._value(operand, given) for operand, given in _operands(finding)]
        return f"{clause}{self._bracket(values)}"

    def _lines(self, finding: Finding, depth: int) -> list[str]:
        mark, word = self._verdict(holds=finding.holds)
        space = "  " * depth
        if finding.part.op:
            zh, en = (
                ("满足任一项即可", "one of these is enough")
                if finding.part.op == "or"
                else ("须全部满足", "all of these")
            )
            lead = f"{zh} → {word}" if self._language == "zh" else f"{en} → {word}"
            return [
                f"{space}{mark} {lead}",
                *(line for part in finding.parts for line in self._lines(part, depth + 1)),
            ]
        clause = self._teller.condition(finding.part.node)
        values = self._bracket([self._value(operand, given) for operand, given in finding.values])
        return [f"{space}{mark} {clause}{values} → {word}"]

    def _verdict(self, *, holds: bool | None) -> tuple[str, str]:
        if holds is None:
            return "?", "缺值，不算成立" if self._language == "zh" else "a value is missing, so it does not hold"
        if holds:
            return "✓", "成立" if self._language == "zh" else "holds"
        return "✗", "不成立" if self._language == "zh" else "does not hold"

    def _bracket(self, values: list[str]) -> str:
        if not values:
            return ""
        return f"（{'，'.join(values)}）" if self._language == "zh" else f" ({', '.join(values)})"

    def _value(self, operand: Operand, given: Any) -> str:
        name = operand.name
        if name is None:
            return f"{self._teller.value(operand.node).text} = {value(given, self._language)}"
        if name in self._covered and given is not None:
            return f"{self._labels(name)} = {COVERED}"
        is_time = self._names(name).sort == "time"
        return f"{self._labels(name)} = {value(given, self._language, is_time=is_time, zone_ms=self._zone_ms)}"


def _operands(finding: Finding) -> list[tuple[Operand, Any]]:
    """Of all parts, each name once."""
    found: dict[str, tuple[Operand, Any]] = {}
    stack = [finding]
    while stack:
        one = stack.pop(0)
        stack = [*one.parts, *stack]
        for operand, given in one.values:
            found.setdefault(operand.name or operand.node.sql(), (operand, given))
    return list(found.values())
