"""GET /openapi.json: the description of the API, kept by hand beside the routes; a test holds the two together."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.answers import json_answer
from dashboards.server.services import services_of
from sinks.filters import DEFAULT_LIMIT, MAX_LIMIT, STATES

Json = dict[str, Any]

_SEVERITY: Json = {"type": "string", "enum": ["red", "orange", "yellow", "blue"]}
_INSTANT: Json = {"type": "string", "format": "date-time", "examples": ["2026-01-01T00:00:00.000Z"]}
_TITLE: Json = {"type": "object", "properties": {"zh": {"type": "string"}, "en": {"type": "string"}}}
_COUNT: Json = {"type": "integer", "minimum": 0}


def _maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str = "", /, **properties: Json) -> Json:
    made: Json = {"type": "object", "properties": properties}
    return {**made, "required": required.split()} if required else made


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _content(schema: Json, media_type: str = "application/json") -> Json:
    return {media_type: {"schema": schema}}


def _query(name: str, schema: Json, text: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _problems(*statuses: int) -> Json:
    words = {
        400: "A parameter or the body is wrong; the title says what to do",
        401: "No valid token or session",
        403: "The request comes from a page of another site",
        404: "There is no such thing",
        406: "No form that Accept names can be given",
        408: "The body paused for too long",
        409: "The state does not allow it; the detail says why",
        413: "The body is too large",
        415: "The body's encoding is not known",
        429: "Too many tries; see Retry-After",
        503: "Not now; see Retry-After",
    }
    return {
        str(status): {"description": words[status], "content": _content(_ref("Problem"), "application/problem+json")}
        for status in statuses
    }


def _answer(schema: Json, text: str, *problems: int, status: int = 200) -> Json:
    return {str(status): {"description": text, "content": _content(schema)}, **_problems(401, *problems)}


def _collection(item: Json, text: str, required: str = "", /, **beside: Json) -> Json:
    page = _object(f"items next {required}", items=_list(item), next=_maybe({"type": "string"}), **beside)
    made = _answer(page, text, 400, 406, 503)
    made["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    made["200"]["content"]["application/vnd.apache.parquet"] = {"schema": {"type": "string", "format": "binary"}}
    made["200"]["headers"] = {
        "Link": {"description": "the next page of a table, rel=next", "schema": {"type": "string"}}
    }
    return made


def _arrow(text: str, *, next_page: bool = False) -> Json:
    page: Json = {
        "description": text,
        "content": {"application/vnd.apache.arrow.stream": {"schema": {"type": "string"}}},
    }
    if next_page:
        page["headers"] = {
            "Fengsui-Next": {"description": "after= of the next page", "schema": {"type": "integer"}, "required": True}
        }
    return {"200": page, **_problems(400, 401, 403, 503)}


_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_FROM = _query("from", {"type": "string"}, "RFC 3339 with offset, or epoch milliseconds; included")
_TO = _query("to", {"type": "string"}, "as from; not included")
_REGION = _query("region", {"type": "string"}, "prefix of a GB/T 2260 code")
_DOMAIN = _query("domain", {"type": "string"}, "such as environment")
_SEVERITIES = _query("severity", {"type": "string"}, "one or more of red, orange, yellow, blue, with commas")
_STATES = _query("state", {"type": "string"}, f"one or more of {', '.join(STATES)}, with commas, or unresolved")
_RULE = _query("rule", {"type": "string"}, "a rule's id")
_SUBJECT = _query("subject", {"type": "string"}, "a subject, such as a unified social credit code")
_FEED = _query("feed", {"type": "string"}, "a feed's name")
_FEEDS = _query("feed", _list({"type": "string"}), "one or more, each as feed=...")
_RULES = _query("rule", _list({"type": "string"}), "one or more ids, each as rule=...")
_SHADOW = _query("shadow", {"type": "string", "enum": ["0", "1"]}, "1: shadow alerts too, for operators only")
_LIMIT = _query(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "length of a page"
)
_CURSOR = _query("cursor", {"type": "string"}, "what the page before gave as next")
_FORMAT = _query("format", {"type": "string", "enum": ["json", "csv", "parquet"]}, "in place of Accept, for links")
_FILTERS = [_FROM, _TO, _REGION, _DOMAIN, _SEVERITIES, _STATES, _RULE, _SUBJECT, _FEED, _SHADOW]
_PAGING = [_LIMIT, _CURSOR, _FORMAT]
_OF_EVENTS = [_FROM, _TO, _REGION, _DOMAIN, _SUBJECT, _FEED]

_SCALAR: Json = {"type": ["string", "number", "boolean", "null"]}
_EVIDENCE = _object(
    "feed key from to events",
    feed={"type": "string"},
    key={"type": "object", "additionalProperties": _SCALAR},
    **{"from": _INSTANT},
    to=_INSTANT,
    events=_list({"type": "string"}),
)
_ALERT = _object(
    "seq alert n type at rule version domain severity key evidence title summary state condition count opened_at",
    seq={"type": "integer"},
    alert={"type": "string", "pattern": "^[0-9a-f]{16}$"},
    n={"type": "integer", "minimum": 1},
    type={"type": "string"},
    at=_INSTANT,
    rule={"type": "string"},
    version={"type": "string"},
    domain={"type": "string"},
    severity=_SEVERITY,
    key={"type": "object", "additionalProperties": _SCALAR},
    region=_maybe({"type": "string"}),
    subject=_maybe({"type": "string"}),
    # a storm's measures name some of the keys that it folds
    measures={"type": "object", "additionalProperties": {"anyOf": [_SCALAR, _list({"type": "string"})]}},
    evidence=_EVIDENCE,
    title=_TITLE,
    summary=_TITLE,
    by=_maybe({"type": "string"}),
    state={"type": "string", "enum": list(STATES)},
    condition={"type": "string", "enum": ["active", "cleared"]},
    count=_COUNT,
    opened_at=_INSTANT,
    closed_at=_maybe(_INSTANT),
    note=_maybe({"type": "string"}),
    to=_maybe({"type": "string"}),
    reason=_maybe({"type": "string"}),
    act=_maybe({"type": "string"}),
    shadow={"type": "boolean"},
)
_EVENT = _object(
    "id feed source time",
    id={"type": "string"},
    feed={"type": "string"},
    source={"type": "string"},
    time={"anyOf": [_INSTANT, {"type": "integer", "description": "epoch milliseconds"}]},
    region={"type": "string"},
    subject={"type": "string"},
    lon={"type": "number"},
    lat={"type": "number"},
)
_PULSE: dict[str, Json] = {
    "accepted": _COUNT,
    "newest_time": _maybe(_INSTANT),
    "newest_receipt": _maybe(_INSTANT),
    "watermark": _maybe(_INSTANT),
}
_BY_SEVERITY: dict[str, Json] = dict.fromkeys(("red", "orange", "yellow", "blue"), _COUNT)
_POINTS = _list({"type": "array", "prefixItems": [_INSTANT, {"type": ["number", "null"]}]})
_FAULT = _object(
    "file line column message hint",
    file={"type": "string"},
    line=_maybe({"type": "integer"}),
    column=_maybe({"type": "integer"}),
    message={"type": "string"},
    hint={"type": "string"},
)
_REFUSAL = _object(
    "since faults errors",
    since=_INSTANT,
    faults={**_COUNT, "description": "how many, of which the first are listed"},
    errors={**_list(_FAULT), "description": "for operators only"},
)
_IN_FORCE = _object(
    "version position since count on shadow off",
    version={"type": "string"},
    position=_maybe({"type": "integer", "description": "of the activation in the event log"}),
    since=_maybe(_INSTANT),
    count=_COUNT,
    on=_COUNT,
    shadow=_COUNT,
    off=_COUNT,
)
_LIVE = _object(
    "source error since seq alerts let_go rebuild",
    source={"type": "string", "enum": ["memory", "redis", "log"]},
    error=_maybe({"type": "string", "description": "why the log is read"}),
    since=_maybe(_INSTANT),
    seq=_COUNT,
    alerts=_COUNT,
    let_go={**_COUNT, "description": "unresolved ones that are only in the store, because there were too many"},
    rebuild=_maybe(
        _object(
            "state stage done of error rebuilt",
            state={"type": "string", "enum": ["idle", "running", "done", "failed"]},
            stage={"type": "string"},
            done=_COUNT,
            of=_COUNT,
            error={"type": "string"},
            rebuilt=_maybe(
                _object(
                    "build position unresolved resolved",
                    build={"type": "string"},
                    position=_COUNT,
                    unresolved=_COUNT,
                    resolved=_COUNT,
                )
            ),
        )
    ),
)
_SUMMARY = _object(
    "at seq zone health problems present alerts feeds engine sinks rules",
    at=_INSTANT,
    seq={"type": "integer"},
    zone={"type": "string"},
    health={"type": "string", "enum": ["ok", "behind", "stalled"]},
    present=_object(
        "processes boards people",
        processes={**_COUNT, "description": "that serve boards"},
        boards={**_COUNT, "description": "connected to the alert stream"},
        people={"type": "object", "additionalProperties": _COUNT, "description": "boards by who signed in"},
    ),
    problems=_list(
        _object(
            "part level title",
            part={"type": "string"},
            level={"type": "string", "enum": ["notice", "behind", "stalled"]},
            since=_maybe(_INSTANT),
            title=_TITLE,
            detail={"type": "string"},
        )
    ),
    alerts=_object(
        unresolved=_COUNT,
        active=_COUNT,
        unacknowledged=_COUNT,
        severity=_object(**_BY_SEVERITY),
        state=_object(**dict.fromkeys(STATES, _COUNT)),
        domain=_list(_object(domain={"type": "string"}, total=_COUNT, **_BY_SEVERITY)),
        region=_list(_object(region={"type": "string"}, total=_COUNT, **_BY_SEVERITY)),
    ),
    feeds=_list(_object(feed={"type": "string"}, title=_TITLE, domain={"type": "string"}, **_PULSE)),
    engine=_object(
        running={"type": "boolean"},
        clock=_maybe(_INSTANT),
        pos=_COUNT,
        newest=_COUNT,
        lag=_COUNT,
        lag_s={"type": "number"},
        error=_maybe({"type": "string"}),
    ),
    sinks=_list(
        _object(name={"type": "string"}, lag=_COUNT, last_success=_maybe(_INSTANT), error=_maybe({"type": "string"}))
    ),
    rules=_object(
        version={"type": "string"}, count=_COUNT, shadow=_COUNT, since=_maybe(_INSTANT), refused=_maybe(_ref("Refusal"))
    ),
)
_SERIES = _object(
    alert={"type": "string"},
    **{"from": _INSTANT},
    to=_INSTANT,
    opened_at=_INSTANT,
    closed_at=_maybe(_INSTANT),
    kind={"type": "string", "enum": ["value", "count"]},
    field=_maybe({"type": "string"}),
    title=_maybe(_TITLE),
    unit={"type": "string"},
    bucket_s={"type": "number"},
    points=_POINTS,
    limit=_maybe({"type": "number"}),
    measures={"type": "object", "additionalProperties": _POINTS},
    marks=_list(_object(at=_INSTANT, type={"type": "string"}, severity=_SEVERITY)),
)
_ME = _object(
    "name role via",
    name={"type": "string"},
    role={"type": "string"},
    via={"type": "string", "enum": ["token", "session"]},
    zone={"type": "string"},
    version={"type": "string"},
)
_OUTLINE = _object(
    "first last newest oldest_ms newest_ms clock_ms end_ms acts activations",
    first=_COUNT,
    last=_COUNT,
    newest=_COUNT,
    oldest_ms={"type": "integer"},
    newest_ms={"type": "integer"},
    clock_ms={"type": "integer"},
    end_ms={"type": "integer"},
    acts=_list(_object("pos at_ms body", pos=_COUNT, at_ms={"type": "integer"}, body={"type": "string"})),
    activations=_list(_object("pos at_ms bundle", pos=_COUNT, at_ms={"type": "integer"}, bundle={"type": "string"})),
)
_SCHEMAS: Json = {
    "Alert": _ALERT,
    "AlertDetail": {
        "allOf": [
            _ref("Alert"),
            _object(
                "history events",
                history=_list(_ref("Alert")),
                events=_list(_ref("Event")),
                events_error={"type": "string"},
            ),
        ]
    },
    "DeadLetter": _object(
        "pos receipt reason detail raw",
        pos={"type": "integer"},
        receipt=_INSTANT,
        reason={"type": "string"},
        detail={"type": "string"},
        feed={"type": "string"},
        source={"type": "string"},
        raw={"type": "string"},
    ),
    "Event": _EVENT,
    "Feed": _object(
        "name title domain fields",
        name={"type": "string"},
        title=_TITLE,
        domain={"type": "string"},
        lateness={"type": "string"},
        idle={"type": "string"},
        retention_days={"type": "integer"},
        fields=_list(
            _object(
                "name type title",
                name={"type": "string"},
                type={"type": "string", "enum": ["string", "number", "integer", "boolean", "time"]},
                title=_TITLE,
                unit={"type": "string"},
                personal={"type": "boolean"},
            )
        ),
        **_PULSE,
    ),
    "Me": _ME,
    "Problem": _object(
        "type status title",
        type={"type": "string"},
        status={"type": "integer"},
        title={"type": "string"},
        detail={"type": "string"},
    ),
    "Receipt": _object(
        "accepted duplicate rejected",
        accepted=_COUNT,
        duplicate=_COUNT,
        rejected=_list(
            _object(
                "line reason detail",
                line={"type": "integer", "minimum": 1},
                reason={
                    "type": "string",
                    "enum": [
                        "bad_json",
                        "bad_utf8",
                        "too_long",
                        "too_deep",
                        "missing_field",
                        "wrong_type",
                        "unknown_feed",
                        "time_in_future",
                    ],
                },
                detail={"type": "string"},
            )
        ),
        rejected_count=_COUNT,
    ),
    "Rule": _object(
        "id title domain kind version",
        id={"type": "string"},
        title=_TITLE,
        domain={"type": "string"},
        kind={"type": "string"},
        version={"type": "string"},
        mode={"type": "string", "enum": ["on", "off", "shadow"]},
        source={"type": "string"},
        alerts=_object("unresolved active", unresolved=_COUNT, active=_COUNT),
    ),
    "InForce": _IN_FORCE,
    "Refusal": _REFUSAL,
    "Explanation": _list(
        _object(
            "name title lines",
            name={"type": "string", "examples": ["opening"]},
            title={"type": "string"},
            lines=_list(_object("text items", text={"type": "string"}, items=_list({"type": "string"}))),
        )
    ),
    "Series": _SERIES,
    "Live": _LIVE,
    "Summary": _SUMMARY,
    "Trend": _object(
        "from to bucket_s items",
        **{"from": _INSTANT},
        to=_INSTANT,
        bucket_s={"type": "number"},
        items=_list(_object(at=_INSTANT, total=_COUNT, **_BY_SEVERITY)),
    ),
}

_LINES: Json = {
    "schema": {"type": "string"},
    "example": '{"id":"1","feed":"sensor","source":"s","time":1767225600000}\n',
}
_POST_EVENTS: Json = {
    "summary": "Hand in events; what is accepted is on the disk before the answer",
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": _LINES,
            "application/json": {"schema": _list(_ref("Event"))},
            "application/cloudevents+json": {"schema": {"type": "object"}},
            "application/cloudevents-batch+json": {"schema": _list({"type": "object"})},
        },
    },
    "responses": _answer(_ref("Receipt"), "The fate of every line", 400, 403, 408, 413, 415, 503, status=202),
}


def _get(text: str, responses: Json, *parameters: Json, public: bool = False) -> Json:
    made: Json = {"summary": text, "parameters": list(parameters), "responses": responses}
    return {**made, "security": []} if public else made


def _act(verb: str, text: str, required: str = "") -> Json:
    body = _object(required, note={"type": "string", "maxLength": 4000}, to={"type": "string", "maxLength": 200})
    return {
        "post": {
            "summary": text,
            "operationId": f"{verb}Alert",
            "parameters": [_ID],
            "requestBody": {"required": bool(required), "content": _content(body)},
            "responses": _answer(_ref("Alert"), "The alert as it then is", 400, 403, 404, 409, 503),
        }
    }


_API_PATHS: Json = {
    "/events": {
        "get": _get("Stored events, newest first", _collection(_ref("Event"), "Events"), *_OF_EVENTS, *_PAGING),
        "post": _POST_EVENTS,
    },
    "/dead-letters": {
        "get": _get(
            "Refused lines, newest first", _collection(_ref("DeadLetter"), "Lines"), _FROM, _TO, _FEED, *_PAGING
        )
    },
    "/history": {
        "get": _get(
            "Events of some feeds in the order of the log, a page at a time, for operators",
            _arrow(
                "Columns pos, receipt_ms, clock_ms (where the log's clock stood before the event) and raw (its line)",
                next_page=True,
            ),
            _FEEDS,
            _query("after", {"type": "integer", "minimum": 0, "default": 0}, "a position of the log; not included"),
            _query("span", {"type": "integer", "minimum": 1, "default": 200_000}, "positions to look over"),
            _query("rows", {"type": "integer", "minimum": 1, "default": 20_000}, "events of a page at most (100,000)"),
            _query("before", {"type": "string"}, "only events with an earlier time"),
        )
    },
    "/history/outline": {
        "get": _get(
            "Where a stretch of event time lies in the log, for operators",
            _answer(_OUTLINE, "Positions, times, acts and rule sets", 400, 403, 503),
            _FEEDS,
            _FROM,
            _TO,
        )
    },
    "/history/openings": {
        "get": _get(
            "The alerts of some rules that opened in a time, or stood when it began, for operators",
            _arrow(
                "Columns alert, rule, version, key, region, subject, severity, peak, opened_ms, closed_ms, shadow, summary"
            ),
            _RULES,
            _FROM,
            _TO,
        )
    },
    "/history/rules": {
        "get": _get(
            "The files of the rule set that was put in force at a position of the log, for operators",
            _answer({"type": "object"}, "files, feeds and zone", 400, 403, 404, 503),
            _query("pos", {"type": "integer", "minimum": 1}, "a position of the outline's activations"),
        )
    },
    "/alerts": {
        "get": _get("Alerts, red first, then newest opening", _collection(_ref("Alert"), "Alerts"), *_FILTERS, *_PAGING)
    },
    "/alerts/stream": {
        "get": _get(
            "Websocket: every transition after a seq, then live. Frames: {hello: {seq}}, {transitions: [...]}, {bye: why}",
            {"101": {"description": "The stream"}, **_problems(400, 401, 403, 503)},
            _query("after", {"type": "integer", "minimum": 0}, "the last seq seen; without it, live only"),
            *_FILTERS,
        )
    },
    "/alerts/{id}": {
        "get": _get("An alert, its history and its evidence", _answer(_ref("AlertDetail"), "The alert", 404), _ID)
    },
    "/alerts/{id}/series": {
        "get": _get(
            "The measure around an alert", _answer(_ref("Series"), "The series", 400, 404, 503), _ID, _FROM, _TO
        )
    },
    "/alerts/{id}/ack": _act("ack", "Take notice; from open"),
    "/alerts/{id}/assign": _act("assign", "Hand to somebody; from open, acked, assigned", "to"),
    "/alerts/{id}/note": _act("note", "Write something down; always", "note"),
    "/alerts/{id}/resolve": _act("resolve", "Settle it; from all but resolved"),
    "/alerts/{id}/reopen": _act("reopen", "Take it up again; from resolved"),
    "/rules": {
        "get": _get(
            "The rules in force",
            _collection(
                _ref("Rule"), "Rules", "in_force refused", in_force=_ref("InForce"), refused=_maybe(_ref("Refusal"))
            ),
            _DOMAIN,
            _RULE,
            _FEED,
            _SEVERITIES,
            *_PAGING,
        )
    },
    "/rules/{id}": {
        "get": _get(
            "One rule in force, and what it does in words",
            _answer(
                {
                    "allOf": [
                        _ref("Rule"),
                        _object(
                            "explanation",
                            explanation=_object("zh en", zh=_ref("Explanation"), en=_ref("Explanation")),
                        ),
                    ]
                },
                "The rule",
                404,
            ),
            _ID,
        )
    },
    "/rules/schema": {
        "get": _get(
            "The JSON Schema of rule files, for editors; feeds and fields are those of the catalogue in force",
            {
                "200": {
                    "description": "The schema, with an ETag",
                    "content": {"application/schema+json": {"schema": {"type": "object"}}},
                },
                "304": {"description": "If-None-Match names it: nothing has changed"},
                **_problems(401),
            },
            _query("key", {"type": "string"}, "in place of a token: `fengsui rules schema --url` prints the address"),
        )
    },
    "/rules/reload": {
        "post": {
            "summary": "Read the rule files again",
            "responses": _answer(
                _object(
                    "position version count changes in_force",
                    position=_maybe({"type": "integer", "description": "null where nothing changed"}),
                    version={"type": "string"},
                    count=_COUNT,
                    changes=_object(
                        "added removed changed unchanged",
                        **dict.fromkeys(("added", "removed", "changed", "unchanged"), _list({"type": "string"})),
                    ),
                    in_force=_ref("InForce"),
                ),
                "The rules now in force",
                403,
                404,
                409,
                503,
            ),
        }
    },
    "/live": {"get": _get("Where current alerts come from", _answer(_ref("Live"), "The live state"))},
    "/live/rebuild": {
        "post": {
            "summary": "Make the shared live state again; readers are served all the while",
            "requestBody": {
                "required": False,
                "content": _content(
                    _object(replace={"type": "boolean", "description": "also where it is of another system"})
                ),
            },
            "responses": _answer(
                _ref("Live"), "It has begun: GET /live says how far it is", 400, 403, 404, 409, status=202
            ),
        }
    },
    "/feeds": {"get": _get("The feed catalogue", _collection(_ref("Feed"), "Feeds"), _DOMAIN, _FEED, *_PAGING)},
    "/subjects/{id}": {
        "get": _get(
            "What is known of a subject",
            _answer(
                _object(
                    "subject alerts events",
                    subject={"type": "string"},
                    alerts=_list(_ref("Alert")),
                    events=_list(_ref("Event")),
                ),
                "The subject",
                400,
                404,
                503,
            ),
            _ID,
            _FROM,
            _TO,
            _LIMIT,
        )
    },
    "/trend": {
        "get": _get(
            "Alerts opened in each bucket of time",
            _answer(_ref("Trend"), "The trend", 400, 503),
            _query("bucket", {"type": "string", "default": "1h"}, "a duration from 1m to 31d"),
            *_FILTERS,
        )
    },
    "/board/summary": {
        "get": _get(
            "The head of the board and the heartbeat",
            _answer(_ref("Summary"), "The summary", 400),
            _query("digits", {"type": "integer", "enum": [2, 4, 6], "default": 4}, "length of the region prefixes"),
            *(one for one in _FILTERS if one is not _STATES),
        )
    },
    "/me": {"get": _get("Who asks", _answer(_ref("Me"), "You"))},
    "/session": {
        "post": {
            "summary": "Sign in with the administrator's token",
            "security": [],
            "requestBody": {"required": True, "content": _content(_object("token", token={"type": "string"}))},
            "responses": _answer(_ref("Me"), "Signed in; sets the cookie", 400, 403, 429),
        },
        "delete": {
            "summary": "Sign out",
            "responses": {"204": {"description": "Signed out"}, **_problems(401, 403)},
        },
    },
    "/openapi.json": {"get": _get("This description", _answer({"type": "object"}, "OpenAPI 3.1"))},
}
_HEALTH = _object(
    "ready reasons",
    ready={"type": "boolean"},
    reasons=_list(_object(part={"type": "string"}, level={"type": "string"}, title={"type": "string"})),
)
_ROOT_PATHS: Json = {
    "/metrics": {
        "get": _get(
            "OpenMetrics",
            {
                "200": {
                    "description": "Everything that the process counts",
                    "content": {"application/openmetrics-text": {"schema": {"type": "string"}}},
                },
                **_problems(401),
            },
        )
    },
    "/healthz": {
        "get": _get(
            "Does the process answer?",
            {"200": {"description": "Yes", "content": _content(_object(status={"type": "string"}))}},
            public=True,
        )
    },
    "/readyz": {
        "get": _get(
            "Are events taken and judged?",
            {
                "200": {"description": "Yes; reasons name what lags", "content": _content(_HEALTH)},
                "503": {"description": "No, and why", "content": _content(_HEALTH)},
            },
            public=True,
        )
    },
    "/signin": {
        "get": _get(
            "The one-time link",
            {"303": {"description": "To the board, signed in if the code was good"}},
            _query("code", {"type": "string"}, "the code"),
            public=True,
        )
    },
}


def description(*, version: str, api: str = "/api/v1") -> Json:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "烽燧 Fengsui",
            "version": version,
            "description": "Real-time monitoring and early warning for supervision authorities. See docs/api.md.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}],
        "paths": {**{api + path: item for path, item in _API_PATHS.items()}, **_ROOT_PATHS},
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "fengsui_…", "description": "set by /signin"},
            },
        },
    }


async def show_description(request: Request) -> Response:
    return json_answer(description(version=services_of(request).settings.version))
