"""What a language must be able to say of expressions; :mod:`rules.words.chinese` and :mod:`rules.words.english` say it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from rules.words.said import Language, Sort


class Tongue(ABC):
    """Phrases. Those for conditions give whole clauses, the others noun phrases."""

    language: Language

    # --- conditions

    @abstractmethod
    def joined(self, parts: Sequence[str], word: str) -> str:
        """``word``: and, or."""

    @abstractmethod
    def bracket(self, text: str) -> str: ...

    @abstractmethod
    def denied(self, text: str) -> str: ...

    @abstractmethod
    def compared(self, left: str, sign: str, right: str, sort: Sort) -> str: ...

    @abstractmethod
    def between(self, value: str, low: str, high: str, *, negated: bool) -> str: ...

    @abstractmethod
    def at_hours(self, time: str, sign: str, hour: int, until: int | None = None, *, negated: bool = False) -> str:
        """``hour(t) sign hour``; ``until`` makes it a range of whole hours."""

    @abstractmethod
    def apart(self, sign: str, later: str, earlier: str, span: str) -> str:
        """The time from ``earlier`` to ``later`` held against a duration."""

    @abstractmethod
    def apart_between(self, later: str, earlier: str, low: str, high: str, *, negated: bool) -> str: ...

    @abstractmethod
    def one_of(self, value: str, options: Sequence[str], *, negated: bool) -> str: ...

    @abstractmethod
    def in_file(self, value: str, file: str, column: str | None, *, negated: bool) -> str: ...

    @abstractmethod
    def missing(self, value: str, *, negated: bool) -> str: ...

    @abstractmethod
    def matches(self, value: str, how: str, text: str, *, negated: bool) -> str:
        """``how``: contains, begins, ends, is, like, pattern."""

    @abstractmethod
    def contains_any(self, value: str, words: Sequence[str], *, negated: bool) -> str: ...

    @abstractmethod
    def truth(self, value: str, *, holds: bool) -> str: ...

    @abstractmethod
    def always(self, *, holds: bool) -> str: ...

    # --- values

    @abstractmethod
    def quoted(self, text: str) -> str: ...

    @abstractmethod
    def times(self, value: str, factor: float) -> str: ...

    @abstractmethod
    def arithmetic(self, sign: str, left: str, right: str) -> str: ...

    @abstractmethod
    def ratio(self, left: str, right: str) -> str: ...

    @abstractmethod
    def difference(self, later: str, earlier: str) -> str:
        """Of two times."""

    @abstractmethod
    def minus(self, value: str) -> str: ...

    @abstractmethod
    def choice(self, cases: Sequence[tuple[str, str]], default: str | None) -> str: ...

    @abstractmethod
    def or_else(self, values: Sequence[str]) -> str: ...

    @abstractmethod
    def extreme(self, values: Sequence[str], *, greatest: bool) -> str: ...

    @abstractmethod
    def looked_up(self, file: str, column: str, keys: Sequence[str]) -> str: ...

    @abstractmethod
    def called(self, function: str, arguments: Sequence[str]) -> str:
        """lower, upper, length, abs, round, hour, weekday, day, month."""

    @abstractmethod
    def aggregated(
        self, op: str, value: str, quantile: float | None = None, *, span: str = "", loose: bool = False
    ) -> str:
        """sum, avg, min, max, stddev, median, quantile, first, last, count (of values), distinct.

        ``span``: what stands before a mean. ``loose``: the value is more than a name.
        """

    @abstractmethod
    def events(self, condition: str | None = None) -> str:
        """How many events (for which the condition holds)."""

    @abstractmethod
    def earlier(self, value: str) -> str:
        """An aggregate over earlier windows."""

    @abstractmethod
    def windows(self, value: str | None = None) -> str:
        """How many earlier windows (that have a value)."""

    @abstractmethod
    def nothing(self) -> str:
        """Null."""
