"""A rule, and the means to speak of it in one language: what the parts of an explanation share."""

from __future__ import annotations

from events.feeds import FeedCatalog
from events.transition import SEVERITIES
from rules.model import Expr, Rule
from rules.words.expression import Teller
from rules.words.lexicon import SEVERITY, duration, every, listed, side_by_side
from rules.words.names import TONGUES, event_names, feed_title, field_name, names_of
from rules.words.said import Language
from rules.words.section import Line


class Speaker:
    """``say`` takes the same sentence in both languages, so that they stand side by side in the code."""

    def __init__(self, rule: Rule, catalog: FeedCatalog, language: Language) -> None:
        self.rule = rule
        self.catalog = catalog
        self.language = language
        self.tongue = TONGUES[language]

    def say(self, zh: str, en: str) -> str:
        return zh if self.language == "zh" else en

    def time(self, ms: int) -> str:
        return duration(ms, self.language)

    def every(self, ms: int) -> str:
        return every(ms, self.language)

    def feed(self, name: str) -> str:
        """The feed's title, quoted."""
        return feed_title(self.catalog, name, self.language)

    def named_feed(self, name: str) -> str:
        """With the name by which the API and the rules know it."""
        return self.feed(name) + self.say(f"（{name}）", f" ({name})")

    def field(self, name: str, feed: str = "") -> str:
        return field_name(self.catalog, feed or self.rule.feed, name, self.language).text

    def fields(self, names: tuple[str, ...], last: tuple[str, str] = ("和", "and")) -> str:
        return listed([self.field(name) for name in names], self.language, last=self.say(*last))

    def severity(self, word: str) -> str:
        return SEVERITY[self.language][word]

    def severities(self, words: frozenset[str]) -> str:
        ordered = [SEVERITY[self.language][word] for word in SEVERITIES if word in words]
        return listed(ordered, self.language, last=self.say("和", "and"))

    def key(self, zh: str, en: str) -> str:
        """What a rule judges one by one; ``zh``, ``en``: the word before it (每个, each)."""
        by = self.rule.by
        if by == ("feed",):
            return self.say("整类数据", "the feed as a whole")
        return self.say(f"{zh}{self.fields(by)}", f"{en} {self.fields(by).replace('the ', '')}")

    def clause(self, expr: Expr, feed: str | None = None) -> str:
        """A condition as one clause: over a feed's events where one is named, else as ``when`` reads it."""
        return self._teller(feed).condition_of(expr.text)

    def condition(self, lead_one: str, lead_all: str, lead_any: str, expr: Expr, feed: str | None = None) -> Line:
        """A condition with its topmost parts in a list. ``lead_one`` ends where the only part begins."""
        word, parts = self._teller(feed).conditions_of(expr.text)
        if not word:
            return Line(self.stop(f"{lead_one}{parts[0]}"))
        return Line(lead_all if word == "and" else lead_any, tuple(parts))

    def _teller(self, feed: str | None) -> Teller:
        if feed is not None:
            return Teller(event_names(self.catalog, feed, self.language), self.tongue)
        return Teller(names_of(self.rule, self.catalog, self.language), self.tongue)

    def beside(self, *parts: str) -> str:
        """Chinese parts with a space where a figure or Latin letter meets Chinese."""
        return side_by_side(*parts)

    def stop(self, text: str) -> str:
        """With its full stop."""
        return text + self.say("。", ".")
