"""What boards share in Redis beside the alerts: who is signed in, one-time codes, tries to sign in, who is there."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboards.server.attempts import BURST, EACH_MS, MAX_ADDRESSES, OwnAttempts, SharedAttempts, who_is
from dashboards.server.auth import Auth
from dashboards.server.presence import Presence, Present
from dashboards.server.shared import Shared
from dashboards.server.tokens import TOKEN_FILE
from tests.redis_server import RedisServer, needs_redis, redis_server
from tests.served import serving

_prefixes = count()
NOW_MS = 1_780_000_000_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


class Boards:
    """Two boards with one token over one Redis; each method runs to its end."""

    def __init__(self, server: RedisServer, directory: Path) -> None:
        self.prefix = f"b{next(_prefixes)}"
        self.server = server
        self.now_ms = NOW_MS
        self.auths = []
        for name in ("a", "b"):
            (directory / name).mkdir()
            (directory / name / TOKEN_FILE).write_text("x" * 40)
            self.auths.append(Auth(directory / name, lambda: self.now_ms, shared=self.shared()))

    def shared(self, identity: str = "me") -> Shared:
        return Shared(self.server.address(self.prefix), identity)

    def begin(self, board: int) -> str:
        auth = self.auths[board]
        return asyncio.run(auth.signins.begin(name="admin", role="admin", epoch=auth.token.epoch))

    def knows(self, board: int, secret: str) -> bool:
        auth = self.auths[board]
        auth.signins._seen.clear()  # as after two seconds
        return asyncio.run(auth.signins.find(secret, epoch=auth.token.epoch)) is not None

    def end(self, board: int, secret: str) -> None:
        asyncio.run(self.auths[board].signins.end(secret))

    def keep(self) -> None:
        """What a running board does every few seconds, once Redis may be tried again."""
        for auth in self.auths:
            auth.shared._outage.over()
            asyncio.run(auth.signins.keep())


@pytest.fixture
def boards(kept: RedisServer, tmp_path: Path) -> Boards:
    return Boards(kept, tmp_path)


@needs_redis
def test_signed_in_at_one_is_signed_in_at_all(boards: Boards) -> None:
    """Until it is ended anywhere; another system in the same Redis knows nothing of it."""
    secret = boards.begin(0)
    assert boards.knows(0, secret)
    assert boards.knows(1, secret)
    assert boards.auths[0].cookie == boards.auths[1].cookie
    assert boards.shared().scope != boards.shared("another").scope
    boards.end(1, secret)
    assert not boards.knows(0, secret)
    assert not boards.knows(1, secret)
    with boards.server.client() as client:
        kept = b" ".join(client.keys("*"))
        assert secret.encode() not in kept, "Redis gives nobody a way in"


@needs_redis
def test_a_session_ends_with_its_time_and_its_token(boards: Boards) -> None:
    """Thirty days after its last use, and at once where the token was changed."""
    secret = boards.begin(0)
    boards.now_ms += 29 * 86_400_000
    assert boards.knows(1, secret)
    boards.now_ms += 29 * 86_400_000
    assert boards.knows(0, secret)
    boards.now_ms += 31 * 86_400_000
    assert not boards.knows(1, secret)
    other = boards.begin(0)
    assert asyncio.run(boards.auths[1].signins.find(other, epoch="another")) is None


@needs_redis
def test_a_code_is_good_once_at_whichever_board(boards: Boards) -> None:
    """Also where several try at the same time."""
    code = boards.auths[0].sessions.issue_code()
    boards.keep()

    async def all_at_once() -> list[bool]:
        tries = [auth.signins.spend_code(code) for auth in boards.auths * 5]
        return await asyncio.gather(*tries)

    assert sorted(asyncio.run(all_at_once())) == [False] * 9 + [True]
    late = boards.auths[1].sessions.issue_code()
    assert asyncio.run(boards.auths[1].signins.spend_code(late)), "at its own board before it was handed on"
    boards.keep()
    assert not asyncio.run(boards.auths[0].signins.spend_code(late))


@needs_redis
def test_sign_ins_without_redis(tmp_path: Path) -> None:
    """Those who were seen stay in; what begins and ends meanwhile is handed on when it is back, also to an empty one."""
    with redis_server(tmp_path / "redis") as server:
        boards = Boards(server, tmp_path)
        before, ended = boards.begin(0), boards.begin(0)
        for secret in (before, ended):
            assert asyncio.run(boards.auths[1].signins.find(secret, epoch=boards.auths[1].token.epoch))
        server.stop(signal.SIGKILL)
        epoch = boards.auths[1].token.epoch
        assert asyncio.run(boards.auths[1].signins.find(before, epoch=epoch)), "seen here"
        assert boards.knows(0, before), "begun here"
        meanwhile = boards.begin(1)
        assert boards.knows(1, meanwhile)
        boards.end(0, ended)
        assert not boards.knows(0, ended)
        server.start()
        boards.keep()
        assert boards.knows(1, meanwhile), "which hands it on"
        assert boards.knows(0, meanwhile)
        assert boards.knows(0, before), "Redis had lost it"
        assert boards.knows(1, before)
        assert not boards.knows(1, ended)
        assert not boards.knows(0, ended)


@pytest.mark.parametrize("kind", ["own", pytest.param("shared", marks=needs_redis)])
def test_tries_to_sign_in_are_bounded(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """So many at once, then one every few seconds; by address; a success fills the bucket again."""

    async def play() -> None:
        attempts: Any = OwnAttempts(lambda: NOW_MS)
        if kind == "shared":
            boards = Boards(request.getfixturevalue("kept"), tmp_path)
            attempts = SharedAttempts(boards.shared(), lambda: NOW_MS)
        for _ in range(BURST):
            assert await attempts.take("1.2.3.4") == 0
        wait_s = await attempts.take("1.2.3.4")
        assert 0 < wait_s <= EACH_MS / 1000
        assert await attempts.take("1.2.3.5") == 0
        await attempts.succeeded("1.2.3.4")
        assert await attempts.take("1.2.3.4") == 0

    asyncio.run(play())


def test_tries_come_back_with_time_and_are_forgotten() -> None:
    """One token for each stretch of time; of more addresses than are remembered the first go."""
    now_ms = [NOW_MS]
    attempts = OwnAttempts(lambda: now_ms[0])

    async def play() -> None:
        while await attempts.take("a") == 0:
            pass
        now_ms[0] += EACH_MS
        assert await attempts.take("a") == 0
        assert await attempts.take("a") > 0
        for number in range(MAX_ADDRESSES):
            await attempts.take(str(number))
        assert len(attempts._full_ms) == MAX_ADDRESSES
        assert await attempts.take("a") == 0

    asyncio.run(play())
    assert who_is("2001:db8::1") == who_is("2001:db8::2") == "2001:db8::/64"
    assert who_is(None) == "unknown"


def test_a_board_says_wait_after_too_many_wrong_tokens(tmp_path: Path) -> None:
    """429 with Retry-After, before the token is looked at."""
    with serving(tmp_path) as served, httpx.Client(base_url=served.url) as browser:
        statuses = [browser.post("/api/v1/session", json={"token": "wrong"}).status_code for _ in range(BURST + 3)]
        assert statuses[:BURST] == [401] * BURST
        assert statuses[-1] == 429
        refused = browser.post("/api/v1/session", json={"token": served.auth.token.value})
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= EACH_MS // 1000
        assert served.client.get("/api/v1/me").status_code == 200, "a token in a header is long enough by itself"


@needs_redis
def test_who_is_on_the_boards(kept: RedisServer, tmp_path: Path) -> None:
    """All processes together; one that leaves or falls silent is gone; without Redis each knows its own."""
    boards = Boards(kept, tmp_path)

    async def nothing() -> None:
        return

    async def play() -> None:
        first = Presence(lambda: {"li": 2}, boards.shared(), nothing)
        second = Presence(lambda: {"li": 1, "wang": 1}, boards.shared(), nothing)
        alone = Presence(lambda: {"zhao": 1}, None, nothing)
        await second.exchange()
        await first.exchange()
        assert first.now() == Present(2, 4, {"li": 3, "wang": 1})
        await alone.exchange()
        assert alone.now() == Present(1, 1, {"zhao": 1})
        await second.leave()
        await first.exchange()
        assert first.now() == Present(1, 2, {"li": 2})

    asyncio.run(play())


@needs_redis
def test_two_boards_of_one_system(kept: RedisServer, tmp_path: Path) -> None:
    """The summary counts who looks on, and a browser's session stands in Redis."""
    with serving(tmp_path, live=f"{kept.url}?prefix=two") as served, httpx.Client(base_url=served.url) as browser:
        browser.post("/api/v1/session", json={"token": served.auth.token.value})
        assert browser.get("/api/v1/me").json()["via"] == "session"
        with served.stream() as websocket:
            websocket.recv(timeout=5)
            shown = served.until(
                lambda: (p := served.client.get("/api/v1/board/summary").json()["present"])["boards"] == 1 and p
            )
            assert shown == {"processes": 1, "boards": 1, "people": {"admin": 1}}
        link = browser.get(served.auth.signin_path())
        assert link.status_code == 303
        with kept.client() as client:
            assert len(list(client.scan_iter("two:*:session:*"))) == 2
