"""The board's files, as they were built. Names carry hashes, so all but the page itself are kept by browsers for ever."""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from dashboards.server.problems import Problem
from dashboards.server.services import services_of

MAX_FILE_BYTES = 16_000_000
_TEXTS = (".html", ".js", ".css", ".svg", ".json", ".webmanifest", ".map", ".txt")
_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml"}

NOT_BUILT = (
    "<!doctype html><meta charset=utf-8><title>Fengsui</title>"
    "<p>值班页面尚未构建：请运行 <code>make board</code>，然后重新加载。"
    "<p>The board is not built yet: run <code>make board</code>, then reload."
)


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes | None
    media_type: str
    etag: str
    modified: str


async def show_board(request: Request) -> Response:
    """Any path that no other route takes: a file of the board, or its page, which looks at the path itself."""
    name = request.path_params.get("path", "") or "index.html"
    root = services_of(request).board
    if root is None or not (root / "index.html").is_file():
        if name == "index.html":
            return Response(NOT_BUILT, media_type="text/html")
        raise Problem(404, "the board is not built")
    path = await asyncio.to_thread(_find, root, name)
    if path is None and "." not in name.rsplit("/", 1)[-1]:
        path = root / "index.html"
    if path is None:
        raise Problem(404, f"no file {name[:200]!r}")
    status = path.stat()
    file = await asyncio.to_thread(_load, path, status.st_mtime_ns, status.st_size)
    hashed = path.parent.name == "assets"
    headers = {
        "ETag": file.etag,
        "Last-Modified": file.modified,
        "Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = file.body
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = file.packed
    return Response(body, headers=headers, media_type=file.media_type)


def _find(root: Path, name: str) -> Path | None:
    """The file of that name below the root, wherever links and dots may point."""
    if "\0" in name or "\\" in name or len(name) > 512:
        return None
    try:
        path = (root / name).resolve()
        if path.is_relative_to(root.resolve()) and path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
            return path
    except OSError:
        pass
    return None


@lru_cache(maxsize=256)
def _load(path: Path, modified_ns: int, size: int) -> _File:
    body = path.read_bytes()
    packed = gzip.compress(body, 6, mtime=0) if path.suffix in _TEXTS and len(body) > 1_000 else None
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(body, packed, media_type, f'"{modified_ns:x}-{size:x}"', formatdate(modified_ns / 1e9, usegmt=True))
