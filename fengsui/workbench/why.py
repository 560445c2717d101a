"""``rules explain --why``: the evaluation that opened an alert, part by part, and those that raised it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from events.alert_events import event_of
from events.feeds import ALERT_FEED
from events.times import parse_instant
from events.transition import Transition
from fengsui.exits import InputFault
from fengsui.settings import Settings
from fengsui.workbench.answer import Answer
from fengsui.workbench.in_force import rule_in, rules_around, rules_now
from fengsui.workbench.keeping import Event, Kept, kept
from rules.load import load_catalog
from rules.model import Rule, RuleSet
from rules.words.judged import value
from rules.words.said import Language
from rules.words.section import Line, Section, as_text

_SHOWN_EVENTS = 5


def why(alert: str, settings: Settings, language: Language) -> str:
    """What opened and raised an alert. InputFault, ServiceMissing, StoreError, RuleErrors."""
    with kept(settings, load_catalog(settings.rules)) as holder:
        history = holder.alert(alert)
        if not history:
            raise InputFault(
                f"没有这条预警 · no alert {alert!r} in {holder.place}: the board and GET /api/v1/alerts show their ids"
            )
        opened = history[0]
        now = rules_now(holder.history, settings)
        current = rule_in(now, opened.rule)
        ruleset, rule = now, current
        if current is None or current.version != opened.version:
            for other in rules_around(holder.history, parse_instant(opened.opened_at or opened.at)):
                then = rule_in(other, opened.rule)
                if then is not None and then.version == opened.version:
                    ruleset, rule = other, then
                    break
        if rule is None:
            raise InputFault(
                f"规则已撤下，存储里也没有它 · the rule {opened.rule} of this alert is gone, also from the store: "
                "name a directory that has it with --rules"
            )
        return Why(ruleset, rule, history, holder, language, current).text()


class Why:
    """``rule``: the one that opened the alert, as far as it is known; ``current``: as the rules directory has it."""

    def __init__(
        self,
        ruleset: RuleSet,
        rule: Rule,
        history: Sequence[Transition],
        holder: Kept,
        language: Language,
        current: Rule | None,
    ) -> None:
        self.ruleset = ruleset
        self.rule = rule
        self.current = current
        self.history = history
        self.holder = holder
        self.answer = Answer(ruleset, rule, language)
        self.language = language

    def text(self) -> str:
        opened, say = self.history[0], self.answer.say
        head = say(
            f"预警 {opened.alert}：{opened.title.get('zh', '')}（{opened.rule}）\n{opened.summary.get('zh', '')}",
            f"Alert {opened.alert}: {opened.title.get('en', '')} ({opened.rule})\n{opened.summary.get('en', '')}",
        )
        return f"{head}\n{as_text(self.sections())}"

    def sections(self) -> Iterator[Section]:
        say = self.answer.say
        yield Section("rule", say("规则与对象", "Rule and key"), tuple(self._about()))
        for transition in self.history:
            if transition.type == "opened":
                title = say(
                    f"{self.answer.at(transition.at)} 开启，{self.answer.severity(transition.severity)}",
                    f"{self.answer.at(transition.at)} opened, {self.answer.severity(transition.severity)}",
                )
                yield Section("opened", title, tuple(self._opened(transition)))
            elif transition.type == "escalated":
                title = say(
                    f"{self.answer.at(transition.at)} 升为{self.answer.severity(transition.severity)}",
                    f"{self.answer.at(transition.at)} escalated to {self.answer.severity(transition.severity)}",
                )
                yield Section("escalated", title, tuple(self._evaluated(transition)))
            elif transition.type == "closed":
                title = say(f"{self.answer.at(transition.at)} 恢复（关闭）", f"{self.answer.at(transition.at)} closed")
                yield Section("closed", title, tuple(self._closed(transition)))

    def _about(self) -> Iterator[Line]:
        say, opened = self.answer.say, self.history[0]
        now = self.current.version if self.current else ""
        if opened.version == now:
            text = say(f"规则版本 {now}，与现在的规则相同。", f"Rule version {now}, the same as the rule is now.")
        elif opened.version == self.rule.version:
            text = say(
                f"规则版本 {opened.version}，是当时的规则；"
                + (f"现在是另一版本 {now}。" if now else "现在已没有这条规则。"),
                f"Rule version {opened.version}, as it was then; "
                + (f"now it is another one, {now}." if now else "now there is no such rule."),
            )
        else:
            text = say(
                f"开启它的是规则版本 {opened.version}，已找不到；下面按现在的版本 {now} 对照当时的数值，可能与当时不同。",
                f"Version {opened.version} of the rule opened it and is not to be had any more. What follows holds the values of then "
                f"against the rule as it is now, {now}, and may differ.",
            )
        yield Line(text)
        yield Line(self.answer.stop(self.answer.keyed(opened.key)))

    # --- openings

    def _opened(self, transition: Transition) -> Iterator[Line]:
        if "storm" in transition.key:
            yield from self._storm(transition)
            return
        match self.rule.kind:
            case "absent":
                yield from self._absent(transition)
            case "sequence":
                yield from self._sequence(transition)
            case "new":
                yield from self._new(transition)
            case _:
                yield from self._evaluated(transition)

    def _evaluated(self, transition: Transition) -> Iterator[Line]:
        """Kinds with a condition."""
        rule, answer, say = self.rule, self.answer, self.answer.say
        assert rule.when is not None
        events = self._events(transition)
        values: dict[str, Any] = {**transition.measures, **transition.key}
        if rule.window is not None:
            evidence = transition.evidence
            yield Line(say("窗口：", "Window: ") + self._window(evidence.from_, evidence.to))
        else:
            event = _named(events, transition.evidence.events[:1])
            if event:
                yield Line(say("事件：", "Event: ") + answer.event(event[0], answer.read_fields(rule.where, rule.when)))
                values = {**event[0], **values}
                if rule.where is not None:
                    yield Line(
                        say("看哪些事件：", "Which events count:"),
                        tuple(answer.over_event(rule.where, rule.feed, event[0])[1]),
                    )
        yield Line(say("报警条件：", "Condition:"), tuple(answer.judged(rule.when, values)[1]))
        if rule.hold_ms and transition.type == "opened":
            hold = answer.time(rule.hold_ms)
            since = answer.at(parse_instant(transition.at) - rule.hold_ms)
            yield Line(
                say(
                    f"到这时已连续成立满 {hold}（至少从 {since} 起）。",
                    f"By then it had held for {hold} without a break (since {since} or earlier).",
                )
            )
        ladder = answer.ladder(values)
        if ladder is not None:
            yield ladder
        if rule.window is not None:
            yield from self._behind(transition, events)

    def _window(self, from_: str, to: str) -> str:
        window = self.rule.window
        assert window is not None
        return self.answer.between(from_, to, open_end=window.shape in ("tumbling", "hopping"))

    def _behind(self, transition: Transition, events: Sequence[Event]) -> Iterator[Line]:
        """The events that the measures were made of."""
        rule, answer, say = self.rule, self.answer, self.answer.say
        if rule.window is None:
            return
        from_ms, to_ms = parse_instant(transition.evidence.from_), parse_instant(transition.evidence.to)
        inside = [
            event
            for event in events
            if event.get("feed") == rule.feed and from_ms <= _time(event) and _within(rule, _time(event), to_ms)
        ]
        counted = [
            event
            for event, holds in zip(inside, answer.judge.holding(rule.where, rule.feed, inside), strict=True)
            if holds
        ]
        if not counted:
            yield Line(say("窗口里的事件已不在存储中。", "The events of the window are no longer in the store."))
            return
        fields = answer.read_fields()
        shown = counted[-_SHOWN_EVENTS:]
        lead = say(
            f"窗口里参与计算的事件 {len(counted)} 个"
            + (f"，最后 {len(shown)} 个：" if len(shown) < len(counted) else "："),
            f"{len(counted)} events of the window counted"
            + (f", the last {len(shown)}:" if len(shown) < len(counted) else ":"),
        )
        yield Line(lead, tuple(answer.event(event, fields) for event in shown))

    def _absent(self, transition: Transition) -> Iterator[Line]:
        answer, say, evidence = self.answer, self.answer.say, transition.evidence
        assert self.rule.absent_ms is not None
        last_ms = parse_instant(evidence.from_)
        heard = [event for event in self._events(transition) if _time(event) == last_ms]
        gap = answer.time(self.rule.absent_ms)
        yield Line(
            say(
                f"最后一次来的事件是 {answer.at(last_ms)}，之后满 {gap}（到 {answer.at(last_ms + self.rule.absent_ms)}）没有再来。",
                f"Last heard at {answer.at(last_ms)}; then nothing came for {gap}, up to {answer.at(last_ms + self.rule.absent_ms)}.",
            ),
            tuple(answer.event(event) for event in heard[:1]),
        )
        if not heard:
            yield Line(
                say(
                    "那一刻没有存下的事件：可能是名单（expect）里的对象，从规则生效时开始计时。",
                    "There is no stored event of that instant: perhaps the key is one of `expect`, whose time runs from when the rule came into force.",
                )
            )

    def _sequence(self, transition: Transition) -> Iterator[Line]:
        answer, say = self.answer, self.answer.say
        events = _named(self._events(transition), transition.evidence.events)
        known = {str(event.get("id")): event for event in events}
        steps = [step for step in self.rule.sequence if not step.absent]
        for place, (step, name) in enumerate(zip(steps, transition.evidence.events, strict=False), 1):
            event = known.get(name)
            if event is None:
                yield Line(
                    say(
                        f"第 {place} 步：事件 {name}（已不在存储中）",
                        f"Step {place}: event {name} (no longer in the store)",
                    )
                )
                continue
            lines = answer.over_event(step.where, step.feed, event)[1] if step.where is not None else []
            yield Line(say(f"第 {place} 步：", f"Step {place}: ") + answer.event(event), tuple(lines))
        if self.rule.sequence[-1].absent:
            assert self.rule.within_ms is not None
            within = answer.time(self.rule.within_ms)
            place = len(self.rule.sequence)
            yield Line(
                say(
                    f"第 {place} 步：从第一步起等满 {within}，到 {answer.at(transition.at)} 没有等到。",
                    f"Step {place}: within {within} from the first step, up to {answer.at(transition.at)}, there came none.",
                )
            )

    def _new(self, transition: Transition) -> Iterator[Line]:
        rule, answer, say = self.rule, self.answer, self.answer.say
        event = _named(self._events(transition), transition.evidence.events[:1])
        values: Mapping[str, Any] = {**(event[0] if event else {}), **transition.measures, **transition.key}
        if event:
            yield Line(say("事件：", "Event: ") + answer.event(event[0], rule.new))
            if rule.where is not None:
                yield Line(
                    say("看哪些事件：", "Which events count:"),
                    tuple(answer.over_event(rule.where, rule.feed, event[0])[1]),
                )
        seen = say("，", ", ").join(value(transition.key.get(name), self.language) for name in rule.new)
        memory = answer.time(rule.memory_ms)
        yield Line(
            say(
                f"{answer.fields(rule.new)}是 {seen}：此前 {memory}内没有见过。",
                f"{answer.fields(rule.new)} is {seen}: not seen within the {memory} before.",
            )
        )
        ladder = answer.ladder(values)
        if ladder is not None:
            yield ladder

    def _storm(self, transition: Transition) -> Iterator[Line]:
        say, rule = self.answer.say, self.rule
        rate = (
            say(f"，或一分钟内开启满 {rule.max_rate} 条", f", or {rule.max_rate} opened within a minute")
            if rule.max_rate
            else ""
        )
        yield Line(
            say(
                f"这是一条“风暴”预警：本规则同时开着的预警已满 {rule.max_open} 条{rate}，新的不再逐条报，只在这里计数。",
                f"This is a storm alert: {rule.max_open} alerts of the rule were open{rate}; further ones are counted here and not told one by one.",
            )
        )
        keys = transition.measures.get("keys")
        if isinstance(keys, list):
            yield Line(say("并入的对象（部分）：", "Some of the keys that were folded in:"), tuple(map(str, keys)))

    # --- closings

    def _closed(self, transition: Transition) -> Iterator[Line]:
        rule, answer, say = self.rule, self.answer, self.answer.say
        if transition.reason:
            told = {
                "rule_removed": say("规则已撤下。", "The rule was taken away."),
                "rule_changed": say("规则已改。", "The rule was changed."),
            }
            yield Line(told.get(transition.reason, transition.reason))
            return
        if rule.kind == "absent":
            events = _named(self._events(transition), transition.evidence.events)
            yield Line(say("又来了事件：", "An event came again:"), tuple(answer.event(event) for event in events[:1]))
            return
        values = {**transition.measures, **transition.key}
        before = self._before(transition)
        by_time = (
            before is not None and before.measures == transition.measures and before.evidence == transition.evidence
        )
        if rule.when is None or by_time:
            after = answer.time(rule.clear_after_ms or 0)
            yield Line(
                say(f"到这时已有 {after}没有一次判断成立。", f"No evaluation had held for {after}.")
                if rule.when is not None
                else say(f"开启以来已满 {after}。", f"{after} had passed since it opened.")
            )
            return
        if rule.window is None:
            event = _named(self._events(transition), transition.evidence.events[:1])
            values = {**(event[0] if event else {}), **values}
        if rule.clear is not None:
            yield Line(say("恢复条件：", "Condition of closing:"), tuple(answer.judged(rule.clear, values)[1]))
        else:
            yield Line(say("报警条件：", "Condition:"), tuple(answer.judged(rule.when, values)[1]))

    def _before(self, transition: Transition) -> Transition | None:
        earlier = [
            one for one in self.history if one.n < transition.n and one.type in ("opened", "updated", "escalated")
        ]
        return earlier[-1] if earlier else None

    # --- events

    def _events(self, transition: Transition) -> list[Event]:
        if transition.evidence.feed != ALERT_FEED:
            return self.holder.evidence(transition.evidence)
        named = set(transition.evidence.events)
        unseen = {one.id for one in self.ruleset.rules if ALERT_FEED in one.feeds} - self.rule.named
        found = []
        for one in self.holder.transitions(transition.evidence):
            event = event_of(one)
            seen = one.rule not in unseen and (self.rule.mode == "shadow" or not one.shadow)
            same = all(event.get(name) == given for name, given in transition.evidence.key.items())
            if event["id"] in named or (seen and same):
                found.append(event)
        return found


def _named(events: Sequence[Event], names: Sequence[str]) -> list[Event]:
    """The events with these ids, in this order, each once."""
    by_name = {str(event.get("id")): event for event in events}
    return [by_name[name] for name in names if name in by_name]


def _time(event: Event) -> int:
    given = event["time"]
    return given if isinstance(given, int) else parse_instant(str(given))


def _within(rule: Rule, time_ms: int, to_ms: int) -> bool:
    assert rule.window is not None
    return time_ms < to_ms if rule.window.shape in ("tumbling", "hopping") else time_ms <= to_ms
