"""POST /events: bodies of all kinds and sizes, and what one that cannot be taken is told."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator

import httpx
import pytest

from events.event import MAX_BODY_BYTES
from streams.log.errors import DiskFull
from tests.served import Served, serving, wall_ms


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("intake")) as served:
        yield served


def send(served: Served, body: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    return served.client.post(
        "/api/v1/events", content=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def ndjson(served: Served, count: int) -> bytes:
    return b"".join(json.dumps(served.event()).encode() + b"\n" for _ in range(count))


def test_lines_are_accepted_once(served: Served) -> None:
    """The same body again is all duplicates."""
    body = ndjson(served, 3)
    first, again = send(served, body), send(served, body)
    assert first.status_code == 202
    assert first.json() == {"accepted": 3, "duplicate": 0, "rejected": []}
    assert again.json() == {"accepted": 0, "duplicate": 3, "rejected": []}


def test_one_bad_line_costs_only_itself(served: Served) -> None:
    """Each is named with its line and reason; the good ones around it are accepted."""
    lines = ndjson(served, 2).splitlines()
    future = json.dumps(served.event(time=wall_ms() + 600_000)).encode()
    body = b"\n".join([lines[0], b'{"id":', b'{"id":"x","feed":"nope","source":"s","time":1}', future, lines[1]])
    answer = send(served, body).json()
    assert answer["accepted"] == 2
    assert [(r["line"], r["reason"]) for r in answer["rejected"]] == [
        (2, "bad_json"),
        (3, "unknown_feed"),
        (4, "time_in_future"),
    ]
    assert all(r["detail"] for r in answer["rejected"])


def test_an_array_and_cloudevents(served: Served) -> None:
    """JSON arrays, structured and batched CloudEvents are the same events."""
    array = [served.event(), served.event(value="high")]
    answer = send(served, json.dumps(array).encode(), content_type="application/json").json()
    assert (answer["accepted"], [r["line"] for r in answer["rejected"]]) == (1, [2])
    cloud = {
        "specversion": "1.0",
        "type": "cn.fengsui.sensor",
        "id": "ce-1",
        "source": "test",
        "time": "2026-01-01T08:00:00+08:00",
        "subject": "S0",
        "data": {"metric": "w01001", "value": 7.5},
    }
    structured = send(served, json.dumps(cloud).encode(), content_type="application/cloudevents+json; charset=utf-8")
    assert structured.json() == {"accepted": 1, "duplicate": 0, "rejected": []}
    batch = send(
        served,
        json.dumps([cloud, {**cloud, "id": "ce-2"}]).encode(),
        content_type="application/cloudevents-batch+json",
    )
    assert batch.json() == {"accepted": 1, "duplicate": 1, "rejected": []}


def test_an_empty_body_is_no_event(served: Served) -> None:
    """And no error."""
    assert send(served, b"").json() == {"accepted": 0, "duplicate": 0, "rejected": []}


def test_gzip_is_taken(served: Served) -> None:
    """In one member or several; broken or cut off it is a 400; another encoding is a 415."""
    body = gzip.compress(ndjson(served, 2)) + gzip.compress(ndjson(served, 1))
    assert send(served, body, content_encoding="gzip").json()["accepted"] == 3
    whole = gzip.compress(ndjson(served, 500))
    assert send(served, whole[:-20], content_encoding="gzip").status_code == 400
    assert send(served, b"no gzip at all", content_encoding="gzip").status_code == 400
    assert send(served, whole, content_encoding="br").status_code == 415


def test_a_body_over_the_limit_is_413(served: Served) -> None:
    """Whether its length is announced or not, and also where only what it inflates to is too much."""
    announced = send(served, b"\n" * (MAX_BODY_BYTES + 1))
    assert announced.status_code == 413
    assert announced.headers["content-type"] == "application/problem+json"
    assert "64 MB" in announced.json()["title"]
    chunk = b"\n" * 1_000_000
    assert send(served, (chunk for _ in range(65))).status_code == 413
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = b"".join([squeeze.compress(chunk) for _ in range(2_000)]) + squeeze.flush()
    assert len(bomb) < 2_500_000
    assert send(served, bomb, content_encoding="gzip").status_code == 413
    assert send(served, ndjson(served, 1)).json()["accepted"] == 1
    assert served.app.state.intake.pending_bytes == 0


def test_a_long_line_is_rejected_by_name(served: Served) -> None:
    """10 MB in one line: too_long, and the next line stands."""
    body = b'{"id":"' + b"x" * 10_000_000 + b'"}\n' + ndjson(served, 1)
    answer = send(served, body).json()
    assert (answer["accepted"], [r["reason"] for r in answer["rejected"]]) == (1, ["too_long"])


def test_a_full_log_is_503_with_retry_after(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log at its bound that its consumers still need; when there is room the same body is taken."""
    log, body = served.system.event_log, ndjson(served, 1)
    with monkeypatch.context() as bounded:
        bounded.setattr(log, "_max_bytes", log.used_bytes)
        answer = send(served, body)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "again" in answer.json()["title"]
    assert send(served, body).json()["accepted"] == 1


def test_a_full_disk_is_503_and_says_what_to_do(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is injected where the log would ask for room."""

    def refuse(_nbytes: int) -> None:
        raise DiskFull("no room on /data", retry_after_s=30)

    monkeypatch.setattr(served.system.event_log, "check_room", refuse)
    answer = send(served, ndjson(served, 1))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "Free space" in answer.json()["title"]


def test_a_client_that_goes_away_takes_nothing_with_it(served: Served) -> None:
    """Half a body and a closed connection: the memory is given back, the next body is taken."""
    with socket.create_connection(("127.0.0.1", served.port)) as raw:
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {served.token['Authorization']}\r\n"
        raw.sendall(head.encode() + b"Content-Length: 5000\r\n\r\n" + b"x" * 1000)
        served.until(lambda: served.app.state.intake.pending_bytes == 1000)
    served.until(lambda: served.app.state.intake.pending_bytes == 0)
    assert send(served, ndjson(served, 1)).json()["accepted"] == 1
