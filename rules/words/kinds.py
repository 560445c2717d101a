"""When each kind of rule looks, and when it opens: the part of an explanation in which the kinds differ."""

from __future__ import annotations

from rules.model import Expr, Rule
from rules.words.lexicon import number
from rules.words.names import NamedMeasure, baseline_measures_of, measures_of
from rules.words.section import Line
from rules.words.speaker import Speaker

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MAX_EXPECTED = 8


def evaluation(speaker: Speaker) -> list[Line]:
    """When the rule judges."""
    rule = speaker.rule
    if rule.window is not None:
        return _window(speaker)
    return {"each": _each, "absent": _absent, "sequence": _sequence, "new": _new}[rule.kind](speaker)


def _each(speaker: Speaker) -> list[Line]:
    return [
        Line(
            speaker.say(
                "每来一个事件就判断一次，按到达的先后。",
                "Each event is judged by itself, in the order of arrival.",
            )
        )
    ]


def _window(speaker: Speaker) -> list[Line]:
    window = speaker.rule.window
    assert window is not None
    size = speaker.time(window.size_ms)
    lately = size.removeprefix("1 ")
    match window.shape:
        case "tumbling":
            text = speaker.say(
                f"把时间切成一段一段，每段 {size}，{_aligned(speaker, window.size_ms)}；每段结束时判断一次，只看这一段里的事件"
                "（含开始的那一刻，不含结束的那一刻）。没有事件的时段不判断。",
                f"Time is cut into stretches of {size}, {_aligned(speaker, window.size_ms)}. Each is judged at its end, over its own "
                "events (its first instant included, its last one not). A stretch without events is not judged.",
            )
        case "hopping":
            every = speaker.every(window.every_ms)
            text = speaker.say(
                f"{every}判断一次，每次看刚过去的 {size}里的事件（含开始的那一刻，不含结束的那一刻）。其间没有事件就不判断。",
                f"It is judged {every}, over the events of the {lately} up to then (the first instant included, the last one not). "
                "Where there was no event, nothing is judged.",
            )
        case "sliding":
            text = speaker.say(
                f"每来一个事件判断一次，看到它为止（含它）最近 {size}的事件；正好 {size}前的不算。",
                f"It is judged at each event, over the events of the {lately} up to and with it; one exactly {size} older does not count.",
            )
        case _:
            text = speaker.say(
                f"把间隔不超过 {size}的事件连成一段；超过 {size}没有新事件（或一段已长达 {speaker.time(window.max_ms)}）时这一段结束，"
                "结束时判断一次，看整段的事件。",
                f"Events with gaps of {size} or less make one session. It ends when nothing came for more than {size}, or when it has "
                f"lasted {speaker.time(window.max_ms)}, and is judged then, over all of its events.",
            )
    return [Line(text), *_waiting(speaker)]


def _waiting(speaker: Speaker) -> list[Line]:
    """How long a window waits for events that are under way."""
    feed = speaker.catalog.feed(speaker.rule.feed)
    if not feed.lateness_ms:
        return []
    wait, idle = speaker.time(feed.lateness_ms), speaker.time(feed.idle_ms)
    return [
        Line(
            speaker.say(
                f"数据可能晚到：要等这类数据的时间再走过 {wait}（数据停了则等 {idle}）才判断。",
                f"As events may be under way, judging waits until the feed is {wait} further on, or silent for {idle}.",
            )
        )
    ]


def _aligned(speaker: Speaker, size_ms: int) -> str:
    if size_ms >= DAY_MS:
        return speaker.say("从零点起算", "beginning at midnight")
    if size_ms % HOUR_MS == 0 or HOUR_MS % size_ms == 0:
        return speaker.say("与整点对齐", "in step with the full hours")
    return speaker.say("首尾相接", "one after the other")


def _absent(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    assert rule.absent_ms is not None
    gap = speaker.time(rule.absent_ms)
    lines = [
        Line(
            speaker.say(
                f"{speaker.key('某个', '')}来过事件以后，{gap}内（含满 {gap}的那一刻）没有再来，就报警；报警时间记为最后一个事件之后 {gap}。"
                "从没来过事件的不报。",
                f"It opens where nothing more has come of {speaker.key('', 'a')} for {gap} after an event (one at exactly {gap} would still do). "
                f"The time of the alert is that of the last event plus {gap}. What was never heard is not missed.",
            )
        )
    ]
    if rule.expect:
        told = [_key_words(key) for key in rule.expect[:MAX_EXPECTED]]
        more = len(rule.expect) - len(told)
        if more:
            told.append(speaker.say(f"等，共 {len(rule.expect)} 个", f"and {more} more"))
        lines.append(
            Line(
                speaker.say(
                    "名单里的即使从没来过事件也要报，从规则生效时开始计时：",
                    "These must report even if they were never heard; for them the time runs from when the rule came into force:",
                ),
                tuple(told),
            )
        )
    return lines


def _key_words(key: object) -> str:
    assert isinstance(key, dict)
    return ", ".join(str(value) for value in key.values())


def _sequence(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    assert rule.within_ms is not None
    within = speaker.time(rule.within_ms)
    steps: list[str] = []
    for place, step in enumerate(rule.sequence, 1):
        if step.unless is not None:
            steps.append(
                speaker.say(
                    f"其间若先来了{_event(speaker, *step.unless)}，就不算，从头等起",
                    f"if there comes {_event(speaker, *step.unless)} first, all begins anew",
                )
            )
        event = _event(speaker, step.feed, step.where)
        if step.absent:
            event = event.removeprefix("an ")
            steps.append(speaker.say(f"第 {place} 步：没有等到{event}", f"step {place}: there comes no {event}"))
        else:
            steps.append(speaker.say(f"第 {place} 步：来了{event}", f"step {place}: there comes {event}"))
    lead = speaker.say(
        f"{speaker.key('每个', '')}，从第一步起 {within}内依次：",
        f"For {speaker.key('', 'each')}, within {within} from the first step and in this order:",
    )
    if rule.sequence[-1].absent:
        when = speaker.say(
            f"等满 {within}仍没有最后那个事件，就报警；报警时间记为第一步之后 {within}。",
            f"It opens when {within} are over without the last one. The time of the alert is that of the first step plus {within}.",
        )
    else:
        when = speaker.say("最后一步的事件一来就报警。", "It opens at the event of the last step.")
    return [
        Line(lead, tuple(steps)),
        Line(when),
        Line(
            speaker.say(
                f"一个事件只充当一步；{speaker.key('同一个', '')}同时只跟踪一轮，跟踪期间再来第一步的事件，不另起一轮。",
                f"An event plays one part only. For {speaker.key('', 'each')} one round is followed at a time: "
                "another event of the first step begins no second one.",
            )
        ),
    ]


def _event(speaker: Speaker, feed: str, where: Expr | None) -> str:
    title = speaker.feed(feed)
    if where is None:
        return speaker.say(f"{title}事件", f"an event of {title}")
    clause = speaker.clause(where, feed)
    return speaker.say(f"{title}事件（{clause}）", f"an event of {title} where {clause}")


def _new(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    values, memory = speaker.fields(rule.new), speaker.time(rule.memory_ms)
    lines = [
        Line(
            speaker.say(
                f"{speaker.key('某个', '')}出现没见过的{values}时报警；最近 {memory}内没有出现过，就算没见过。",
                f"It opens where {speaker.key('', 'a')} comes with {values} not seen before: not within the {memory} up to then.",
            )
        )
    ]
    if rule.learn_ms:
        learn = speaker.time(rule.learn_ms)
        lines.append(
            Line(
                speaker.say(
                    f"规则生效后的头 {learn}只记住，不报警。",
                    f"For the first {learn} after it came into force it only remembers.",
                )
            )
        )
    return lines


def measures(speaker: Speaker) -> list[Line]:
    """What is worked out for each evaluation."""
    rule = speaker.rule
    if rule.window is None:
        return []
    own = measures_of(rule, speaker.catalog, speaker.language)
    lines = [Line(speaker.say("每次判断先算出：", "Each time, these are worked out:"), _items(speaker, own))]
    for baseline, named in zip(
        rule.baseline, baseline_measures_of(rule, speaker.catalog, speaker.language), strict=True
    ):
        lines.append(
            Line(_baseline(speaker, rule, baseline.last, baseline.skip, baseline.every_ms), _items(speaker, named))
        )
    if rule.baseline:
        lines.append(
            Line(
                speaker.say(
                    "往期窗口里没有事件的按 0 个事件算；第一次有事件之前的窗口不算在内。",
                    "An earlier window without events counts as one of none; those before the first event are left out.",
                )
            )
        )
    return lines


def _items(speaker: Speaker, named: list[NamedMeasure]) -> tuple[str, ...]:
    return tuple(f"{one.name}{speaker.say('：', ': ')}{one.words}" for one in named)


def _baseline(speaker: Speaker, rule: Rule, last: int, skip: int, every_ms: int) -> str:
    assert rule.window is not None
    every = speaker.time(every_ms)
    side_by_side = every_ms == rule.window.size_ms
    if last == 1:
        back = speaker.time(every_ms * (skip + 1))
        which, skip = speaker.say(f"往前 {back}的同样长的窗口", f"the window of the same length {back} before it"), 0
    elif side_by_side:
        which = speaker.say(f"之前的 {last} 个同样长的窗口", f"the {last} windows of the same length before it")
    else:
        which = speaker.say(
            f"每隔 {every}往前数的 {last} 个同时段窗口", f"the {last} windows that lie 1, 2, ... times {every} back"
        )
    if skip:
        which += speaker.say(f"（跳过最近 {number(skip)} 个）", f" (the newest {number(skip)} skipped)")
    return speaker.say(f"再与{which}（“往期”）相比，算出：", f"And held against {which} (“earlier”):")
