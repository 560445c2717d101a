"""The board's files: served as built, and nothing beside them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from dashboards.server.problems import Problem, on_problem
from dashboards.server.static import show_board


class Place(NamedTuple):
    """As much of the services as the files need."""

    board: Path | None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    board = tmp_path / "dist"
    (board / "assets").mkdir(parents=True)
    (board / "index.html").write_text("<!doctype html><title>值班</title>", encoding="utf-8")
    (board / "assets" / "main-1a2b.js").write_text("export const x = 1;\n" * 200, encoding="utf-8")
    (board / "assets" / "font.woff2").write_bytes(b"\x00" * 10)
    (tmp_path / "secret.txt").write_text("secret")
    (board / "link.txt").symlink_to(tmp_path / "secret.txt")
    return board


def client(board: Path | None) -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/{path:path}", show_board)], exception_handlers={Problem: on_problem})
    app.state.services = Place(board)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://board")


def get(board: Path | None, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client(board) as browser:
            return await browser.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(ask())


def test_the_page_and_its_files(root: Path) -> None:
    """The page is asked for again each time; files with a hash in their name never are."""
    page = get(root, "/")
    assert "值班" in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    script = get(root, "/assets/main-1a2b.js", accept_encoding="gzip")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-encoding"] == "gzip"
    assert script.text.startswith("export const x")
    assert "content-encoding" not in get(root, "/assets/main-1a2b.js", accept_encoding="identity").headers


def test_an_address_of_the_page_is_the_page(root: Path) -> None:
    """Paths without a file name are the page's own; a missing file is a 404."""
    assert "值班" in get(root, "/alerts/0123456789abcdef").text
    assert get(root, "/assets/gone.js").status_code == 404


def test_an_unchanged_file_is_not_sent_again(root: Path) -> None:
    """304 for the same ETag; a rebuilt page is sent."""
    tag = get(root, "/").headers["etag"]
    assert get(root, "/", if_none_match=tag).status_code == 304
    (root / "index.html").write_text("<!doctype html><title>新</title>", encoding="utf-8")
    assert "新" in get(root, "/", if_none_match=tag).text


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/link.txt",
        "/..%5csecret.txt",
        "/a%00b.txt",
    ],
)
def test_nothing_beside_the_board_is_served(root: Path, path: str) -> None:
    """Dots, encoded dots, links and NULs lead nowhere."""
    answer = get(root, path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")


def test_without_a_board_one_is_told_how_to_build_it(tmp_path: Path) -> None:
    """The API works all the same."""
    for board in (None, tmp_path):
        assert "make board" in get(board, "/").text
        assert get(board, "/assets/x.js").status_code == 404
