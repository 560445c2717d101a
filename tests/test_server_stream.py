"""The alert stream: in order, none missing, none twice; filters; and clients that do not read."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from dashboards.server.stream import TOO_SLOW, Hub
from tests.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("stream")) as served:
        yield served


def frames(websocket: ClientConnection, *, until_seq: int, timeout_s: float = 20.0) -> list[dict[str, Any]]:
    """All transitions up to a seq."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["seq"] < until_seq:
        frame = json.loads(websocket.recv(timeout=timeout_s))
        assert "bye" not in frame, frame
        found += frame.get("transitions", [])
    return found


def hello(websocket: ClientConnection) -> int:
    return int(json.loads(websocket.recv(timeout=5))["hello"]["seq"])


def test_live_only_without_after(served: Served) -> None:
    """The hello names the newest seq, and what comes lies after it."""
    served.alarm("before")
    served.stored()
    with served.stream() as websocket:
        newest = hello(websocket)
        assert newest == served.system.transition_log.newest
        alert = served.alarm("after")
        found = frames(websocket, until_seq=newest + 1)
        assert [t["alert"] for t in found if t["rule"] == "t.ph"] == [alert]
        assert found[0]["seq"] > newest


def test_a_transition_comes_quickly(served: Served) -> None:
    """From the answer to the POST to the board well under a second, even the first after a pause."""
    with served.stream() as websocket:
        hello(websocket)
        time.sleep(0.3)
        assert served.post(served.event(subject="quick", value=10)).status_code == 202
        begun_s = time.monotonic()
        json.loads(websocket.recv(timeout=5))
        assert time.monotonic() - begun_s < 0.5


def test_after_zero_gives_everything_that_is_kept(served: Served) -> None:
    """In order of seq, each once, as the log has them."""
    for number in range(5):
        served.alarm(f"zero-{number}")
    served.stored()
    newest = served.system.transition_log.newest
    with served.stream("?after=0&shadow=1") as websocket:
        assert hello(websocket) == newest
        assert [t["seq"] for t in frames(websocket, until_seq=newest)] == list(range(1, newest + 1))
    with served.stream(f"?after={newest - 2}&shadow=1") as websocket:
        hello(websocket)
        assert [t["seq"] for t in frames(websocket, until_seq=newest)] == [newest - 1, newest]


def test_boards_that_come_and_go_miss_nothing(served: Served) -> None:
    """While alerts pour in, boards cut off at seeded moments and return with their last seq: each sees all, once."""
    rng = random.Random(7)
    first = served.system.transition_log.newest
    done = threading.Event()

    def pour() -> None:
        for number in range(40):
            served.post(*(served.event(subject=f"pour-{number}-{n}", value=9.5) for n in range(10)))
            time.sleep(0.02)
        done.set()

    seen: list[list[int]] = [[] for _ in range(4)]
    stops = [[rng.randint(1, 60) for _ in range(200)] for _ in seen]

    def watch(board: int) -> None:
        for stop in stops[board]:
            last = seen[board][-1] if seen[board] else first
            with served.stream(f"?after={last}&shadow=1") as websocket:
                taken = 0
                while taken < stop:
                    try:
                        frame = json.loads(websocket.recv(timeout=0.5))
                    except TimeoutError:
                        if done.is_set() and seen[board] and seen[board][-1] == served.system.transition_log.newest:
                            return
                        continue
                    for transition in frame.get("transitions", []):
                        seen[board].append(transition["seq"])
                        taken += 1

    threads = [threading.Thread(target=pour), *(threading.Thread(target=watch, args=(n,)) for n in range(len(seen)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    newest = served.system.transition_log.newest
    assert newest >= first + 800
    for seqs in seen:
        assert seqs == list(range(first + 1, newest + 1))


def test_filters_and_shadows(served: Served) -> None:
    """A client hears only what it asked for; what is on trial only where an operator asks for it."""
    queries = ["?severity=red", "?domain=market", "?region=5301&severity=orange", "?shadow=1", ""]
    after = served.system.transition_log.newest
    served.alarm("filtered-red", 13.0, region="440100")
    served.alarm("filtered-orange", 9.5, region="530102")
    assert served.post(served.event(feed="complaint", category="食品安全", region="530103")).json()["accepted"] == 1
    served.stored()
    newest = served.system.transition_log.newest
    found = {}
    for query in queries:
        with served.stream(f"{query or '?'}&after={after}".replace("?&", "?")) as websocket:
            hello(websocket)
            end = served.alarm(f"end-{query}", 13.5, region="530102")
            rules = []
            while True:
                try:
                    frame = json.loads(websocket.recv(timeout=1.5))
                except TimeoutError:
                    break
                rules += [(t["rule"], t["severity"]) for t in frame["transitions"] if t["seq"] <= newest]
            found[query] = rules
            assert end
    assert found["?severity=red"] == [("t.ph", "red")]
    assert found["?domain=market"] == [("t.food", "yellow")]
    assert found["?region=5301&severity=orange"] == [("t.ph", "orange")]
    assert ("t.shadow", "blue") in found["?shadow=1"]
    assert all(rule != "t.shadow" for query in queries if query != "?shadow=1" for rule, _ in found[query])


@pytest.mark.parametrize(
    "query", ["?after=-1", "?after=x", "?after=1e3", "?severity=pink", "?nope=1", "?limit=5", "?cursor=x"]
)
def test_what_cannot_be_asked_is_refused_before_the_handshake(served: Served, query: str) -> None:
    """As a problem that names the parameter."""
    with pytest.raises(InvalidStatus) as refused, served.stream(query):
        pass
    response = refused.value.response
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.body is not None
    assert query[1:].partition("=")[0] in json.loads(response.body)["detail"]


def test_strangers_hear_nothing(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """401 before the handshake, and no error in the log for each who tries."""
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused, served.stream(headers=headers):
            pass
        assert refused.value.response.status_code == 401
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_seq_of_another_log_means_live_only(served: Served) -> None:
    """The hello shows that the log is shorter than what was seen; new transitions come all the same."""
    with served.stream("?after=999999999") as websocket:
        newest = hello(websocket)
        assert newest < 999_999_999
        served.alarm("other-log")
        assert frames(websocket, until_seq=newest + 1)


def test_a_client_that_does_not_read_is_told_and_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are not held up; when it reads again it finds a bye, comes back with its last seq, and misses nothing."""
    hub: Hub = served.app.state.hub
    monkeypatch.setattr(hub, "_max_queued_chars", 200_000)
    after = served.system.transition_log.newest
    slow_socket = socket.create_connection(("127.0.0.1", served.port))
    slow_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    with served.stream(f"?after={after}&shadow=1", sock=slow_socket, max_queue=1, ping_interval=None) as slow:
        hello(slow)
        with served.stream(f"?after={after}") as quick:
            hello(quick)
            for number in range(60):
                served.post(*(served.event(subject=f"slow-{number}-{n}", value=9.5) for n in range(100)))
                quick_frame = json.loads(quick.recv(timeout=5))
                assert "transitions" in quick_frame
        served.until(lambda: not any(client.bye is None and client.wanted.shadow for client in hub._clients))
        seqs: list[int] = []
        bye = None
        while bye is None:
            frame = json.loads(slow.recv(timeout=10))
            seqs += [t["seq"] for t in frame.get("transitions", [])]
            bye = frame.get("bye")
        assert bye == TOO_SLOW
        with pytest.raises(ConnectionClosed):
            slow.recv(timeout=10)
    newest = served.system.transition_log.newest
    assert seqs[-1] < newest
    with served.stream(f"?after={seqs[-1]}&shadow=1") as again:
        hello(again)
        seqs += [t["seq"] for t in frames(again, until_seq=newest)]
    assert seqs == list(range(after + 1, newest + 1))


def test_signing_out_ends_the_stream(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board whose session ends is told so and cut off, without waiting for the next alert."""
    monkeypatch.setattr("dashboards.server.stream.CHECK_SESSION_EVERY_S", 0.1)
    with httpx.Client(base_url=served.url) as browser:
        browser.get(served.auth.signin_path())
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        with served.stream(headers={"Cookie": cookies}, origin=served.url) as websocket:
            hello(websocket)
            assert browser.delete("/api/v1/session", headers={"Origin": served.url}).status_code == 204
            assert json.loads(websocket.recv(timeout=5)) == {"bye": "signed out"}


def test_there_is_a_bound_on_boards(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is asked to come later."""
    hub: Hub = served.app.state.hub
    served.until(lambda: hub._connected == 0)
    monkeypatch.setattr(hub, "_max_clients", 1)
    with served.stream() as websocket:
        hello(websocket)
        with pytest.raises(InvalidStatus) as refused, served.stream():
            pass
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["retry-after"]
