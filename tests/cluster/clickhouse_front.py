"""ClickHouse's HTTP protocol before the engine in a process of its own, for tests: `python -m tests.cluster.clickhouse_front PATH`.

What clickhouse-connect says over HTTP is answered by chdb: queries with parameters and settings, inserts with their bodies, in any
format and compression, sessions, errors with their codes. Tables, settings, deduplication tokens and errors are the engine's own.
Lines on standard input make it fail in a given way; each is answered by one line on standard output.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import email
import gzip
import json
import os
import re
import socket
import ssl
import sys
import tempfile
import threading
import uuid
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame
import zstandard

#: Parameters of a request that are no settings of the engine.
TRANSPORT = frozenset(
    [
        "query",
        "database",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "default_format",
        "wait_end_of_query",
        "buffer_size",
        "client_protocol_version",
        "role",
        "send_progress_in_http_headers",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
    ]
)
STATUS = {516: 403, 497: 403, 164: 403, 60: 404, 81: 404, 47: 404, 62: 400, 36: 400, 241: 500, 159: 408, 242: 500}
_INSERT = re.compile(rb"\s*INSERT\s+INTO\b.*?\bFORMAT\s+(\w+)\s*?(?:\r?\n|$)", re.IGNORECASE | re.DOTALL)
_ANY_INSERT = re.compile(rb"\s*INSERT\s", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)\.")


class Fault(Exception):
    """The connection ends here."""


class Engine:
    """chdb on one path: a handle for each request, so that settings stay with it, and one for each session."""

    def __init__(self, path: str) -> None:
        self.path = path
        # Held for good: the engine ends with its last handle.
        self._first = chdb.connect(path)
        self.version = bytes(self._first.query("SELECT version()", "TSV").bytes()).decode().strip()
        self._sessions: dict[str, tuple[threading.Lock, object]] = {}
        self._lock = threading.Lock()
        Path(path, "front").mkdir(exist_ok=True)

    @contextlib.contextmanager
    def handle(self, session: str | None) -> Iterator:
        if session is None:
            made = chdb.connect(self.path)
            try:
                yield made
            finally:
                made.close()
            return
        with self._lock:
            lock, held = self._sessions.setdefault(session, (threading.Lock(), chdb.connect(self.path)))
        if not lock.acquire(blocking=False):
            raise RuntimeError(
                f"Code: 373. DB::Exception: Session {session} is locked by a concurrent client. (SESSION_IS_LOCKED)"
            )
        try:
            yield held
        finally:
            lock.release()

    def run(
        self,
        sql: bytes,
        data: bytes,
        *,
        session: str | None,
        database: str,
        settings: dict[str, str],
        params: dict[str, str],
    ):
        with self.handle(session) as handle:
            if database:
                handle.query("USE `" + database.replace("`", "``") + "`", "TSV")
            for name, value in settings.items():
                text = value.replace("\\", "\\\\").replace("'", "\\'")
                handle.query(f"SET {name} = '{text}'", "TSV")
            found = _INSERT.match(sql)
            if not found:
                return handle.query(sql.decode("utf-8", "surrogateescape"), "TabSeparated", params=params)
            body = sql[found.end() :] + data
            clause = sql[: found.end()].decode().rstrip()
            head, _, form = clause.rpartition("FORMAT")
            with tempfile.NamedTemporaryFile(dir=Path(self.path, "front"), suffix=".in") as file:
                file.write(body)
                file.flush()
                return handle.query(
                    f"{head} FROM INFILE '{file.name}' COMPRESSION 'none' FORMAT {form}", "TSV", params=params
                )


class Faults:
    """What goes wrong next. ``lost``: inserts that are carried out and not answered; ``half``: inserts of which half is read."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("lost", "half", "busy", "hang"), 0)
        self.lock = threading.Lock()
        self.inserts = 0
        self.queries = 0
        self.released = threading.Event()

    def take(self, name: str) -> bool:
        with self.lock:
            if self.counts[name] <= 0:
                return False
            self.counts[name] -= 1
            return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        try:
            self._serve(self._body())
        except Fault:
            self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)

    def _body(self) -> bytes:
        faults = self.server.faults
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            size = int(self.headers.get("Content-Length", 0))
            if size > 1000 and self.headers.get("Content-Type") == "application/octet-stream" and faults.take("half"):
                self.rfile.read(size // 2)
                raise Fault
            body = self.rfile.read(size)
            if len(body) < size:
                raise Fault
        encoding = self.headers.get("Content-Encoding")
        if encoding == "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(body)
        if encoding == "lz4":
            return bytes(lz4.frame.decompress(body))
        if encoding == "gzip":
            return gzip.decompress(body)
        if encoding == "deflate":
            return zlib.decompress(body)
        return body

    def _serve(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        faults = self.server.faults
        if parts.path == "/ping" or (not asked and not body):
            self._answer(200, b"Ok.\n")
            return
        if faults.take("hang"):
            faults.released.wait()
            self._drop()
            return
        if faults.take("busy"):
            self._answer(503, b"Service Unavailable", {"Retry-After": "1"})
            return
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
            for part in message.get_payload():
                name = part.get_param("name", header="content-disposition")
                asked[str(name)] = part.get_payload(decode=True).decode()
            body = b""
        allowed = self._user(asked)
        if allowed is None:
            return
        query = asked.get("query", "").encode()
        sql, data = (query, body) if query else (body, b"")
        settings = {k: v for k, v in asked.items() if k not in TRANSPORT and not k.startswith("param_")} | allowed
        params = {k.removeprefix("param_"): _unescaped(v) for k, v in asked.items() if k.startswith("param_")}
        if self.headers.get("X-ClickHouse-Database"):
            asked.setdefault("database", self.headers["X-ClickHouse-Database"])
        query_id = asked.get("query_id") or self.headers.get("X-ClickHouse-Query-Id") or str(uuid.uuid4())
        insert = bool(_ANY_INSERT.match(sql))
        faults.inserts += insert
        faults.queries += 1
        try:
            result = self.server.engine.run(
                sql,
                data,
                session=asked.get("session_id"),
                database=asked.get("database", ""),
                settings=settings,
                params=params,
            )
        except Exception as error:
            self._fail(str(error), query_id)
            return
        if insert and faults.take("lost"):
            self._drop()
            return
        kinds = ("written_rows", "written_bytes") if insert else ("read_rows", "read_bytes")
        summary = dict(zip(kinds, (str(result.rows_read()), str(result.bytes_read())), strict=True))
        found = re.search(rb"\bFORMAT\s+(\w+)\s*;?\s*$", sql, re.IGNORECASE)
        headers = {
            "X-ClickHouse-Summary": json.dumps(summary | {"elapsed_ns": str(int(result.elapsed() * 1e9))}),
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Server-Display-Name": "front",
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Format": found[1].decode() if found and not insert else "TabSeparated",
        }
        answer = b"" if insert else bytes(result.bytes() or b"")
        if asked.get("enable_http_compression") == "1" and answer:
            answer = self._packed(answer, headers)
        self._answer(200, answer, headers)

    def _user(self, asked: dict[str, str]) -> dict[str, str] | None:
        """The settings of the user who asks; None where that one was turned away."""
        user, password = "default", ""
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            user, _, password = base64.b64decode(given[6:]).decode().partition(":")
        user = self.headers.get("X-ClickHouse-User") or asked.get("user") or user
        password = self.headers.get("X-ClickHouse-Key") or asked.get("password") or password
        users = self.server.users
        if users.get(user, ("\0", {}))[0] != password:
            self._fail(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user with such name. "
                "(AUTHENTICATION_FAILED)",
                "",
            )
            return None
        return users[user][1]

    def _packed(self, answer: bytes, headers: dict[str, str]) -> bytes:
        wanted = [word.split(";")[0].strip() for word in self.headers.get("Accept-Encoding", "").split(",")]
        for name, pack in (
            ("zstd", zstandard.ZstdCompressor(1).compress),
            ("lz4", lz4.frame.compress),
            ("gzip", gzip.compress),
            ("deflate", zlib.compress),
        ):
            if name in wanted:
                headers["Content-Encoding"] = name
                return bytes(pack(answer))
        return answer

    def _fail(self, text: str, query_id: str) -> None:
        found = _CODE.search(text)
        code = int(found[1]) if found else 1002
        text = text[found.start() :] if found else text
        body = f"{text.strip()} (version {self.server.engine.version} (official build))\n".encode()
        headers = {"X-ClickHouse-Exception-Code": str(code), "X-ClickHouse-Query-Id": query_id}
        self._answer(STATUS.get(code, 500), body, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)


def _unescaped(text: str) -> str:
    """A parameter comes as TabSeparated text; chdb wants it as it stands there."""
    return text


class Front(ThreadingHTTPServer):
    """One listening socket, which may be closed and opened again on the same port."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], engine: Engine, faults: Faults, users: dict[str, tuple[str, dict[str, str]]]
    ) -> None:
        self.engine, self.faults, self.users = engine, faults, users
        self.open: list[socket.socket] = []
        super().__init__(address, Handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.open.append(request)
        super().process_request(request, client_address)

    def refuse(self) -> None:
        """Nobody is let in, and who was in is put out."""
        self.shutdown()
        self.server_close()
        for request in self.open:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", action="append", default=[], metavar="NAME:PASSWORD[:SETTING=VALUE]")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    given = parser.parse_args()
    users: dict[str, tuple[str, dict[str, str]]] = {}
    for text in given.user or ["default:"]:
        name, password, *rest = text.split(":")
        users[name] = (password, dict(item.split("=") for item in rest))
    Path(given.path).mkdir(parents=True, exist_ok=True)
    engine, faults = Engine(given.path), Faults()

    def listen(port: int) -> Front:
        front = Front(("127.0.0.1", port), engine, faults, users)
        if given.cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(given.cert, given.key)
            front.socket = context.wrap_socket(front.socket, server_side=True)
        threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
        return front

    front = listen(given.port)
    port = front.server_address[1]
    print(port, flush=True)
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        answer = "ok"
        if word == "refuse":
            front.refuse()
        elif word == "answer":
            front = listen(port)
        elif word == "release":
            faults.counts["hang"] = 0
            faults.released.set()
            faults.released = threading.Event()
        elif word == "count":
            answer = f"{faults.inserts} {faults.queries}"
        elif word in faults.counts:
            faults.counts[word] = int(number or 1)
        else:
            answer = f"no such fault: {word}"
        print(answer, flush=True)
    os._exit(0)  # the engine's threads need not be waited for


if __name__ == "__main__":
    main()
