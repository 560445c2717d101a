"""Expressions in English."""

from __future__ import annotations

from collections.abc import Sequence

from rules.words.lexicon import listed, number
from rules.words.said import Language, Sort
from rules.words.tongue import Tongue

_SIGNS: dict[str, dict[str, str]] = {
    "number": {
        "=": "equals",
        "<>": "does not equal",
        "<": "is below",
        "<=": "is at most",
        ">": "is above",
        ">=": "is at least",
    },
    "count": {
        "=": "is",
        "<>": "is not",
        "<": "is less than",
        "<=": "is at most",
        ">": "is more than",
        ">=": "is at least",
    },
    "time": {
        "=": "is",
        "<>": "is not",
        "<": "is before",
        "<=": "is not after",
        ">": "is after",
        ">=": "is not before",
    },
    "string": {
        "=": "is",
        "<>": "is not",
        "<": "sorts before",
        "<=": "does not sort after",
        ">": "sorts after",
        ">=": "does not sort before",
    },
}
_CALLED = {
    "lower": "{} (in any case of letters)",
    "upper": "{} (in any case of letters)",
    "length": "the number of characters in {}",
    "abs": "the absolute value of {}",
    "round": "{} (rounded)",
    "hour": "the hour of {}",
    "weekday": "the weekday of {}",
    "day": "the day of the month of {}",
    "month": "the month of {}",
}
_AGGREGATED = {
    "sum": "the sum of {}",
    "avg": "the mean {}",
    "min": "the lowest {}",
    "max": "the highest {}",
    "stddev": "the standard deviation of {}",
    "median": "the median {}",
    "first": "the first {}",
    "last": "the latest {}",
    "count": "the number of events with {}",
    "distinct": "the number of different values of {}",
}
#: Of what is more than a name.
_AGGREGATED_LOOSE = {
    "sum": "the sum over all events of {}",
    "avg": "the mean of {}",
    "min": "the least of {}",
    "max": "the greatest of {}",
    "median": "the median of {}",
    "first": "in the first event {}",
    "last": "in the latest event {}",
}


class English(Tongue):
    language: Language = "en"

    def joined(self, parts: Sequence[str], word: str) -> str:
        return f", {word} ".join(parts)

    def bracket(self, text: str) -> str:
        return f"({text})"

    def denied(self, text: str) -> str:
        return f"not ({text})"

    def compared(self, left: str, sign: str, right: str, sort: Sort) -> str:
        words = _SIGNS.get(sort if sort != "boolean" else "string", _SIGNS["number"])
        return f"{left} {words[sign]} {right}"

    def between(self, value: str, low: str, high: str, *, negated: bool) -> str:
        return f"{value} is {'not ' if negated else ''}from {low} to {high}"

    def at_hours(self, time: str, sign: str, hour: int, until: int | None = None, *, negated: bool = False) -> str:
        if until is not None or sign in ("=", "<>"):
            no = "not " if negated or sign == "<>" else ""
            return f"{time} is {no}within {hour}:00–{hour if until is None else until}:59"
        if sign in (">", ">="):
            return f"{time} is {hour + (sign == '>')}:00 or later"
        return f"{time} is before {hour + (sign == '<=')}:00"

    def apart(self, sign: str, later: str, earlier: str, span: str) -> str:
        return f"the time from {earlier} to {later} {_SIGNS['count'][sign]} {span}"

    def apart_between(self, later: str, earlier: str, low: str, high: str, *, negated: bool) -> str:
        return f"the time from {earlier} to {later} is {'not ' if negated else ''}from {low} to {high}"

    def one_of(self, value: str, options: Sequence[str], *, negated: bool) -> str:
        if len(options) == 1:
            return f"{value} is {'not ' if negated else ''}{options[0]}"
        if negated:
            return f"{value} is none of {listed(options, 'en', last='and')}"
        return f"{value} is one of {listed(options, 'en', last='and')}"

    def in_file(self, value: str, file: str, column: str | None, *, negated: bool) -> str:
        where = f"column {column} of " if column else ""
        return f"{value} is {'not ' if negated else ''}in {where}the list {file}"

    def missing(self, value: str, *, negated: bool) -> str:
        return f"there is {_article(value) if negated else 'no'} {_bare(value)}"

    def matches(self, value: str, how: str, text: str, *, negated: bool) -> str:
        quoted = self.quoted(text)
        verb, no = {
            "contains": ("contains", "does not contain"),
            "begins": ("begins with", "does not begin with"),
            "ends": ("ends with", "does not end with"),
            "is": ("is", "is not"),
            "like": ("is like", "is not like"),
            "pattern": ("matches the regular expression", "does not match the regular expression"),
        }[how]
        aside = " (% stands for any text, _ for one character)" if how == "like" else ""
        return f"{value} {no if negated else verb} {quoted}{aside}"

    def contains_any(self, value: str, words: Sequence[str], *, negated: bool) -> str:
        quoted = [self.quoted(word) for word in words]
        return f"{value} contains {'none' if negated else 'one'} of {listed(quoted, 'en', last='and')}"

    def truth(self, value: str, *, holds: bool) -> str:
        return f"{value} is {'true' if holds else 'false'}"

    def always(self, *, holds: bool) -> str:
        return "it always holds" if holds else "it never holds"

    def quoted(self, text: str) -> str:
        return f"“{text}”"

    def times(self, value: str, factor: float) -> str:
        if factor > 1:
            return f"{number(factor)} times {value}"
        return f"{number(round(factor * 100, 6))}% of {value}"

    def arithmetic(self, sign: str, left: str, right: str) -> str:
        if sign == "%":
            return f"the remainder of {left} divided by {right}"
        if sign == "||":
            return f"{left} followed by {right}"
        word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[sign]
        return f"{left} {word} {right}"

    def ratio(self, left: str, right: str) -> str:
        return f"the ratio of {left} to {right}"

    def difference(self, later: str, earlier: str) -> str:
        return f"the seconds from {earlier} to {later}"

    def minus(self, value: str) -> str:
        return f"minus {value}"

    def choice(self, cases: Sequence[tuple[str, str]], default: str | None) -> str:
        said = "; ".join(f"{value} where {condition}" for condition, value in cases)
        rest = f"; otherwise {default}" if default is not None else ""
        return f"[{said}{rest}]"

    def or_else(self, values: Sequence[str]) -> str:
        first, *others = values
        return f"{first} (where there is none: {', else '.join(others)})"

    def extreme(self, values: Sequence[str], *, greatest: bool) -> str:
        word = ("greater" if greatest else "lesser") if len(values) == 2 else ("greatest" if greatest else "least")
        return f"the {word} of {listed(values, 'en', last='and')}"

    def looked_up(self, file: str, column: str, keys: Sequence[str]) -> str:
        return f"the column {column} that the table {file} has for {listed(keys, 'en', last='and')}"

    def called(self, function: str, arguments: Sequence[str]) -> str:
        return _CALLED[function].format(arguments[0])

    def aggregated(
        self, op: str, value: str, quantile: float | None = None, *, span: str = "", loose: bool = False
    ) -> str:
        if op == "quantile":
            assert quantile is not None
            return f"the {number(round(quantile * 100, 6))}% quantile of {value}"
        if loose and op in _AGGREGATED_LOOSE:
            return _AGGREGATED_LOOSE[op].format(value)
        return (
            f"the {span} mean {_bare(value)}"
            if span
            else _AGGREGATED[op].format(value if " of {}" in _AGGREGATED[op] else _bare(value))
        )

    def events(self, condition: str | None = None) -> str:
        return "the number of events" if condition is None else f"the number of events (where {condition})"

    def earlier(self, value: str) -> str:
        return f"the earlier {_bare(value)}"

    def windows(self, value: str | None = None) -> str:
        return "the number of earlier windows" + (f" with {_bare(value)}" if value else "")

    def nothing(self) -> str:
        return "nothing"


def _article(text: str) -> str:
    """The indefinite article of a name.

    >>> _article("the on-board alarm"), _article("the limit")
    ('an', 'a')
    """
    return "an" if _bare(text)[:1] in "aeio" else "a"


def _bare(text: str) -> str:
    """Without its article."""
    return text.removeprefix("the ")
