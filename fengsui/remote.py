"""Commands about a directory that a running system holds: they go through its API."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import Any

from dashboards.server.tokens import TOKEN_FILE, schema_key
from fengsui.exits import InputFault, ServiceMissing
from fengsui.layout import DataDirectory
from fengsui.settings import Settings

_TIMEOUT_S = 60
#: Ids that are printed of each kind of change.
_MOST_IDS = 50


@dataclass(frozen=True)
class Answer:
    """What the API said. ``headers`` are asked for by any case."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return _body(self.body)


def call(settings: Settings, method: str, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of an API call to the system that runs on this directory. ServiceMissing where none answers."""
    answer = ask(settings, method, path)
    return answer.status, answer.json


def ask(settings: Settings, method: str, path: str, body: bytes | None = None) -> Answer:
    """The answer to an API call, whatever its status. ServiceMissing where no system answers."""
    address, token = _system(settings)
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address + path, data=body, method=method, headers=headers)  # noqa: S310  # our own server
    # The certificate names the public host, and this goes to the same machine.
    context = ssl._create_unverified_context() if address.startswith("https:") else None  # noqa: S323
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=context) as answer:  # noqa: S310
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())
    except OSError as error:
        raise ServiceMissing(f"{address} does not answer ({error}): see its messages") from None


def _system(settings: Settings) -> tuple[str, str]:
    """Address and token of the system that runs on this directory."""
    address = DataDirectory(settings.data).address()
    if address is None:
        raise ServiceMissing(
            f"no system runs on {settings.data}: start `fengsui up`, or name its directory with --data"
        )
    try:
        return address, (settings.data / TOKEN_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ServiceMissing(
            f"{settings.data / TOKEN_FILE} cannot be read ({error.strerror}): use the account that runs it"
        ) from None


def _body(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def schema_url(settings: Settings) -> str:
    """Where an editor on this machine finds the schema of the running system's rules. ServiceMissing where none runs."""
    address, token = _system(settings)
    return f"{address}/api/v1/rules/schema?key={schema_key(token)}"


def reload_rules(settings: Settings) -> str:
    """Asks for a reload: what changed, and what is in force. InputFault with every error of the rule files."""
    status, body = call(settings, "POST", "/api/v1/rules/reload")
    if status == 200:
        return "\n".join(_told(body))
    errors = list(map(str, body.get("errors") or [body.get("detail") or body.get("title") or f"HTTP {status}"]))
    if body.get("left_out"):
        errors.append(f"and {body['left_out']} more")
    if status == 409:
        kept = _in_force(body)
        raise InputFault("\n".join([*errors, f"未生效，原规则继续运行 · refused; {kept}"]))
    raise ServiceMissing("\n".join(errors))


def _told(body: dict[str, Any]) -> list[str]:
    if not body.get("position"):
        return [f"没有变化 · nothing changed; {_in_force(body)}"]
    changes = body.get("changes", {})
    lines = [f"已生效 · {_in_force(body)}"]
    for mark, name, zh in (("+", "added", "新增"), ("-", "removed", "移除"), ("~", "changed", "改动")):
        ids = changes.get(name, [])
        if ids:
            lines.append(f"{zh} · {name} {len(ids)}")
            lines += [f"  {mark} {rule}" for rule in ids[:_MOST_IDS]]
            lines += [f"    … {len(ids) - _MOST_IDS} more"] if len(ids) > _MOST_IDS else []
    lines.append(f"未变，状态保留 · unchanged, state kept {len(changes.get('unchanged', []))}")
    return lines


def _in_force(body: dict[str, Any]) -> str:
    now = body.get("in_force", {})
    since = f" since {now['since']} (position {now['position']})" if now.get("since") else ""
    return f"{now.get('count')} rules in force{since}, version {now.get('version')}"
