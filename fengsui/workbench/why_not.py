"""``rules explain --why-not``: which step kept a rule from opening an alert about a key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from events.decode import Decoder
from events.feeds import ALERT_FEED
from events.record import Record, Tick
from events.times import MAX_MS, MIN_MS
from fengsui.replaying import check_files, files_progress
from fengsui.settings import Settings
from fengsui.workbench.alert_rehearsal import MAX_WARM_UP_MS, rehearse_over_alerts
from fengsui.workbench.answer import Answer
from fengsui.workbench.backtest import RecordedRun, Span
from fengsui.workbench.explaining import rule_of
from fengsui.workbench.in_force import rule_in, rules_at, rules_now
from fengsui.workbench.instants import given_instant
from fengsui.workbench.keeping import Kept, kept
from fengsui.workbench.key_history import Gatherer, Until, gathered
from fengsui.workbench.playback import Playback
from fengsui.workbench.question import Question, key_of
from fengsui.workbench.reason import Reason
from fengsui.workbench.reasons import Reasons
from fengsui.workbench.rehearsal import Rehearsal
from fengsui.workbench.warm_up import warm_up_ms
from rules.load import load_catalog, load_rules, packs_directory
from rules.words.said import Language
from rules.words.section import Line, Section, as_text
from sinks.store.history import Outline


def why_not(name: str, key: str, at: str, files: Sequence[str], settings: Settings, language: Language) -> str:
    """Why the rule opened nothing. InputFault, SourceError, ServiceMissing, StoreError, RuleErrors, BadParameter."""
    at_ms = given_instant(at, "--at", zone=settings.zone)
    assert at_ms is not None
    if files:
        check_files(files, "-")
        ruleset = load_rules(settings.rules or packs_directory(), zone=settings.zone)
        rule = rule_of(ruleset, name)
        question = Question(ruleset, rule, key_of(key, rule, ruleset), at_ms)
        with files_progress(files, "查找 · looking") as progress:
            return _answered(
                question, RecordedRun(files, ruleset, Span()).records(progress), Until(MAX_MS), None, language
            )
    with kept(settings, load_catalog(settings.rules)) as holder:
        question, early = _asked(name, key, at_ms, settings, holder, language)
        if early is not None:
            return told(question, early, language)
        records, until = _stored(question, holder)
        return _answered(question, records, until, holder, language)


def _asked(
    name: str, key: str, at_ms: int, settings: Settings, holder: Kept, language: Language
) -> tuple[Question, Reason | None]:
    """The rule as it was in force at the time, and the reason where it was not."""
    now = rules_now(holder.history, settings)
    since_ms: int | None = None
    for begun_ms, ruleset in rules_at(holder.history, at_ms):
        then = rule_in(ruleset, name)
        if since_ms is None:
            if then is not None:
                return Question(ruleset, then, key_of(key, then, ruleset), at_ms, begun_ms), None
            since_ms = begun_ms
        elif then is not None:
            question = Question(ruleset, then, key_of(key, then, ruleset), at_ms)
            return question, _not_in_force(question, since_ms, language, gone=True)
    current = rule_of(now, name)
    question = Question(now, current, key_of(key, current, now), at_ms)
    return question, None if since_ms is None else _not_in_force(question, since_ms, language, gone=False)


def _not_in_force(question: Question, since_ms: int, language: Language, *, gone: bool) -> Reason:
    answer = Answer(question.ruleset, question.rule, language)
    since = answer.at(since_ms)
    if gone:
        text = answer.say(
            f"这条规则已撤下：{since} 起生效的规则集里没有它。",
            f"The rule had been taken away: the rule set in force since {since} does not have it.",
        )
    else:
        text = answer.say(
            f"那时这条规则还没有生效：{since} 起生效的规则集里没有它。",
            f"The rule was not in force yet: the rule set that was, since {since}, does not have it.",
        )
    return Reason("not_in_force", text)


def _answered(
    question: Question, records: Iterable[Record], until: Until, holder: Kept | None, language: Language
) -> str:
    rule, ruleset = question.rule, question.ruleset
    rehearsed: Rehearsal | None = None
    if ALERT_FEED in rule.feeds:
        history, rehearsed = rehearse_over_alerts(ruleset, rule, question.key, records, until)
    else:
        history = gathered(records, Gatherer(ruleset.catalog, rule, question.key), until)
    return told(question, Reasons(question, history, holder, language, rehearsed).find(), language)


def _stored(question: Question, holder: Kept) -> tuple[Iterable[Record], Until]:
    """The records that matter, and how far to read them."""
    rule, catalog = question.rule, question.ruleset.catalog
    back_ms = warm_up_ms([rule], catalog)
    named = rule.feeds
    if ALERT_FEED in named:
        others = [one for one in question.ruleset.rules if one.mode != "off"]
        named = frozenset(feed for one in others for feed in one.feeds)
        plain = [one for one in others if not one.level]
        back_ms = warm_up_ms([rule], catalog) + min(MAX_WARM_UP_MS, warm_up_ms(plain, catalog))
    feeds = sorted(named & catalog.feeds.keys())
    until_ms = question.at_ms + (rule.window.size_ms if rule.window else 0)
    if not feeds:
        return (), Until(until_ms)
    outline = holder.history.outline(feeds, max(MIN_MS, question.at_ms - back_ms), min(MAX_MS, until_ms + 1))
    return _records(question, holder, feeds, outline), Until(until_ms, outline.last)


def _records(question: Question, holder: Kept, feeds: Sequence[str], outline: Outline) -> Iterator[Record]:
    if outline.first:
        playback = Playback(holder.history, feeds, Decoder(question.ruleset.catalog))
        yield from playback.records(outline.first - 1, outline.newest)
        if outline.end_ms:
            yield Tick(outline.newest + 1, outline.end_ms)


def told(question: Question, reason: Reason, language: Language) -> str:
    """The answer as the terminal shows it."""
    answer = Answer(question.ruleset, question.rule, language)
    rule = question.rule
    head = answer.say(
        f"{rule.title['zh']}（{rule.id}）：{answer.at(question.at_ms)} 为什么没有报警\n{answer.keyed(question.key)}",
        f"{rule.title['en']} ({rule.id}): why nothing opened at {answer.at(question.at_ms)}\n{answer.keyed(question.key)}",
    )
    sections = [
        Section("reason", answer.say("结论", "Answer"), (Line(reason.text),)),
        Section("details", answer.say("经过", "How it came"), reason.lines),
    ]
    note = answer.say(f"规则版本 {rule.version}。", f"Rule version {rule.version}.")
    if question.begun_ms is not None:
        note = answer.say(
            f"规则版本 {rule.version}，所在规则集 {answer.at(question.begun_ms)} 起生效。",
            f"Rule version {rule.version}, of the set in force since {answer.at(question.begun_ms)}.",
        )
    sections.append(Section("rule", answer.say("规则", "Rule"), (Line(note),)))
    return f"{head}\n{as_text(section for section in sections if section.lines)}"
