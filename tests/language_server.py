"""A small client of the Language Server Protocol: what an editor asks of yaml-language-server, over stdio."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.running import eventually

SERVER = Path(__file__).parent.parent / "dashboards/board/node_modules/yaml-language-server/bin/yaml-language-server"
_PATIENCE_S = 60.0


class Editor:
    """An editor with one schema for every YAML file. A ``|`` in a text is where the cursor stands."""

    def __init__(self, server: subprocess.Popen[bytes], schema: str) -> None:
        self._server = server
        self._settings = {
            "yaml": {
                "schemas": {schema: ["*.yaml"]},
                "completion": True,
                "hover": True,
                "validate": True,
                "schemaStore": {"enable": False},
            }
        }
        self._numbers = itertools.count(1)
        self._news = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._faults: dict[str, list[dict[str, Any]]] = {}
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        text_document = {"completion": {"completionItem": {"snippetSupport": True}}, "hover": {}}
        self._ask(
            "initialize",
            processId=None,
            rootUri="file:///rules",
            capabilities={"workspace": {"configuration": True}, "textDocument": text_document},
        )
        self._say(method="initialized", params={})
        self._say(method="workspace/didChangeConfiguration", params={"settings": self._settings})

    def offers(self, text: str) -> list[str]:
        """The labels of what is offered at the cursor."""
        uri, position = self._open(text)
        answer = self._ask("textDocument/completion", textDocument={"uri": uri}, position=position)
        return [item["label"] for item in (answer["items"] if isinstance(answer, dict) else answer or [])]

    def tells(self, text: str) -> str:
        """What is shown over the word at the cursor."""
        uri, position = self._open(text)
        answer = self._ask("textDocument/hover", textDocument={"uri": uri}, position=position)
        return str(answer["contents"]["value"]) if answer else ""

    def faults(self, text: str) -> list[tuple[int, str]]:
        """(line from 1, message) of what is underlined."""
        uri, _ = self._open(text)
        with self._news:
            assert self._news.wait_for(lambda: uri in self._faults, _PATIENCE_S), "nothing came"
        return [(fault["range"]["start"]["line"] + 1, fault["message"]) for fault in self._faults[uri]]

    def _open(self, text: str) -> tuple[str, dict[str, int]]:
        before, _, after = text.partition("|")
        uri = f"file:///rules/{next(self._numbers)}.yaml"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": before + after}
        self._say(method="textDocument/didOpen", params={"textDocument": document})
        return uri, {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}

    def _ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._say(id=number, method=method, params=params)
        with self._news:
            assert self._news.wait_for(lambda: number in self._answers, _PATIENCE_S), f"no answer to {method}"
            answer = self._answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _say(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._server.stdin
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._server.stdin.flush()

    def stop(self) -> None:
        """Ends the server, and what reads its answers before they are closed."""
        self._server.kill()
        self._listening.join(_PATIENCE_S)

    def _listen(self) -> None:
        stream = self._server.stdout
        assert stream
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                header = stream.readline()
            self._hear(json.loads(stream.read(length)))

    def _hear(self, message: dict[str, Any]) -> None:
        if "method" in message and "id" in message:  # it asks us
            asked = message["params"].get("items", []) if message["method"] == "workspace/configuration" else None
            result = None if asked is None else [self._settings.get(item.get("section")) for item in asked]
            self._say(id=message["id"], result=result)
            return
        with self._news:
            if message.get("method") == "textDocument/publishDiagnostics":
                self._faults[message["params"]["uri"]] = message["params"]["diagnostics"]
            elif "id" in message:
                self._answers[message["id"]] = message
            self._news.notify_all()


@contextmanager
def editing(schema: str) -> Iterator[Editor]:
    """``schema``: its address, file or http."""
    command = ["node", str(SERVER), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        editor: Editor | None = None
        try:
            editor = Editor(server, schema)
            eventually(lambda: editor.offers("rules:\n  - |"))  # until it has asked for its settings
            yield editor
        finally:
            if editor is None:
                server.kill()
            else:
                editor.stop()
