"""Arrays and CloudEvents become lines; a wrong item is a refused line, and no more than that."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.cloudevents import to_ndjson
from events.decode import Decoder
from events.feeds import FeedCatalog

JSON = "application/json"
BATCH = "application/cloudevents-batch+json"
CLOUD = {
    "specversion": "1.0",
    "id": "1",
    "type": "cn.fengsui.sensor",
    "source": "plant",
    "time": "2026-01-01T08:00:00+08:00",
    "subject": "outfall",
    "datacontenttype": "application/json",
    "region": "530102",
    "data": {"metric": "w01018", "value": 12.5, "note": {"by": "x"}},
}


def lines(body: bytes, kind: str) -> list[bytes]:
    return to_ndjson(body, kind).split(b"\n")


def reasons(items: bytes, kind: str) -> dict[int, str]:
    """Line -> reason, with good items before, between and after."""
    decoded = Decoder(FeedCatalog.builtin()).decode(to_ndjson(items, kind))
    return {refused.line: refused.reason for refused in decoded.rejected}


def test_an_array_is_lines_in_its_order() -> None:
    """However it is laid out, item by item, with each item's bytes as they came."""
    items = [{"id": i, "text": "甲\n乙", "more": [1, {"x": 1.50}]} for i in range(5)]
    for indent in (None, 2):
        body = json.dumps(items, ensure_ascii=False, indent=indent).encode()
        assert [json.loads(line) for line in lines(body, JSON)] == items
    assert lines(b'\xef\xbb\xbf [{"a":1.50},\r\n{"b":1e5}]\n', "application/json; charset=utf-8") == [
        b'{"a":1.50}',
        b'{"b":1e5}',
    ]


def test_an_object_over_several_lines_is_one_event() -> None:
    """People post what their editor shows."""
    assert len(lines(json.dumps(CLOUD, indent=2).encode(), JSON)) == 1
    assert lines(b'{"a":1}\n{"a":2}', JSON) == [b'{"a":1}', b'{"a":2}']
    assert to_ndjson(b"", JSON) == to_ndjson(b"[]", JSON) == to_ndjson(b" \n", JSON) == b""


def test_a_cloudevent_is_its_attributes_and_its_data() -> None:
    """``type`` names the feed, members of ``data`` stand beside the attributes, the wrapping goes."""
    for kind, body in (
        ("application/cloudevents+json", json.dumps(CLOUD)),
        (BATCH, json.dumps([CLOUD])),
        ("Application/CloudEvents-Batch+JSON; charset=utf-8", json.dumps([CLOUD], indent=1)),
    ):
        assert json.loads(to_ndjson(body.encode(), kind)) == {
            "id": "1",
            "feed": "sensor",
            "source": "plant",
            "time": "2026-01-01T08:00:00+08:00",
            "subject": "outfall",
            "region": "530102",
            "metric": "w01018",
            "value": 12.5,
            "note": {"by": "x"},
        }


def test_attributes_of_the_event_win_over_data() -> None:
    """A member of ``data`` cannot pass for the event's id, source, time, subject or feed, but for anything else."""
    data = {"id": "9", "feed": "x", "source": "y", "time": 1, "subject": "z", "region": "53", "type": "A", "data": 1}
    event = json.loads(to_ndjson(json.dumps({**CLOUD, "data": data}).encode(), BATCH))
    assert (event["id"], event["feed"], event["source"], event["subject"]) == ("1", "sensor", "plant", "outfall")
    assert (event["region"], event["type"], event["data"]) == ("53", "A", 1)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ('{"a": NaN}', "bad_json"),
        ("5", "bad_json"),
        ("", "bad_json"),
        ("nonsense", "bad_json"),
        ('"]"', "bad_json"),
        ("{}", "missing_field"),
        ('{"specversion":"1.0","id":"2","source":"s","time":1,"type":5}', "wrong_type"),
        ('{"specversion":"1.0","id":"2","source":"s","time":1,"type":"com.example.thing"}', "unknown_feed"),
        ('{"specversion":"1.0","id":"2","source":"s","type":"cn.fengsui.sensor"}', "missing_field"),
        (
            '{"specversion":"1.0","id":"2","source":"s","time":1,"type":"cn.fengsui.sensor","data":{"value":"x"}}',
            "wrong_type",
        ),
        (
            '{"specversion":"1.0","id":"2","source":"s","time":1,"type":"cn.fengsui.sensor","data":{"value":1e999}}',
            "bad_json",
        ),
        ('{"x":' + "[" * 40 + "]" * 40 + "}", "missing_field"),
    ],
)
def test_a_wrong_item_costs_only_itself(item: str, reason: str) -> None:
    """Under its number and with its reason; the events around it are accepted."""
    good = json.dumps(CLOUD)
    assert reasons(f"[{good}, {item} ,{good}]".encode(), BATCH) in ({2: reason}, {2: "too_deep"})


def test_what_is_no_object_under_data_is_kept() -> None:
    """CloudEvents allows any data; the catalogue knows no such field, so it is evidence."""
    for data in ("text", None, [1], 5):
        event = json.loads(to_ndjson(json.dumps({**CLOUD, "data": data}).encode(), BATCH))
        assert event["data"] == data
    assert "data" not in json.loads(to_ndjson(json.dumps({"id": "1"}).encode(), BATCH))


def test_a_body_cut_off_keeps_what_was_whole() -> None:
    """The connection broke within the third item."""
    body = json.dumps([CLOUD] * 3).encode()[:-40]
    assert reasons(body, BATCH) == {3: "bad_json"}
    assert reasons(b'[{"id":"\xff"},' + json.dumps(CLOUD).encode() + b"]", BATCH) == {1: "bad_utf8"}


def test_a_body_cut_off_after_a_comma_is_told() -> None:
    """What was whole is kept, and the item that was to follow is missed."""
    for kind in (JSON, BATCH):
        assert reasons(json.dumps([CLOUD]).encode()[:-1] + b", ", kind).get(2) == "bad_json"
    assert lines(b'[{"id":1},{"id":2},', JSON) == [b'{"id":1}', b'{"id":2}', b","]


def test_hostile_nesting_ends_soon() -> None:
    """Megabytes of brackets are one refused item, without a long look at each."""
    began = time.process_time()
    found = reasons(b"[" + b'{"x":1},' + b"[" * 4_000_000, JSON)
    assert found == {1: "missing_field", 2: "too_long"}
    assert time.process_time() - began < 5


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=5)
            | st.sampled_from(['"', "\\", "],[", "},{"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=6,
    ),
    st.sampled_from([None, 1]),
)
def test_a_broken_array_splits_where_a_whole_one_does(items: list[Any], indent: int | None) -> None:
    """An array that lacks its end, or has one item too many that is no JSON, has the same items."""
    body = json.dumps(items, ensure_ascii=False, indent=indent).encode()
    whole = to_ndjson(body, JSON)
    assert [json.loads(line) for line in whole.splitlines()] == items
    if items:
        assert to_ndjson(body[:-1] + b",?]", JSON).splitlines() == [*whole.splitlines(), b"?"]
        assert to_ndjson(body[:-1], JSON) == whole
