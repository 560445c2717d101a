"""Every key of a rule: its shape, and what an editor says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.feeds import FeedCatalog
from events.transition import SEVERITIES
from rules.expressions import AGGREGATES
from rules.reader.baselines import MAX_BASELINES, MAX_DEPTH
from rules.reader.key_fields import MAX_BY, MAX_EXPECT
from rules.reader.rule import MAX_MAX_OPEN
from rules.reader.sequences import MAX_STEPS
from rules.reader.windows import MAX_MEASURES
from rules.schema.shapes import SCALAR, Json, mapping, ref, said, several, whole, words

_ID_HINT: Final = "env.cod.hourly-mean"


def key_shapes(catalog: FeedCatalog) -> Json:
    """Key -> shape, for all keys of all kinds."""
    return {name: {**shape, "description": _TOLD[name]} for name, shape in _shapes(catalog).items()}


def step_shapes() -> Json:
    """The named shapes of a sequence's steps."""
    event = mapping({"feed": ref("feed"), "where": ref("expression")}, title="event")
    return {
        "event": event,
        "step": {
            "anyOf": [
                event,
                mapping(
                    {"unless": {**ref("event"), "description": _UNLESS}},
                    required=["unless"],
                    title="unless",
                ),
                mapping({"absent": {**ref("event"), "description": _LAST_ABSENT}}, required=["absent"], title="absent"),
            ],
            "defaultSnippets": [
                {"label": "{feed, where}", "body": {"feed": "$1", "where": "$2"}},
                {"label": "unless", "body": {"unless": {"feed": "$1", "where": "$2"}}},
                {"label": "absent", "body": {"absent": {"feed": "$1", "where": "$2"}}},
            ],
        },
    }


def _shapes(catalog: FeedCatalog) -> Json:
    domains = sorted({feed.domain for feed in catalog.feeds.values()})
    expression, duration = ref("expression"), ref("duration")
    return {
        "id": {"type": ["string", "number"], "examples": [_ID_HINT]},
        "title": ref("text"),
        "domain": {"type": "string", "pattern": r"^[a-z][a-z0-9-]*$|\$\{", "examples": domains},
        "feed": ref("feed"),
        "by": several({"type": "string"}, most=MAX_BY),
        "only": {"anyOf": [ref("calendar"), {"type": "array", "items": ref("calendar"), "minItems": 1}]},
        "severity": {"anyOf": [ref("severity"), mapping(dict.fromkeys(SEVERITIES, expression), least=1)]},
        "summary": ref("text"),
        "source": {"type": ["string", "number"]},
        "enabled": words([True, False, "shadow"], ("生效 · in force", "停用 · off", "试运行 · on trial"))
        | {"default": True},
        "auto_resolve": {
            "anyOf": [ref("severity"), {"type": "array", "items": ref("severity")}],
            "default": ["blue"],
        },
        "forget": duration,
        "max_open": whole(1, MAX_MAX_OPEN) | {"default": 500},
        "max_rate": whole(1, MAX_MAX_OPEN),
        "where": expression,
        "when": expression,
        "clear": expression,
        "clear_after": {"anyOf": [duration, {"const": "never"}]},
        "hold": duration,
        "update_every": {**duration, "default": "1m"},
        "window": _window(duration),
        "measure": _measures(AGGREGATES),
        "absent": duration,
        "expect": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_EXPECT,
            "items": {"anyOf": [SCALAR, {"type": "object", "additionalProperties": SCALAR}]},
        },
        "sequence": {"type": "array", "minItems": 2, "maxItems": 2 * MAX_STEPS, "items": ref("step")},
        "within": duration,
        "new": several({"type": "string"}, most=MAX_BY),
        "memory": {**duration, "default": "30d"},
        "learn": duration,
        "baseline": several(_baseline(duration), most=MAX_BASELINES),
        "template": {"type": "string"},
        "with": ref("parameters"),
        "for_each": {
            "anyOf": [
                {"type": "array", "minItems": 1, "items": ref("parameters")},
                {"type": "string", "pattern": r"\.csv$", "examples": ["outfalls.csv"]},
            ]
        },
    }


def _window(duration: Json) -> Json:
    return {
        "anyOf": [
            mapping(
                {"tumbling": {**duration, "description": said("首尾相接的窗口，从零点起对齐", "windows side by side")}},
                required=["tumbling"],
                title="tumbling",
            ),
            mapping(
                {
                    "hopping": {
                        **duration,
                        "description": said("窗口长度，每隔 every 开一个", "size; one begins every so often"),
                    },
                    "every": duration,
                },
                required=["hopping", "every"],
                title="hopping",
            ),
            mapping(
                {
                    "sliding": {
                        **duration,
                        "description": said("每来一个事件，看它之前这么长时间", "up to and with each event"),
                    }
                },
                required=["sliding"],
                title="sliding",
            ),
            mapping(
                {
                    "session": {
                        **duration,
                        "description": said("间隔不超过它的事件算一段", "events at most so far apart"),
                    },
                    "max": {**duration, "default": "24h"},
                },
                required=["session"],
                title="session",
            ),
        ],
        "defaultSnippets": [
            {"label": "tumbling", "body": {"tumbling": "${1:1h}"}},
            {"label": "hopping", "body": {"hopping": "${1:1h}", "every": "${2:10m}"}},
            {"label": "sliding", "body": {"sliding": "${1:10m}"}},
            {"label": "session", "body": {"session": "${1:30m}"}},
        ],
    }


def _measures(aggregates: Sequence[str]) -> Json:
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_MEASURES,
        "additionalProperties": {
            **ref("expression"),
            "description": said(f"聚合：{'、'.join(aggregates)}", f"aggregates: {', '.join(aggregates)}"),
        },
    }


def _baseline(duration: Json) -> Json:
    return mapping(
        {
            "last": whole(1, MAX_DEPTH) | {"description": said("往前看几个窗口", "how many earlier windows")},
            "skip": whole(0, MAX_DEPTH)
            | {"description": said("跳过最近的几个", "of which the newest are passed over")},
            "every": {
                **duration,
                "description": said("隔多久取一个：1d 为往日同一时段", "1d: the same hour of earlier days"),
            },
            "measure": _measures(AGGREGATES),
        },
        required=["last", "measure"],
        title="baseline",
        defaultSnippets=[{"label": "{last, measure}", "body": {"last": "${1:7}", "measure": {"mean": "avg(${2:n})"}}}],
    )


_UNLESS: Final = said("等待下一步时若出现它，就作废", "discards the match while it waits for the step after it")
_LAST_ABSENT: Final = said(
    "限期内没有出现它（只能是最后一步）", "opens when no such event came in time (the last step only)"
)

_TOLD: Final[dict[str, str]] = {
    "id": said(
        "规则编号，全部文件中唯一，如 env.cod.hourly-mean", "unique over all files, such as env.cod.hourly-mean"
    ),
    "title": said("预警标题，{zh, en} 或一句话", "the alert's title: {zh, en}, or one text"),
    "domain": said("领域，默认取自数据来源", "by default the feed's"),
    "feed": said("看哪一类数据；alert 为别的规则的预警", "which events it looks at; alert: the alerts of other rules"),
    "by": said(
        "按哪些字段分组，一组一个预警，默认 [subject]",
        "the fields that make up the key, one alert a key; default [subject]",
    ),
    "only": said("只在这些日子和钟点", "only on these days, at these hours: {workdays: 09:00-18:00}"),
    "severity": said(
        "级别：一个词，或从高到低的阶梯，取第一个成立的", "a word, or a ladder whose first rung that holds counts"
    ),
    "summary": said("情况一句话，可写 {字段}、{字段:.1f}", "what happened, with {name} and {name:.1f}"),
    "source": said("阈值所依据的标准或法规", "the standard or law that the thresholds come from"),
    "enabled": said(
        "true 生效，false 停用，shadow 试运行：照常判断并留记录，不通知任何人",
        "true, false, or shadow: judged and recorded, but it notifies nobody",
    ),
    "auto_resolve": said("解除后无需人处置的级别，默认 blue", "severities that need no person once they are over"),
    "forget": said("多久没有数据的对象不再跟踪，默认 7d", "keys not heard of for this long are forgotten; default 7d"),
    "max_open": said(
        "同时未解除的预警上限，超出的并入一条“风暴”预警",
        "active alerts beyond which the rest is folded into one storm alert",
    ),
    "max_rate": said("每分钟开启的上限，超出的并入“风暴”预警", "openings a minute beyond which the rest is folded"),
    "where": said("哪些事件才算数", "which events count at all"),
    "when": said("报警条件", "the condition of the alert"),
    "clear": said("解除条件（回差）：写了它，只有它成立才解除", "the condition that ends it (hysteresis)"),
    "clear_after": said(
        "多久没有再成立就解除；never 为不自动解除", "ends it when nothing true came for so long, or never"
    ),
    "hold": said("条件须持续多久才报", "how long the condition must stay true"),
    "update_every": said("持续期间多久更新一次，默认 1m", "how often it is updated while true; default 1m"),
    "window": said(
        "时间窗口：tumbling 滚动、hopping 跳动、sliding 滑动、session 会话", "tumbling, hopping, sliding or session"
    ),
    "measure": said("窗口内的量：{名字: 聚合}，如 {mean: avg(value), n: count(*)}", "names aggregates over the window"),
    "absent": said("这么久没有再来就报", "opens when a key that spoke has been silent for so long"),
    "expect": said("必须上报的名单：从规则生效起就等", "keys that must report, from the rule's activation on"),
    "sequence": said("依次发生的几步", "steps that must happen in order, for one key"),
    "within": said("从第一步算起的时限", "from the first step to the last"),
    "new": said(
        "从没见过的值：这些字段的组合第一次出现时报", "opens at values of these fields not seen before for the key"
    ),
    "memory": said("记住多久，默认 30d", "how long a value is remembered; default 30d"),
    "learn": said("先学多久再报，默认不学", "how long it only learns; default 0s"),
    "baseline": said(
        "与更早的窗口比：EARS、同比、环比", "earlier windows that this one is held against: EARS, spikes, drops"
    ),
    "template": said("用哪个模板；本条写的键优先", "takes a template's keys; its own win"),
    "with": said("模板参数", "the template's parameters"),
    "for_each": said("每行一条规则：列表，或 CSV 文件名", "one rule a row: a list, or the name of a CSV file"),
}
