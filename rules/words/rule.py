"""A rule in plain words, in Chinese or English: what it looks at, when it opens, and what becomes of its alerts."""

from __future__ import annotations

from events.feeds import ALERT_FEED, FeedCatalog
from rules.model import Expr, Rule
from rules.words.calendars import calendar
from rules.words.kinds import evaluation, measures
from rules.words.said import Language
from rules.words.section import Line, Section
from rules.words.speaker import Speaker


def describe(rule: Rule, catalog: FeedCatalog, language: Language) -> list[Section]:
    """The explanation of a rule, in sections. Nothing in it asks the reader for SQL."""
    speaker = Speaker(rule, catalog, language)
    judged = rule.when is not None
    found = [
        ("events", "看什么", "What it looks at", _events(speaker)),
        ("judging", "怎么判断", "How it judges", [*evaluation(speaker), *measures(speaker)] if judged else []),
        ("opening", "何时报警", "When it opens", _opening(speaker) if judged else evaluation(speaker)),
        ("severity", "几级", "How severe it is", _severity(speaker)),
        ("after", "之后", "What follows", _after(speaker)),
        ("left-out", "不算在内", "What is left out", _left_out(speaker)),
        ("basis", "依据与现状", "Basis and state", _basis(speaker)),
    ]
    return [Section(name, speaker.say(zh, en), tuple(lines)) for name, zh, en, lines in found if lines]


def heading(rule: Rule, language: Language) -> str:
    """The title and the id."""
    return f"{rule.title[language]}（{rule.id}）" if language == "zh" else f"{rule.title[language]} ({rule.id})"


def _events(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    if rule.kind == "sequence":
        feeds = speaker.say("、", ", ").join(speaker.named_feed(feed) for feed in sorted(rule.feeds))
        lines = [Line(speaker.say(f"{feeds}的事件。", f"Events of {feeds}."))]
    elif rule.where is None:
        feed = speaker.named_feed(rule.feed)
        lines = [Line(speaker.say(f"{feed}的全部事件。", f"All events of {feed}."))]
    else:
        feed = speaker.named_feed(rule.feed)
        lines = [
            speaker.condition(
                speaker.say(f"{feed}的事件，只看", f"Events of {feed}, only those where "),
                speaker.say(
                    f"{feed}的事件，只看同时满足下列各项的：", f"Events of {feed} for which all of these hold:"
                ),
                speaker.say(f"{feed}的事件，只看满足下列任一项的：", f"Events of {feed} for which one of these holds:"),
                rule.where,
                rule.feed,
            )
        ]
        if speaker.language == "zh" and not lines[0].items:
            lines = [Line(speaker.beside(lines[0].text.removesuffix("。"), "的。"))]
    lines += calendar(speaker)
    if ALERT_FEED in rule.feeds:
        lines.append(
            Line(
                speaker.say(
                    "这是一条看其他预警的规则：别的规则的预警每次开启、更新、升级、恢复或有人处理，都是它的一个事件。"
                    "它看不到自己的预警；同样看预警的规则，只看得到它点了名的。",
                    "This rule watches other alerts: each opening, update, escalation, closing and act of a person is an event for it. "
                    "Its own alerts are not among them, nor those of rules that watch alerts too, unless it names them.",
                )
            )
        )
    if rule.by == ("feed",):
        lines.append(Line(speaker.say("所有事件放在一起判断。", "All events are judged together.")))
    else:
        key = speaker.fields(rule.by)
        lines.append(
            Line(
                speaker.say(
                    f"按{key}分别判断，各报各的警。",
                    f"{speaker.key('', 'Each')} is judged by itself and has alerts of its own.",
                )
            )
        )
    return lines


def _always(rule: Rule) -> bool:
    """Whether every evaluation holds: ``when: TRUE``."""
    return rule.when is not None and rule.when.text.strip().lower() == "true" and rule.severity[-1][1] is None


def _condition(speaker: Speaker, when: Expr) -> Line:
    if _always(speaker.rule):
        if speaker.rule.kind == "each":
            return Line(speaker.say("来了事件就报警。", "At every event."))
        return Line(speaker.say("每次判断都报警。", "At every evaluation."))
    line = speaker.condition(
        speaker.say("当", "When "),
        speaker.say("同时满足下列各项：", "When all of these hold:"),
        speaker.say("满足下列任一项：", "When one of these holds:"),
        when,
    )
    if speaker.language == "zh" and not line.items:
        return Line(speaker.beside(line.text.removesuffix("。"), "时。"))
    return line


def _opening(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    assert rule.when is not None
    lines = [_condition(speaker, rule.when)]
    if rule.hold_ms:
        hold = speaker.time(rule.hold_ms)
        lines.append(
            Line(
                speaker.say(
                    f"而且要连续成立满 {hold}才报警；中间有一次不成立，就重新计时。",
                    f"It must stay so for {hold} without a break: one evaluation at which it does not hold starts the time anew.",
                )
            )
        )
    return lines


def _severity(speaker: Speaker) -> list[Line]:
    rungs = speaker.rule.severity
    if len(rungs) == 1 and rungs[0][1] is None:
        return [Line(speaker.stop(speaker.say("一律", "Always ") + speaker.severity(rungs[0][0])))]
    items = []
    for word, condition in rungs:
        severity = speaker.severity(word)
        if condition is None:
            items.append(speaker.say(f"其余：{severity}", f"otherwise {severity}"))
        else:
            clause = speaker.clause(condition)
            items.append(speaker.say(f"{severity}：{clause}", f"{severity} where {clause}"))
    lines = [Line(speaker.say("从上往下，第一个成立的算：", "From the top, the first that holds:"), tuple(items))]
    if rungs[-1][1] is not None:
        lines.append(Line(speaker.say("都不成立时不报警。", "Where none holds, it does not open.")))
    return lines


def _after(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    lines: list[Line] = []
    if rule.when is not None:
        lines += _updates(speaker)
    lines += _closing(speaker)
    words = frozenset(word for word, _ in rule.severity)
    resolving, standing = words & rule.auto_resolve, words - rule.auto_resolve
    if rule.when is None and rule.kind != "absent" and rule.clear_after_ms is None:
        return lines  # it never closes by itself, so nothing happens on its closing
    if resolving:
        severities = speaker.severities(resolving)
        lines.append(
            Line(
                speaker.say(
                    f"{severities}预警恢复后自动办结，不用人处置。",
                    f"Alerts of {severities} are resolved by themselves when they close.",
                )
            )
        )
    if standing:
        of = speaker.severities(standing) if resolving else ""
        lines.append(
            Line(
                speaker.say(
                    f"{of}预警恢复后仍留在值班页上，要由人处置。",
                    f"Alerts{' of ' if of else ''}{of} stay on the board after they have closed, until a person resolves them.",
                )
            )
        )
    return lines


def _updates(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    every = speaker.every(rule.update_every_ms)
    text = (
        speaker.say(
            f"条件持续成立时，最多{every}更新一次数值。",
            f"While it lasts, its values are updated, at most {every}.",
        )
        if rule.update_every_ms
        else speaker.say("条件持续成立时，每次判断都更新数值。", "While it lasts, each evaluation updates its values.")
    )
    if len(rule.severity) > 1:
        text += speaker.say(
            "等级升高时立即升级；等级只升不降。", " Where the severity rises it escalates at once; it never falls."
        )
    return [Line(text)]


def _closing(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    lines: list[Line] = []
    if rule.kind == "absent":
        return [Line(speaker.say("再来一个事件时恢复（关闭）。", "It closes when an event comes again."))]
    if rule.clear is not None:
        lines.append(
            speaker.condition(
                speaker.say("恢复（关闭）的条件：", "It closes when "),
                speaker.say("同时满足下列各项时恢复（关闭）：", "It closes when all of these hold:"),
                speaker.say("满足下列任一项时恢复（关闭）：", "It closes when one of these holds:"),
                rule.clear,
            )
        )
        lines.append(
            Line(
                speaker.say(
                    "仅仅不再满足报警条件，还不恢复；两者同时满足时，以恢复为准。",
                    "That it would not open any more does not close it. Where both hold, it closes.",
                )
            )
        )
    elif rule.when is not None and not _always(rule):
        lines.append(
            Line(
                speaker.say(
                    "下一次判断不满足条件时恢复（关闭）。",
                    "It closes at the next evaluation at which it does not hold.",
                )
            )
        )
    if rule.clear_after_ms is not None:
        after = speaker.time(rule.clear_after_ms)
        if rule.when is None:
            text = speaker.say(
                f"报警 {after}后自动恢复（关闭），或由人提前处置。",
                f"It closes by itself after {after}, or when a person resolves it.",
            )
        elif _always(rule) and rule.clear is None:
            text = speaker.say(f"连续 {after}没有再来，就恢复（关闭）。", f"It closes when no more came for {after}.")
        else:
            text = speaker.say(
                f"连续 {after}没有一次判断成立（比如没有数据），也恢复。",
                f"It also closes when no evaluation held for {after}, for instance for want of data.",
            )
        lines.append(Line(text))
    elif rule.when is None:
        lines.append(
            Line(
                speaker.say(
                    "不会自己恢复，由人处置。每次都另开一条。",
                    "It does not close by itself: a person resolves it. Each time opens another.",
                )
            )
        )
    elif rule.kind == "each":
        lines.append(Line(speaker.say("没有新事件时一直开着。", "Without new events it stays open.")))
    return lines


def _left_out(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    lines = [_late(speaker)]
    if rule.by != ("feed",):
        key = speaker.fields(rule.alert_key, ("或", "or"))
        lines.append(
            Line(
                speaker.say(
                    f"缺少{key}的事件不判断，只计数（keyless）。",
                    f"Events without {key} are not judged, only counted (keyless).",
                )
            )
        )
    if rule.max_rate is not None:
        text = speaker.say(
            f"本规则同时开着的预警满 {rule.max_open} 条，或一分钟内开启满 {rule.max_rate} 条以后，新的并入一条“风暴”预警计数，不再逐条报。",
            f"Once {rule.max_open} alerts of this rule are open, or {rule.max_rate} opened within a minute, further ones are counted "
            "in one storm alert and not told one by one.",
        )
    else:
        text = speaker.say(
            f"本规则同时开着的预警满 {rule.max_open} 条以后，新的并入一条“风暴”预警计数，不再逐条报。",
            f"Once {rule.max_open} alerts of this rule are open, further ones are counted in one storm alert and not told one by one.",
        )
    lines.append(Line(text))
    return lines


def _late(speaker: Speaker) -> Line:
    rule = speaker.rule
    if rule.kind == "each":
        return Line(
            speaker.say(
                "晚到的事件也判断；但比上次判断的事件更早的，只能开启预警，不会更新或关闭。",
                "Late events are judged too; but one that is older than the last one judged may open an alert, never update or close it.",
            )
        )
    lateness_ms = max(speaker.catalog.feed(feed).lateness_ms for feed in rule.feeds)
    if not lateness_ms:
        return Line(
            speaker.say(
                "晚到的事件只保存，不参与判断：到达时，同类数据里已有时间更晚的事件。",
                "Late events are kept but not judged: those that arrive after an event of the same feed with a later time.",
            )
        )
    wait = speaker.time(lateness_ms)
    return Line(
        speaker.say(
            f"晚到的事件只保存，不参与判断：到达时，比同类数据里最新的事件时间早 {wait}以上。",
            f"Late events are kept but not judged: those more than {wait} older than the newest of their feed when they arrive.",
        )
    )


def _basis(speaker: Speaker) -> list[Line]:
    rule = speaker.rule
    lines = []
    if rule.source:
        lines.append(Line(speaker.say(f"依据：{rule.source}", f"Basis: {rule.source}")))
    if rule.mode == "shadow":
        lines.append(
            Line(
                speaker.say(
                    "试运行（shadow）：照常判断和记录，只给运维人员看，不通知任何人。",
                    "On trial (shadow): judged and recorded, shown to operators only, notifies nobody.",
                )
            )
        )
    elif rule.mode == "off":
        lines.append(Line(speaker.say("已停用：不判断。", "Switched off: it does not judge.")))
    place = f"{rule.place.file}:{rule.place.line}" if rule.place.file else ""
    lines.append(
        Line(
            speaker.say(
                f"版本 {rule.version}" + (f"，写在 {place}" if place else "") + "。",
                f"Version {rule.version}" + (f", written in {place}" if place else "") + ".",
            )
        )
    )
    return lines
