"""What the names in a rule's expressions are called: fields by their titles in the catalogue, measures by what they measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from events.event import ENVELOPE
from events.feeds import ALERT_FEED, FeedCatalog
from rules.expressions.tree import parse
from rules.model import Measure, Rule
from rules.words.chinese import Chinese
from rules.words.english import English
from rules.words.expression import Names, Teller
from rules.words.lexicon import ALERT_GLOSSARY, ENVELOPE_WORDS, UNITS_EN, duration, title
from rules.words.said import Language, Name, Sort
from rules.words.tongue import Tongue

TONGUES: dict[Language, Tongue] = {"zh": Chinese(), "en": English()}
#: A measure whose words are longer, or of several clauses, goes by its name.
_MOST_CHARS: dict[Language, int] = {"zh": 18, "en": 48}
_SPANS: dict[Language, dict[int, str]] = {
    "zh": {3_600_000: "小时", 86_400_000: "日", 604_800_000: "周"},
    "en": {3_600_000: "hourly", 86_400_000: "daily", 604_800_000: "weekly"},
}
#: Aggregates that give a value of the field itself.
_PICKING = frozenset({"min", "max", "avg", "first", "last", "median"})


@dataclass(frozen=True)
class NamedMeasure:
    """A measure: its name, what it is called within a condition, and what it is worked out from."""

    name: str
    called: Name
    words: str


def event_names(catalog: FeedCatalog, feed: str, language: Language) -> Names:
    """Fields of a feed's events."""

    def name(field: str) -> Name:
        return field_name(catalog, feed, field, language)

    return name


def field_name(catalog: FeedCatalog, feed: str, field: str, language: Language) -> Name:
    place = 0 if language == "zh" else 1
    declared = catalog.feed(feed).fields.get(field)
    if declared is not None:
        unit = UNITS_EN.get(declared.unit, declared.unit) if language == "en" else declared.unit
        text = title(declared.title[language], language)
        if declared.type == "time" and language == "en":  # many are no nouns: Expires, To be put right by
            text = f"“{text.removeprefix('the ')}”"
        glossary = ALERT_GLOSSARY.get(field, {}) if feed == ALERT_FEED and language == "zh" else {}
        counts = declared.title["zh"].endswith("数") and declared.type in ("integer", "number")
        return Name(text, "count" if counts else _sort(declared.type), unit, glossary)
    if field in ENVELOPE_WORDS:
        return Name(ENVELOPE_WORDS[field][place], _sort(ENVELOPE[field]))
    return Name(field)


def _sort(kind: str) -> Sort:
    return "number" if kind == "integer" else kind if kind in ("string", "number", "boolean", "time") else "none"  # type: ignore[return-value]


def feed_title(catalog: FeedCatalog, feed: str, language: Language) -> str:
    text = catalog.feed(feed).title[language]
    return f"「{text}」" if language == "zh" else f"“{text}”"


def span_of(rule: Rule, language: Language) -> str:
    """The window as it stands before a mean: 小时, hourly, 30-minute; empty for sessions."""
    if rule.window is None or rule.window.shape == "session":
        return ""
    size = rule.window.size_ms
    if size in _SPANS[language]:
        return _SPANS[language][size]
    text = duration(size, language)
    return f" {text}" if language == "zh" else text.replace(" ", "-").removesuffix("s")


def measures_of(rule: Rule, catalog: FeedCatalog, language: Language) -> list[NamedMeasure]:
    """The measures of the window, in the order of the rule."""
    teller = Teller(event_names(catalog, rule.feed, language), TONGUES[language], span=span_of(rule, language))
    told = [(measure, teller.value_of(measure.expr.text)) for measure in rule.measures]
    texts = [said.text for _, said in told]
    out = []
    for measure, said in told:
        if _picked(measure) == measure.name:
            called = field_name(catalog, rule.feed, measure.name, language).text
        elif texts.count(said.text) > 1 or said.loose or _long(said.text, language):
            called = _quoted(measure.name, language)
        else:
            called = said.text
        out.append(NamedMeasure(measure.name, Name(called, said.sort, said.unit), said.text))
    return out


def baseline_measures_of(rule: Rule, catalog: FeedCatalog, language: Language) -> list[list[NamedMeasure]]:
    """The measures of each baseline: over earlier windows, and over what stands before them."""
    known = {measure.name: measure.called for measure in measures_of(rule, catalog, language)}
    out = []
    for baseline in rule.baseline:
        teller = Teller(_known_or_field(known, rule, catalog, language), TONGUES[language], over_windows=True)
        named = []
        for measure in baseline.measures:
            said = teller.value_of(measure.expr.text)
            plain = not measure.aggregates or said.loose or _long(said.text, language)
            called = _quoted(measure.name, language) if plain else said.text
            named.append(NamedMeasure(measure.name, Name(called, said.sort, said.unit), said.text))
        known |= {measure.name: measure.called for measure in named}
        out.append(named)
    return out


def _quoted(name: str, language: Language) -> str:
    return f"「{name}」" if language == "zh" else f"“{name}”"


def _long(text: str, language: Language) -> bool:
    return len(text) > _MOST_CHARS[language] or any(sign in text for sign in "，；〔[,;") or " and " in text


def _picked(measure: Measure) -> str | None:
    """The field whose value a measure is: ``limit`` of ``max(limit)``."""
    node = parse(measure.expr.text)
    if not isinstance(node, exp.Anonymous) or len(measure.aggregates) != 1 or measure.aggregates[0].op not in _PICKING:
        return None
    argument = node.expressions[0]
    return str(argument.name) if isinstance(argument, exp.Column) else None


def window_names(rule: Rule, catalog: FeedCatalog, language: Language) -> Names:
    """Measures, those of baselines too, and the fields of ``by``."""
    measures = measures_of(rule, catalog, language)
    for more in baseline_measures_of(rule, catalog, language):
        measures += more
    return _known_or_field({measure.name: measure.called for measure in measures}, rule, catalog, language)


def _known_or_field(known: Mapping[str, Name], rule: Rule, catalog: FeedCatalog, language: Language) -> Names:
    def name(text: str) -> Name:
        return known.get(text) or field_name(catalog, rule.feed, text, language)

    return name


def names_of(rule: Rule, catalog: FeedCatalog, language: Language) -> Names:
    """The names that ``when``, ``clear`` and ``severity`` of a rule read."""
    return (
        window_names(rule, catalog, language) if rule.window is not None else event_names(catalog, rule.feed, language)
    )
