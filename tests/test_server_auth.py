"""Who may ask: the administrator's token, one-time links, sessions, and pages of other sites."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from dashboards.server.auth import Auth
from dashboards.server.sessions import CODE_LIFE_MS, MAX_SESSIONS, SESSION_LIFE_MS, Sessions
from dashboards.server.tokens import TOKEN_FILE, AdminToken, TokenFileError, load_or_create, rotate
from tests.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("auth")) as served:
        yield served


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    """A browser that has not signed in."""
    with httpx.Client(base_url=served.url) as client:
        yield client


def sign_in(served: Served, browser: httpx.Client) -> None:
    assert browser.get(served.auth.signin_path()).headers["location"] == "/"


# --- the token


def test_the_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The first start makes it with mode 0600; later ones find it."""
    token = load_or_create(tmp_path)
    assert load_or_create(tmp_path) == token
    assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
    assert len(token) > 40


def test_a_token_file_that_others_can_read_is_closed_again(tmp_path: Path) -> None:
    """A copy that lost its mode gets it back."""
    load_or_create(tmp_path)
    (tmp_path / TOKEN_FILE).chmod(0o644)
    load_or_create(tmp_path)
    assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600


def test_an_empty_token_file_opens_nothing(tmp_path: Path) -> None:
    """A truncated file is an error that says what to do, not a token of no characters."""
    (tmp_path / TOKEN_FILE).write_text("\n")
    with pytest.raises(TokenFileError, match="token rotate"):
        load_or_create(tmp_path)


def test_a_rotated_token_counts_at_once(tmp_path: Path) -> None:
    """The old token and the sessions that it began end without a restart."""
    clock = iter(range(10**12, 10**12 + 1000))
    auth = Auth(tmp_path, lambda: next(clock))
    old = auth.token.value
    secret = auth.sessions.begin(name="admin", role="admin", epoch=auth.token.epoch)
    assert auth.sessions.find(secret, epoch=auth.token.epoch) is not None
    new = rotate(tmp_path)
    assert auth.token.matches(new)
    assert not auth.token.matches(old)
    assert auth.sessions.find(secret, epoch=auth.token.epoch) is None


def test_odd_characters_are_just_a_wrong_token(tmp_path: Path) -> None:
    """Comparison takes any text."""
    token = AdminToken(tmp_path)
    assert not token.matches("")
    assert not token.matches("令牌\udcff")


# --- sessions and codes, as timelines


def test_a_code_is_good_once_and_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    """At 0 two codes; one is spent twice, the other too late."""
    now_ms = [0]
    sessions = Sessions(tmp_path, lambda: now_ms[0])
    first, second = sessions.issue_code(), sessions.issue_code()
    assert sessions.spend_code(first)
    assert not sessions.spend_code(first)
    now_ms[0] = CODE_LIFE_MS
    assert not sessions.spend_code(second)
    assert not sessions.spend_code("")


def test_sessions_outlive_a_restart_and_are_prolonged_by_use(tmp_path: Path) -> None:
    """Used on day 20 a session is good on day 45; unused for 30 days it is gone."""
    day_ms, now_ms = 86_400_000, [0]
    secret = Sessions(tmp_path, lambda: now_ms[0]).begin(name="admin", role="admin", epoch="e")
    again = Sessions(tmp_path, lambda: now_ms[0])
    now_ms[0] = 20 * day_ms
    assert again.find(secret, epoch="e") is not None
    now_ms[0] = 45 * day_ms
    assert Sessions(tmp_path, lambda: now_ms[0]).find(secret, epoch="e") is not None
    now_ms[0] += SESSION_LIFE_MS
    assert again.find(secret, epoch="e") is None


def test_the_sessions_file_gives_nobody_a_way_in(tmp_path: Path) -> None:
    """It holds hashes, and only its owner reads it; a damaged one means signing in again."""
    sessions = Sessions(tmp_path, lambda: 0)
    secret = sessions.begin(name="admin", role="admin", epoch="e")
    file = tmp_path / "sessions.json"
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("{broken")
    assert Sessions(tmp_path, lambda: 0).find(secret, epoch="e") is None


def test_sessions_are_bounded(tmp_path: Path) -> None:
    """The one that would end first makes room."""
    now_ms = [0]
    sessions = Sessions(tmp_path, lambda: now_ms[0])
    first = sessions.begin(name="a", role="admin", epoch="e")
    sessions._sessions = {f"{n}": s for n, s in enumerate([*sessions._sessions.values()] * (MAX_SESSIONS - 1))}
    now_ms[0] = 1
    kept = sessions.begin(name="b", role="admin", epoch="e")
    last = sessions.begin(name="c", role="admin", epoch="e")
    assert sessions.find(first, epoch="e") is None
    assert sessions.find(kept, epoch="e") is not None
    assert sessions.find(last, epoch="e") is not None
    assert len(sessions._sessions) == MAX_SESSIONS


# --- over HTTP


def test_every_call_but_health_needs_a_token_or_a_session(served: Served, browser: httpx.Client) -> None:
    """Each path of the description answers 401 to a stranger, unless it says that it is public."""
    description = served.client.get("/api/v1/openapi.json").json()
    for path, item in description["paths"].items():
        for method, operation in item.items():
            answer = browser.request(method, path.replace("{id}", "x"))
            if operation.get("security") == []:
                assert answer.status_code != 401 or path.endswith("/session"), path
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic YTpi", "bearer x", ""])
def test_a_wrong_token_is_no_token(served: Served, browser: httpx.Client, header: str) -> None:
    """Also beside a good cookie: who sends a token means it."""
    sign_in(served, browser)
    assert browser.get("/api/v1/me", headers={"Authorization": header}).status_code == 401


def test_the_link_signs_in_once(served: Served, browser: httpx.Client) -> None:
    """The first to follow it has a session, whose cookie scripts cannot read and other sites cannot send."""
    path = served.auth.signin_path()
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "secure" not in cookie
    me = browser.get("/api/v1/me").json()
    assert (me["name"], me["role"], me["via"]) == ("admin", "admin", "session")
    with httpx.Client(base_url=served.url) as other:
        assert other.get(path).headers["location"] == "/?signin=expired"
        assert other.get("/api/v1/me").status_code == 401


def test_signing_in_by_token_and_out_again(served: Served, browser: httpx.Client) -> None:
    """The page's own form: wrong token 401, right one a session, out again none."""
    origin = {"Origin": served.url}
    assert browser.post("/api/v1/session", json={"token": "x" * 43}, headers=origin).status_code == 401
    assert browser.post("/api/v1/session", json={"tocken": "x"}, headers=origin).status_code == 400
    answer = browser.post("/api/v1/session", json={"token": served.auth.token.value}, headers=origin)
    assert (answer.status_code, answer.json()["via"]) == (200, "session")
    assert browser.get("/api/v1/alerts").status_code == 200
    kept = dict(browser.cookies)
    assert browser.delete("/api/v1/session", headers=origin).status_code == 204
    assert browser.get("/api/v1/alerts").status_code == 401
    assert httpx.get(f"{served.url}/api/v1/alerts", cookies=kept).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "{url}"}, 404),
        ({"Origin": "{url}", "Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "{url}", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({}, 403),
    ],
)
def test_a_session_acts_only_from_the_boards_own_page(
    served: Served, browser: httpx.Client, headers: dict[str, str], status: int
) -> None:
    """A page of another site cannot make a signed-in browser act (the alert is not there, so 404 means let through)."""
    sign_in(served, browser)
    sent = {name: value.format(url=served.url) for name, value in headers.items()}
    assert browser.post("/api/v1/alerts/0000000000000000/ack", headers=sent).status_code == status


def test_another_site_cannot_sign_a_browser_in(served: Served, browser: httpx.Client) -> None:
    """Nor listen to the stream with its cookie."""
    token = {"token": served.auth.token.value}
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert browser.post("/api/v1/session", json=token, headers=elsewhere).status_code == 403
    sign_in(served, browser)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    url = f"ws://127.0.0.1:{served.port}/api/v1/alerts/stream"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers={"Cookie": cookies}, origin=Origin("https://elsewhere.example"))
    assert refused.value.response.status_code == 403
    with connect(url, additional_headers={"Cookie": cookies}, origin=Origin(served.url)) as websocket:
        assert "hello" in json.loads(websocket.recv(timeout=5))


def test_behind_a_proxy_its_words_count(tmp_path: Path) -> None:
    """With TLS ended by the proxy the cookie is for TLS only; without --behind-proxy nobody can claim so."""
    for behind_proxy in (True, False):
        app_auth = Auth(tmp_path, lambda: 0, behind_proxy=behind_proxy)
        from starlette.requests import Request
        from starlette.responses import Response

        headers = [(b"host", b"inner:8080"), (b"x-forwarded-host", b"board.example"), (b"x-forwarded-proto", b"https")]
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "server": ("inner", 8080),
            "path": "/",
            "query_string": b"",
        }
        request = Request({**scope, "headers": [*headers, (b"origin", b"https://board.example")]})
        response = Response()
        asyncio.run(app_auth.sign_in(request, response))
        assert ("secure" in response.headers["set-cookie"].lower()) is behind_proxy
        assert app_auth.same_origin(request) is behind_proxy


@pytest.mark.parametrize("path", ["/", "/api/v1/me", "/api/v1/nothing", "/healthz", "/no.js", "/signin?code=x"])
def test_every_answer_has_the_security_headers(browser: httpx.Client, path: str) -> None:
    """Also errors: nothing from elsewhere, no frames, no guessing of types, no referrer."""
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "http:" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
